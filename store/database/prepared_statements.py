"""Prepared statements: SQLAlchemy compiles them to SQL once, and the driver of the database executes them.

`PreparedQuery` and `PreparedChange` read and write all rows of the store. SQLAlchemy builds the SQL and
converts the values of columns, but does not execute statements. ADR 22 has the measurements.

In an UPDATE, a parameter must not have the name of a column that the statement sets to a fixed value.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import date
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Delete, Dialect, Insert, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from store.database.schema import Base, CheckedType
from store.errors import BrokenConstraintError

insert = sqlite.insert  # not SQLAlchemy's general `insert`, which cannot write ON CONFLICT

_Reader = Callable[[Any], Any] | None
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


def _reader(column: ColumnElement[Any], dialect: Dialect) -> _Reader:
    """Return the function that checks each value of a column. In a NOT NULL column, NULL counts as damage."""
    unlabelled = getattr(column, "element", column)
    if isinstance(column.type, CheckedType) and not getattr(unlabelled, "nullable", True):
        return type(column.type).read
    return column.type.result_processor(dialect, None)


class _Compiled:
    """SQL statement that was compiled for one database."""

    def __init__(
        self, statement: Select[*tuple[Any, ...]] | Update | Insert | Delete, dialect: Dialect
    ) -> None:
        self.compiler = compiler = statement.compile(dialect=dialect)
        self.sql, self.fixed = str(compiler), dict(compiler.params)
        # A list in the values becomes one parameter for each member.
        self.has_lists = bool(compiler.post_compile_params)
        columns = statement.selected_columns if isinstance(statement, Select) else ()
        self.readers = tuple(_reader(column, dialect) for column in columns)


class _PreparedStatement:
    """SQL statement that is compiled once for each database, when it is executed for the first time."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | Update | Insert | Delete) -> None:
        self._statement = statement
        self._by_dialect: dict[Dialect, _Compiled] = {}

    def _execute(self, session: Session, values: dict[str, object]) -> tuple[Any, _Compiled]:
        """Execute the statement. Return the driver's cursor, and the compiled statement."""
        info = session.info
        store = info["store"]
        compiled = self._by_dialect.get(store.sql)
        if compiled is None:
            compiled = self._by_dialect[store.sql] = _Compiled(self._statement, store.sql)
        given = {name: v.isoformat() if isinstance(v, date) else v for name, v in values.items()}
        sql, parameters = compiled.sql, {**compiled.fixed, **given}
        if compiled.has_lists:
            expanded = compiled.compiler.construct_expanded_state(parameters)
            sql, parameters = expanded.statement, dict(expanded.parameters)
        driver = info["driver"]
        if not driver.in_transaction:  # after `roll_back`
            session.connection()
        try:
            return driver.execute(sql, parameters), compiled
        except store.broken_constraint:
            raise BrokenConstraintError from None  # the driver may name values of the row


class PreparedChange(_PreparedStatement):
    """Prepared INSERT, UPDATE or DELETE with named parameters. A parameter that the caller omits is NULL."""

    def run(self, session: Session, **values: object) -> int:
        """Execute the statement and return the number of rows that it changed.

        Raises:
            BrokenConstraintError: the rows would break a constraint of the schema.
        """
        cursor, _ = self._execute(session, values)
        return int(cursor.rowcount)


class PreparedQuery(_PreparedStatement, Generic[_Found]):
    """Prepared SELECT with named parameters. The function `row` turns one row's columns into a result."""

    def __init__(self, statement: Select[*tuple[Any, ...]], row: Callable[..., _Found]) -> None:
        super().__init__(statement)
        self._row = row

    def first(self, session: Session, **values: object) -> _Found | None:
        """Execute the query and return the first result, or None if no row matches."""
        return next(self.each(session, **values), None)

    def all(self, session: Session, **values: object) -> list[_Found]:
        """Execute the query and return all results in a list."""
        return list(self.each(session, **values))

    def each(self, session: Session, **values: object) -> Iterator[_Found]:
        """Execute the query and yield its results one by one, so that many rows do not fill the memory."""
        cursor, compiled = self._execute(session, values)
        readers = compiled.readers
        for row in cursor:
            pairs = zip(row, readers, strict=True)
            yield self._row(*[value if read is None else read(value) for value, read in pairs])


class PlainQuery(PreparedQuery[Any]):
    """Prepared SELECT that returns each row as a tuple, or as a plain value if the row has one column."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        has_one_column = len(statement.selected_columns) == 1
        super().__init__(statement, (lambda value: value) if has_one_column else lambda *values: values)
