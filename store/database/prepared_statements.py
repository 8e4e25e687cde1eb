"""Prepared statements: compiled to SQL once, executed by the database driver.

All rows of the store are read and written through these two classes. SQLAlchemy builds the SQL and reads the
types of columns, but does not execute. ADR 22 has the measurements.

In an UPDATE, no parameter can have the name of a column that the statement sets to a fixed value.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import date
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import Delete, Insert, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.compiler import SQLCompiler

from store.database.schema import Base

insert = sqlite.insert  # with ON CONFLICT, for which each database has its own words
BrokenConstraintError = sqlite3.IntegrityError  # a statement would break a constraint of the schema

_DIALECT = sqlite.dialect(paramstyle="named")
_Found = TypeVar("_Found")


def roll_back(session: Session) -> None:
    """Undo everything that this session has written. The next statement begins a new transaction."""
    session.rollback()
    session.info["driver"].rollback()


def columns(result: type, *tables: type[Base]) -> list[InstrumentedAttribute[Any]]:
    """Return, for each field of a dataclass, the column with its name in the first table that has it."""
    return [
        next(getattr(table, name) for table in tables if hasattr(table, name))
        for name in (each.name for each in fields(result))
    ]


def as_tuple(*values: Any) -> tuple[Any, ...]:  # noqa: ANN401  # a column can have any type
    """Return a row as a tuple of its columns, for `PreparedQuery`."""
    return values


def only_column(value: Any) -> Any:  # noqa: ANN401  # as above
    """Return the value of a row with one column, for `PreparedQuery`."""
    return value


class _PreparedStatement:
    """Statement that is compiled when it is first executed."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | Update | Insert | Delete) -> None:
        self._statement = statement

    @cached_property
    def _compiled(self) -> SQLCompiler:
        return self._statement.compile(dialect=_DIALECT)

    @cached_property
    def _fixed(self) -> tuple[str, dict[str, object]]:
        return str(self._compiled), dict(self._compiled.params)

    def _execute(self, session: Session, values: dict[str, object]) -> sqlite3.Cursor:
        sql, fixed = self._fixed
        given = {name: v.isoformat() if isinstance(v, date) else v for name, v in values.items()}
        parameters: Any = {**fixed, **given}
        if self._compiled.post_compile_params:  # a list has one parameter for each of its members
            expanded = self._compiled.construct_expanded_state(parameters)
            sql, parameters = expanded.statement, expanded.parameters
        driver: sqlite3.Connection = session.info["driver"]
        if not driver.in_transaction:  # after `roll_back`
            session.connection()
        return driver.execute(sql, parameters)


class PreparedChange(_PreparedStatement):
    """INSERT, UPDATE or DELETE with named parameters. A parameter that is not given is NULL."""

    def run(self, session: Session, **values: object) -> int:
        """Execute the statement and return the number of rows that it changed.

        Raises:
            BrokenConstraintError: the rows would break a constraint of the schema.
        """
        return self._execute(session, values).rowcount


class PreparedQuery(_PreparedStatement, Generic[_Found]):
    """SELECT with named parameters. `row` makes a result of the columns of one row."""

    def __init__(self, statement: Select[*tuple[Any, ...]], row: Callable[..., _Found]) -> None:
        super().__init__(statement)
        self._row = row
        self._columns = tuple(statement.selected_columns)

    @cached_property
    def _readers(self) -> tuple[Callable[[Any], Any] | None, ...]:
        return tuple(column.type.result_processor(_DIALECT, None) for column in self._columns)

    def first(self, session: Session, **values: object) -> _Found | None:
        """Return the first row, or None."""
        return next(self.each(session, **values), None)

    def all(self, session: Session, **values: object) -> list[_Found]:
        """Return every row."""
        return list(self.each(session, **values))

    def each(self, session: Session, **values: object) -> Iterator[_Found]:
        """Yield every row as it is read, so that a long result does not fill the memory."""
        for row in self._execute(session, values):
            pairs = zip(row, self._readers, strict=True)
            yield self._row(*(value if read is None else read(value) for value, read in pairs))
