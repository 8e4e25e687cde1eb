"""Guard that makes SQLite refuse writes, on every connection that this process opens, in any thread."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

_ALWAYS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_PRAGMA,
    sqlite3.SQLITE_TRANSACTION,
}
_NAMES = {sqlite3.SQLITE_INSERT: "insert", sqlite3.SQLITE_UPDATE: "update", sqlite3.SQLITE_DELETE: "delete"}


@dataclass
class WriteGuard:
    """Writes that SQLite refused while the guard was active, such as "update mailbox"."""

    refused: list[str] = field(default_factory=list)
    _connections: list[sqlite3.Connection] = field(default_factory=list)
    _allowed: frozenset[str] | None = None  # None: the guard is off

    @contextmanager
    def refusing_all_but(self, *allowed: str) -> Iterator[None]:
        self._switch(frozenset(allowed))
        yield
        self._switch(None)

    def watch(self, connection: sqlite3.Connection) -> None:
        connection.set_authorizer(self._authorize)
        self._connections.append(connection)

    def _switch(self, allowed: frozenset[str] | None) -> None:
        self._allowed = allowed
        for connection in self._connections:
            with suppress(sqlite3.ProgrammingError):  # this connection is closed
                connection.set_authorizer(
                    self._authorize
                )  # so SQLite prepares each statement again, and asks

    def _authorize(self, action: int, table: str | None, *_: object) -> int:
        write = f"{_NAMES.get(action, action)} {table}"
        if self._allowed is None or action in _ALWAYS or write in self._allowed:
            return sqlite3.SQLITE_OK
        self.refused.append(write)
        return sqlite3.SQLITE_DENY


def watch_all_connections(monkeypatch: pytest.MonkeyPatch) -> WriteGuard:
    """Return a guard for all connections that are opened from now on."""
    guard = WriteGuard()
    connect = sqlite3.connect

    def watched(*args: Any, **settings: Any) -> sqlite3.Connection:  # noqa: ANN401  # as the driver's
        connection = connect(*args, **settings)
        guard.watch(connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", watched)
    return guard
