"""Engine: creates, upgrades and opens a store. `store.dialect` opens its transactions.

A store is in a SQLite file, at a `Path`, or in a database of a PostgreSQL server, at a `ServerPlace`.
"""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from store.database.file_copies import refuse_store_in_use
from store.database.table_versions import (
    StoreForm,
    form_on_server,
    inspect_store,
    is_empty,
    mark_incomplete,
    refuse_other_version,
    version_of,
)
from store.dialect.opened_store import MANY, ServerPlace, Store
from store.dialect.sqlite import TABLES, SqliteStore
from store.dialect.sqlite_connections import SETTINGS, connect
from store.dialect.sqlite_errors import translating
from store.dialect.sqlite_pages import PAGE_BYTES
from store.errors import StoreError, StoreMissingError

if TYPE_CHECKING:
    from store.dialect.postgresql import PostgresqlStore

__all__ = [
    "ServerPlace",
    "Store",
    "create_file",
    "create_roles",
    "create_store",
    "inspect_place",
    "open_copy",
    "open_server",
    "open_store",
    "refuse_full",
    "refuse_use",
    "upgrade_store",
]
_NEW_FILE = (f"page_size={PAGE_BYTES}", "journal_mode=WAL")


def create_store(place: Path | ServerPlace) -> Store:
    """Create an empty store and open it. A file gets mode 0600, and its folder gets mode 0700.

    Raises:
        StoreError: a file exists at the path, or the database has tables.
    """
    if isinstance(place, ServerPlace):
        with closing(open_server(place)) as store:
            store.check_server()
            with store.inspecting() as driver:
                if driver.execute(store.tables.definitions).fetchall():
                    raise StoreError("the database where the new store was to be created has tables")
            _migrate(store)
        return open_store(place)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.parent.chmod(0o700)
    try:
        _make_file(place)
    except FileExistsError:
        raise StoreError("a file exists where the new store was to be created") from None
    with translating(place):
        connect(place, *_NEW_FILE).close()
    with closing(SqliteStore(place)) as store:
        _migrate(store)
    return open_store(place)


def open_copy(place: Path | ServerPlace) -> Store:
    """Create an empty store that no program opens yet, or open such a store again.

    `row_copies.copy_rows` fills the store, and then lets programs open it. A new file gets mode 0600.

    Raises:
        StoreError: the place has something else, or a server has wrong settings.
    """
    if isinstance(place, ServerPlace):
        with closing(open_server(place)) as on_server:
            on_server.check_server()
            with on_server.inspecting() as driver:
                is_new = is_empty(driver, on_server.tables)
            if is_new:
                _migrate(on_server, is_copy=True)
            with on_server.inspecting() as driver:
                on_server.refuse_other_role(driver, of_source=False)
        return on_server
    if not place.exists():
        _make_file(place)
    with translating(place), closing(connect(place, *_NEW_FILE)) as connection:
        is_new = is_empty(connection, TABLES)
    if is_new:
        with closing(SqliteStore(place)) as store:
            _migrate(store, is_copy=True)
    return SqliteStore(place)


def upgrade_store(place: Path | ServerPlace) -> None:
    """Migrate a store to the tables of this program's version, in one transaction.

    A file also gets the journal mode of this version. First stop all programs that use the store.

    Raises:
        StoreError: the store is damaged or newer, or its disk is full. Its tables are unchanged.
    """
    if isinstance(place, ServerPlace):
        with closing(open_server(place)) as store:
            store.check_server()
            with store.inspecting() as driver:
                version_of(driver, store.tables)
            _migrate(store)
        return
    with translating(place), closing(connect(place, "journal_mode=WAL")) as connection:
        version_of(connection)
    with closing(SqliteStore(place)) as store:
        _migrate(store)


def create_file(path: Path, version: str) -> None:
    """Create an empty store of a version that this program knows. The new file gets mode 0600.

    Raises:
        FileExistsError: there is a file at the path.
        StoreError: the disk is full.
    """
    _make_file(path)
    with translating(path):
        connect(path, *_NEW_FILE).close()
    with closing(SqliteStore(path)) as store:
        _migrate(store, version=version)


