"""Connections of the sqlite3 driver, opened with our settings."""

import sqlite3
from pathlib import Path

from store.dialect.own_journal import refuse_foreign_journal
from store.errors import StoreError, StoreOutdatedError

SETTINGS = ("foreign_keys=ON", "temp_store=MEMORY")  # of each connection to a store
_NO_SECURE_DELETE = (
    "this machine's SQLite cannot overwrite deleted content (secure_delete): install another SQLite"
)
_OTHER_JOURNAL = (
    "the store is not in SQLite's mode WAL, so deleted content could stay in its journal: stop all parts, "
    "and run: steunpunt upgrade"
)


def connect(path: Path, *settings: str, journal: str = "wal") -> sqlite3.Connection:
    """Open a sqlite3 connection to an existing store. SQLite overwrites deleted content with zeros.

    `settings` are pragmas, such as "query_only=ON". `journal` is the journal mode that the file must have.
    The caller begins each transaction with BEGIN.

    Raises:
        StoreJournalError: the journal beside the file belongs to another file.
        StoreOutdatedError: the file has another journal mode, in which deleted content could stay.
        StoreError: this SQLite cannot overwrite deleted content.
    """
    refuse_foreign_journal(path)
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=5,
        isolation_level=None,
        check_same_thread=False,
    )
    # One text that is not UTF-8 must not make the whole query fail.
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
