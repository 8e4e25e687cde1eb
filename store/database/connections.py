"""Connections of the sqlite3 driver: opened with our settings, and closed before a process forks."""

import os
import sqlite3
import weakref
from pathlib import Path
from typing import Protocol


class _Closeable(Protocol):
    def close(self) -> None: ...


def connect(path: Path, *settings: str) -> sqlite3.Connection:
    """Open a sqlite3 connection to an existing file. Never creates a file.

    `settings` are SQLite pragmas, such as "query_only=ON". SQLite overwrites deleted content with zeros. The
    driver begins no transactions: the caller executes BEGIN. In text that is not UTF-8, U+FFFD replaces the
    wrong bytes: the driver would make the whole query fail because of one such value.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=5,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        for setting in ("secure_delete=ON", *settings):
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def close_before_fork(store: _Closeable) -> None:
    """Register a store, so that its `close` method is called before each fork of this process.

    A child process does not inherit POSIX locks. With an inherited connection, SQLite in the child would
    believe that it has those locks. The store is not kept alive by this registration.
    """
    reference = weakref.ref(store)
    os.register_at_fork(before=lambda: _close(reference))


def _close(reference: weakref.ref[_Closeable]) -> None:
    store = reference()
    if store is not None:
        store.close()