def inspect_place(place: Path | ServerPlace) -> StoreForm:
    """Return the version of a store that this program can use or upgrade. See `inspect_store`.

    Raises:
        StoreError: the store is missing, damaged or newer, or its server cannot be reached.
    """
    if isinstance(place, Path):
        return inspect_store(place)
    with closing(open_server(place)) as store, store.inspecting() as driver:
        return form_on_server(driver, store.tables)


def _make_file(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _migrate(store: Store, *, is_copy: bool = False, version: str = "head") -> None:
    from alembic import command  # noqa: PLC0415  # 8 MiB that web workers do not need
    from alembic.config import Config  # noqa: PLC0415  # for the same reason

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    with store.writing() as session:
        settings.attributes["connection"] = session.connection()
        command.upgrade(settings, version)
        version_of(session.info["driver"], store.tables)
        if is_copy:
            mark_incomplete(session.info["driver"])
        store.grant_rights(session)


def open_store(place: Path | ServerPlace, *, patient: int = MANY, of_source: bool = False) -> Store:
    """Check an existing store, and return the store.

    With `of_source`, a database server is refused if its user could do more than the source's site needs.
    Otherwise, the server is refused if its user does not see all mailboxes.

    No connection stays open, so a server may fork. In each process, at most `patient` threads wait for up to
    30 seconds to write. Other threads wait for two seconds.

    Raises:
        StoreMissingError: there is no file at the path, or the server cannot be reached.
        StoreDamagedError: the file is not a store, its journal belongs to another file, or someone changed
            its tables by hand.
        StoreOutdatedError: the store has the tables or the kind of journal of another version.
        StoreError: this SQLite cannot overwrite deleted content, or the server could lose what it stored.
    """
    if isinstance(place, ServerPlace):
        store = open_server(place, patient, of_source=of_source)
        with closing(store):
            store.check_server()
            with store.inspecting() as driver:
                refuse_other_version(driver, store.tables)
                store.refuse_other_role(driver, of_source=of_source)
        return store
    if not place.is_file():
        raise StoreMissingError
    with translating(place), closing(connect(place, *SETTINGS)) as connection:
        refuse_other_version(connection)
    return SqliteStore(place, patient=patient)


def create_roles(place: ServerPlace) -> list[str]:
    """Create the roles of a store's database on a server, and return their names.

    Roles that exist get exactly their rights again. The user of `place` must be an administrator of the
    server.

    Raises:
        StoreError: the user is not an administrator, or the server cannot be reached.
    """
    with closing(open_server(place)) as store:
        roles = store.create_roles()
        store.check_server()
        return roles


def refuse_full(place: ServerPlace) -> None:
    """Check that a database has no tables, or a copy that is not complete.

    Raises:
        StoreError: the database has other tables, or its server cannot be reached.
    """
    with closing(open_server(place)) as store, store.inspecting() as driver:
        is_empty(driver, store.tables)


def refuse_use(place: Path | ServerPlace) -> None:
    """Check that no program has a store open. A file that is damaged or missing counts as not in use.

    Raises:
        StoreBusyError: a program has a connection to the store.
    """
    if isinstance(place, ServerPlace):
        with closing(open_server(place)) as store:
            store.refuse_other_programs()
    else:
        refuse_store_in_use(place)


def open_server(place: ServerPlace, patient: int = MANY, *, of_source: bool = False) -> "PostgresqlStore":
    """Return a store on a server, without a check. Its tables may have any version.

    Raises:
        StoreError: this machine has no library for PostgreSQL.
    """
    try:
        # It needs libpq, which SQLite does not.
        from store.dialect.postgresql import ANSWER_SECONDS, PostgresqlStore  # noqa: PLC0415
    except ImportError:
        raise StoreError("this machine has no library for PostgreSQL: install Debian's libpq5") from None
    return PostgresqlStore(place, patient=patient, answer_seconds=ANSWER_SECONDS if of_source else None)
