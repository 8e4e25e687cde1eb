"""Connections of the sqlite3 driver: opened with our settings, and closed before a fork."""

import os
import sqlite3
import weakref
from pathlib import Path
from typing import Protocol


class _Closeable(Protocol):
    def close(self) -> None: ...


def connect(path: Path, *settings: str) -> sqlite3.Connection:
    """Connect to an existing file, and never create one. The caller begins transactions, not the driver.

    `settings` are pragmas, such as "query_only=ON". Deleted content is overwritten with zeros.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=5,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for setting in ("secure_delete=ON", *settings):
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def close_before_fork(store: _Closeable) -> None:
    """Call `close` before each fork of this process, for as long as the store exists.

    A child does not inherit POSIX locks, but SQLite in the child would believe that it has them.
    """
    reference = weakref.ref(store)
    os.register_at_fork(before=lambda: _close(reference))


def _close(reference: weakref.ref[_Closeable]) -> None:
    store = reference()
    if store is not None:
        store.close()
