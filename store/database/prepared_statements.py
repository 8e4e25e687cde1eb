"""Statements of the paths that every message and every page takes: put into SQL once, run by the driver.

Measured: SQLAlchemy takes 30 µs for a statement that takes SQLite 3 µs, and 100 µs for a transaction of one
that takes 8. What is asked seldom goes through SQLAlchemy as it is; both see the same transaction.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Any

from sqlalchemy import Delete, Insert, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session


def roll_back(session: Session) -> None:
    """Undo what this session has done; what it does next is a transaction of its own."""
    session.rollback()
    session.info["driver"].rollback()


def driver_of(session: Session) -> sqlite3.Connection:
    """Return the connection under a session of `Store`, within the session's transaction."""
    driver: sqlite3.Connection = session.info["driver"]
    if not driver.in_transaction:  # rolled back before: what comes now belongs together again
        session.connection()
    return driver


class PreparedStatement:
    """One statement with named values. Days are given and come back as `date`, all else as SQLite has it."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | Update | Insert | Delete) -> None:
        """Keep a statement, to be put into SQL when it is first run. What is not given then is NULL."""
        self._statement = statement

    @cached_property
    def _sql(self) -> tuple[str, Mapping[str, object]]:
        compiled = self._statement.compile(dialect=sqlite.dialect(paramstyle="named"))
        return str(compiled), dict(compiled.params)

    @cached_property
    def _readers(self) -> Sequence[Callable[[object], Any] | None]:
        return _readers(self._statement) if isinstance(self._statement, Select) else ()

    def run(self, session: Session, values: Mapping[str, object]) -> int:
        """Execute a change; return how many rows it changed."""
        return self._execute(session, values).rowcount

    def first(self, session: Session, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        """Return the first row that a question finds."""
        row = self._execute(session, values).fetchone()
        return None if row is None else self._read(row)

    def all(self, session: Session, values: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        """Yield every row that a question finds."""
        return map(self._read, self._execute(session, values))

    def _execute(self, session: Session, values: Mapping[str, object]) -> sqlite3.Cursor:
        sql, fixed = self._sql
        given = {name: _written(value) for name, value in values.items()}
        return driver_of(session).execute(sql, {**fixed, **given})

    def _read(self, row: Iterable[object]) -> tuple[Any, ...]:
        pairs = zip(row, self._readers, strict=True)
        return tuple(value if read is None else read(value) for value, read in pairs)


def _readers(question: Select[*tuple[Any, ...]]) -> tuple[Callable[[object], Any] | None, ...]:
    dialect = sqlite.dialect()
    return tuple(column.type.result_processor(dialect, None) for column in question.selected_columns)


def _written(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
