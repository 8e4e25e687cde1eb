"""Connections of the sqlite3 driver: opened with our settings, and closed before a process forks."""

import os
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path

from store.errors import StoreError, StoreOutdatedError

_NO_SECURE_DELETE = (
    "this machine's SQLite cannot overwrite deleted content (secure_delete): install another SQLite"
)
_OTHER_JOURNAL = (
    "the store is not in SQLite's mode WAL, so deleted content could stay in its journal: stop all parts, "
    "and run: steunpunt upgrade"
)


def connect(path: Path, *settings: str, journal: str = "wal") -> sqlite3.Connection:
    """Open a sqlite3 connection to an existing file. If the file is missing, raise an exception.

    `settings` are SQLite pragmas, such as "query_only=ON". `journal` is the kind of journal that the file
    must have after the settings. SQLite overwrites deleted content with zeros. The driver begins no
    transactions: the caller executes BEGIN. In a stored text that is not UTF-8, the wrong bytes are read as
    U+FFFD, so that one damaged text does not make the whole query fail.

    Raises:
        StoreOutdatedError: the file has another kind of journal, in which deleted content could stay.
        StoreError: this SQLite cannot overwrite deleted content.
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
        if connection.execute("PRAGMA secure_delete=ON").fetchone() != (1,):
            raise StoreError(_NO_SECURE_DELETE)  # noqa: TRY301  # the handler below closes the connection
        for setting in settings:
            connection.execute(f"PRAGMA {setting}")
        if connection.execute("PRAGMA journal_mode").fetchone() != (journal,):
            raise StoreOutdatedError(_OTHER_JOURNAL)  # as above
    except (sqlite3.Error, StoreError):
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
