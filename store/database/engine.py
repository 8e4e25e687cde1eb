"""Engine: creates, upgrades and opens a store. `store.dialect` opens its transactions."""

import os
from contextlib import closing
from pathlib import Path

from store.database.table_versions import refuse_other_version, version_of
from store.dialect.opened_store import Store
from store.dialect.sqlite import MANY, SqliteStore
from store.dialect.sqlite_connections import SETTINGS, connect
from store.dialect.sqlite_errors import translating
from store.dialect.sqlite_pages import PAGE_BYTES
from store.errors import StoreError, StoreMissingError

__all__ = ["Store", "create_store", "open_store", "upgrade_store"]


def create_store(path: Path) -> Store:
    """Create an empty store and open it. The file gets mode 0600, and its folder gets mode 0700.

    Raises:
        StoreError: a file exists at `path`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise StoreError("a file exists where the new store was to be created") from None
    with translating(path):
        connect(path, f"page_size={PAGE_BYTES}", "journal_mode=WAL").close()
    _migrate(path)
    return open_store(path)


def upgrade_store(path: Path) -> None:
    """Migrate a store to the tables and the journal mode of this program's version, in one transaction.

    First stop all programs that use the store.

    Raises:
        StoreError: the store is damaged or newer, or its disk is full. Its tables are unchanged.
    """
    with translating(path), closing(connect(path, "journal_mode=WAL")) as connection:
        version_of(connection)
    _migrate(path)


def _migrate(path: Path) -> None:
    from alembic import command  # noqa: PLC0415  # 8 MiB that web workers do not need
    from alembic.config import Config  # noqa: PLC0415  # for the same reason

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    with closing(SqliteStore(path)) as store, store.writing() as session:
        settings.attributes["connection"] = session.connection()
        command.upgrade(settings, "head")
        refuse_other_version(session.info["driver"])


def open_store(path: Path, *, patient: int = MANY) -> Store:
    """Check the file of an existing store, and return the store.

    No connection stays open, so a server may fork. In each process, at most `patient` threads wait for up to
    30 seconds to write. Other threads wait for two seconds.

    Raises:
        StoreMissingError: there is no file at `path`.
        StoreDamagedError: the file is not a store, its journal belongs to another file, or someone changed
            its tables by hand.
        StoreOutdatedError: the store has the tables or the kind of journal of another version.
        StoreError: this SQLite cannot overwrite deleted content.
    """
    if not path.is_file():
        raise StoreMissingError
    with translating(path), closing(connect(path, *SETTINGS)) as connection:
        refuse_other_version(connection)
    return SqliteStore(path, patient=patient)
