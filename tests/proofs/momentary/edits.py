"""Operator who changes one value, or removes a row, at one moment of a use case, and restores it.

SQLite shows each transaction one snapshot, so the moments are those before each transaction.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from store.dialect.sqlite import SqliteStore
from store.sessions import SessionStore


@dataclass(frozen=True, order=True)
class MomentaryEdit:
    """Change of one column of one row of a SQLite file, or of the whole row if `column` is empty."""

    place: str
    table: str
    row: int | bytes  # value of the primary key
    column: str
    is_key: bool = False  # the column is the primary key

    def make(self, path: Path) -> Callable[[], object]:
        """Make the edit. Return a function that restores the value, unless the program changed it since."""
        is_row = f"{_key(path, self.table)} = ?"
        if not self.column:
            found = sql(path, f"SELECT * FROM {self.table} WHERE {is_row}", self.row)
            sql(path, f"DELETE FROM {self.table} WHERE {is_row}", self.row)
            return lambda: [self._insert(path, row) for row in found]
        for (value,) in sql(path, f"SELECT {self.column} FROM {self.table} WHERE {is_row}", self.row):
            other = _other(value)
            change = f"UPDATE OR IGNORE {self.table} SET {self.column} = ? WHERE {is_row}"
            sql(path, change, other, self.row)
            row = other if self.is_key else self.row
            return lambda: sql(path, f"{change} AND {self.column} IS ?", value, row, other)
        return list  # the program deleted the row

    def _insert(self, path: Path, row: tuple[object, ...]) -> None:
        sql(path, f"INSERT OR IGNORE INTO {self.table} VALUES ({', '.join('?' * len(row))})", *row)


@dataclass
class MomentaryOperator:
    """Counts the moments of a use case, and makes an edit at one of them.

    A brief edit is undone before the next moment, and any other edit after the use case.
    """

    paths: dict[str, Path]
    edit: MomentaryEdit | None = None
    at: int = 0
    is_brief: bool = False
    moment: int = -1  # not counting
    _undoing: list[Callable[[], object]] = field(default_factory=list)
    _connections: list[tuple[str, sqlite3.Connection]] = field(default_factory=list)
    _reads: dict[tuple[str, str], set[int]] | None = None

    @contextmanager
    def acting(
        self, edit: MomentaryEdit | None = None, at: int = 0, *, is_brief: bool = False
    ) -> Iterator[None]:
        self.edit, self.at, self.is_brief, self.moment = edit, at, is_brief, 0
        try:
            yield
        finally:
            self.moment = -1
            self._undo()
            assert not self._undoing

    @contextmanager
    def noting_reads(self) -> Iterator[dict[tuple[str, str], set[int]]]:
        """Note the moments after which the program reads each column of each table, named "place.table"."""
        self._reads = defaultdict(set)
        with self.acting():
            yield self._reads
        self._reads = None
        self._ask(None)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        for opener, name in (
            (SqliteStore, "reading"),
            (SqliteStore, "writing"),
            (SessionStore, "_connection"),
        ):
            patch.setattr(opener, name, self._counted(getattr(opener, name)))
        connect = sqlite3.connect

        def connected(path: str, **how: Any) -> sqlite3.Connection:  # noqa: ANN401  # as the driver's
            connection = connect(path, **how)
            place = next((place for place, each in self.paths.items() if str(each) in str(path)), "")
            self._connections.append((place, connection))
            return connection

        patch.setattr(sqlite3, "connect", connected)

    def _counted(self, opened: Callable[..., AbstractContextManager[object]]) -> object:
        @contextmanager
        def counting(store: object, **how: object) -> Iterator[object]:
            self._before_transaction()
            with opened(store, **how) as session:
                if self._reads is not None:
                    self._ask(self._note)
                yield session

        return counting

    def _before_transaction(self) -> None:
        if self.moment < 0:
            return
        self.moment += 1
        if self.is_brief:
            self._undo()
        if self.moment == self.at and self.edit is not None:
            with suppress(sqlite3.OperationalError):  # another thread writes at this moment
                self._undoing.append(self.edit.make(self.paths[self.edit.place]))

    def _undo(self) -> None:
        """Undo the edit, or try again at the next moment if another thread writes at this one."""
        while self._undoing:
            try:
                self._undoing[-1]()
            except sqlite3.OperationalError:
                return
            self._undoing.pop()

    def _ask(self, note: Callable[..., int] | None) -> None:
        """Let SQLite say which columns each statement reads, also the statements that it has prepared."""
        for place, connection in self._connections:
            with suppress(sqlite3.ProgrammingError):  # this connection is closed
                connection.set_authorizer(None if note is None else partial(note, place))

    def _note(self, place: str, action: int, table: str | None, column: str | None, *_: object) -> int:
        if self._reads is not None and action == sqlite3.SQLITE_READ:
            self._reads[f"{place}.{table}", column or ""].add(self.moment)
            self._reads[f"{place}.{table}", ""].add(self.moment)
        return sqlite3.SQLITE_OK


def sql(path: Path, statement: str, *values: object) -> Sequence[tuple[object, ...]]:
    """Run a statement as an administrator.

    Raises:
        sqlite3.OperationalError: the program is writing at this moment.
    """
    with closing(sqlite3.connect(path, timeout=0)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        return connection.execute(statement, values).fetchall()


def edits_of(place: str, path: Path) -> list[MomentaryEdit]:
    """Return every edit of every row of a SQLite file."""
    tables = sql(path, "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'")
    return [
        MomentaryEdit(place, str(table), row, column, is_key)
        for (table,) in tables
        for (row,) in sql(path, f"SELECT {_key(path, str(table))} FROM {table}")
        if isinstance(row, int | bytes)
        for column, is_key in [*_columns(path, str(table)), ("", False)]
    ]


def _key(path: Path, table: str) -> str:
    return next(name for name, is_key in _columns(path, table) if is_key)


def _columns(path: Path, table: str) -> list[tuple[str, bool]]:
    return [(str(name), bool(key)) for _, name, _, _, _, key in sql(path, f"PRAGMA table_info({table})")]


def _other(value: object) -> object:
    match value:
        case bytes() if value:
            return value[:-1] + bytes([value[-1] ^ 1])
        case int():
            return value + 1
        case str():
            return "2020-02-02"
        case _:
            return 7
