"""Connections of the sqlite3 driver: opened with our settings, and closed before a process forks."""

import os
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path


def connect(path: Path, *settings: str) -> sqlite3.Connection:
    """Open a sqlite3 connection to an existing file. If the file is missing, raise an exception.

    `settings` are SQLite pragmas, such as "query_only=ON". SQLite overwrites deleted content with zeros. The
    driver begins no transactions: the caller executes BEGIN. If a stored text is not UTF-8, the wrong bytes
    are read as U+FFFD, so that one damaged text does not make the whole query fail. No column accepts U+FFFD
    (see `schema`).
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


def close_before_fork(close: Callable[[], None]) -> None:
    """Register the `close` method of a store, which is then called before each fork of this process.

    A child process does not inherit POSIX locks. With an inherited connection, SQLite in the child would
    believe that it has those locks. The registration is a weak reference: a store that nothing else uses is
    freed.
    """
    reference = weakref.WeakMethod(close)

    def close_if_alive() -> None:
        method = reference()
        if method is not None:
            method()

    os.register_at_fork(before=close_if_alive)
