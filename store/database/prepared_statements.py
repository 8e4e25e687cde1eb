"""Prepared statements: SQLAlchemy compiles them to SQL once, and the sqlite3 driver executes them.

`PreparedQuery` and `PreparedChange` read and write all rows of the store. SQLAlchemy builds the SQL and
converts the values of columns, but does not execute statements. ADR 22 has the measurements.

In an UPDATE, a parameter must not have the name of a column that the statement sets to a fixed value.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import date
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Delete, Insert, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.compiler import SQLCompiler

from store.database.schema import Base, CheckedType

insert = sqlite.insert  # not SQLAlchemy's general `insert`, which cannot write ON CONFLICT
BrokenConstraintError = sqlite3.IntegrityError  # a statement would break a constraint of the schema

_DIALECT = sqlite.dialect(paramstyle="named")
_Found = TypeVar("_Found")


def roll_back(session: Session) -> None:
    """Undo everything that a session has written since its transaction began.

    The session's next statement begins a new transaction.
    """
    session.rollback()
    session.info["driver"].rollback()


def columns(result: type, *tables: type[Base]) -> list[InstrumentedAttribute[Any]]:
    """Return the table columns whose names are the fields of a dataclass, in the order of the fields.

    If several tables have a column with such a name, the column of the first table is returned.
    """
    return [
        next(getattr(table, name) for table in tables if hasattr(table, name))
        for name in (each.name for each in fields(result))
    ]


def _reader(column: ColumnElement[Any]) -> Callable[[Any], Any] | None:
    """Return the function that checks each value of a column. In a NOT NULL column, NULL counts as damage."""
    unlabelled = getattr(column, "element", column)
    if isinstance(column.type, CheckedType) and not getattr(unlabelled, "nullable", True):
        return type(column.type).read
    return column.type.result_processor(_DIALECT, None)


class _PreparedStatement:
    """SQL statement that is compiled once, when it is executed for the first time."""

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
        if self._compiled.post_compile_params:  # a list in the values becomes one parameter for each member
            expanded = self._compiled.construct_expanded_state(parameters)
            sql, parameters = expanded.statement, expanded.parameters
        driver: sqlite3.Connection = session.info["driver"]
        if not driver.in_transaction:  # after `roll_back`
            session.connection()
        return driver.execute(sql, parameters)


class PreparedChange(_PreparedStatement):
    """Prepared INSERT, UPDATE or DELETE with named parameters. A parameter that the caller omits is NULL."""

    def run(self, session: Session, **values: object) -> int:
        """Execute the statement and return the number of rows that it changed.

        Raises:
            BrokenConstraintError: the rows would break a constraint of the schema.
        """
        return self._execute(session, values).rowcount


class PreparedQuery(_PreparedStatement, Generic[_Found]):
    """Prepared SELECT with named parameters. The function `row` turns one row's columns into a result."""

    def __init__(self, statement: Select[*tuple[Any, ...]], row: Callable[..., _Found]) -> None:
        super().__init__(statement)
        self._row = row
        self._columns = tuple(statement.selected_columns)

    @cached_property
    def _readers(self) -> tuple[Callable[[Any], Any] | None, ...]:
        return tuple(map(_reader, self._columns))

    def first(self, session: Session, **values: object) -> _Found | None:
        """Execute the query and return the first result, or None if no row matches."""
        return next(self.each(session, **values), None)

    def all(self, session: Session, **values: object) -> list[_Found]:
        """Execute the query and return all results in a list."""
        return list(self.each(session, **values))

    def each(self, session: Session, **values: object) -> Iterator[_Found]:
        """Execute the query and yield its results one by one, so that many rows do not fill the memory."""
        for row in self._execute(session, values):
            pairs = zip(row, self._readers, strict=True)
            yield self._row(*[value if read is None else read(value) for value, read in pairs])


class PlainQuery(PreparedQuery[Any]):
    """Prepared SELECT that returns each row as a tuple, or as a plain value if the row has one column."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        has_one_column = len(statement.selected_columns) == 1
        super().__init__(statement, (lambda value: value) if has_one_column else lambda *values: values)
