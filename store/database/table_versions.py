"""Versions of the store's tables: recognise the version that a store has, and refuse any other version."""

import hashlib
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from store.dialect.opened_store import Driver, TableQueries
from store.dialect.own_journal import journal_of, refuse_foreign_journal
from store.dialect.sqlite import TABLES
from store.dialect.sqlite_errors import translating
from store.errors import StoreDamagedError, StoreMissingError, StoreNotEmptyError, StoreOutdatedError

# For each version, the digest of its tables (`_digest`). `store/migrations/versions/` makes them. The web
# workers read this without loading Alembic.
VERSIONS = {"0001": "06ea71d5cafd870219609430ad7eb5939764067fd22b2403a8eba620f44d7de0"}
POSTGRESQL_VERSIONS = {"0001": "2e508ea83cc32882d20fd51cbfa216707e56388c6b857cd1cd2e802747c754f4"}
SCHEMA = max(VERSIONS)  # of this program

_VERSION = re.compile(r"[0-9]{4}")
_INCOMPLETE_COPY = "incomplete copy"  # instead of a version
_SET_VERSION = "UPDATE alembic_version SET version_num = '{}'"
_WAL_AT = 18  # byte of the file that is 2 in the mode WAL; source: sqlite.org/fileformat2.html, section 1.3
# Reading of a journal whose file -shm a power cut lost. No program uses this store, so SQLite takes no locks,
# and makes the content of -shm in memory (locking_mode=EXCLUSIVE). With mode=ro, it cannot move the journal.
_ALONE = "mode=ro&vfs=unix-none"
_OLDER = (
    "the store has the tables of version {}, and this program needs version {}: stop all programs, and run: "
    "steunpunt upgrade"
)
_NEWER = (
    "the store has the tables of version {}, and this program knows no version after {}: install the newer "
    "program again, or go back as 'Go back to an older version' in docs/operator.md says"
)
_CHANGED = (
    "the store's tables are not those of version {}, so someone changed them by hand: stop all programs, and "
    "restore a backup"
)
_INCOMPLETE = (
    "the store is a copy that is not complete yet: run the same command again (steunpunt store copy)"
)


@dataclass(frozen=True, slots=True)
class StoreForm:
    """Version of a store's tables (`version`), and the version that this program needs (`needed`).

    `is_wal` is True if the store's file has the journal mode WAL.
    """

    version: str
    needed: str
    is_wal: bool


def refuse_other_version(driver: Driver, tables: TableQueries = TABLES) -> None:
    """Check that a store has exactly the tables of this program's version.

    Raises:
        StoreOutdatedError: the tables have an older or a newer version.
        StoreDamagedError: the file is not a store, or someone changed its tables by hand.
    """
    if (version := version_of(driver, tables)) != SCHEMA:
        raise StoreOutdatedError(_OLDER.format(version, SCHEMA))


def version_of(driver: Driver, tables: TableQueries = TABLES) -> str:
    """Return the version of a store's tables: this program's, or an older one that it can upgrade.

    Raises:
        StoreOutdatedError: the tables have a newer version.
        StoreDamagedError: the file is not a store, or someone changed its tables by hand.
    """
    digests = VERSIONS if tables is TABLES else POSTGRESQL_VERSIONS
    version = _noted_version(driver, tables)
    if version not in digests:
        if version == _INCOMPLETE_COPY:
            raise StoreOutdatedError(_INCOMPLETE)
        if _VERSION.fullmatch(version) and version > SCHEMA:
            raise StoreOutdatedError(_NEWER.format(version, SCHEMA))
        raise StoreDamagedError
    if _digest(driver, tables) != digests[version]:
        raise StoreDamagedError(_CHANGED.format(version))
    return version


def mark_incomplete(driver: Driver) -> None:
    """Mark a new store as an incomplete copy, in the current transaction. No program opens such a store."""
    driver.execute(_SET_VERSION.format(_INCOMPLETE_COPY))


def complete_version(driver: Driver, tables: TableQueries) -> None:
    """Mark a copy as complete, in the current transaction.

    Raises:
        StoreDamagedError: someone changed the tables of the copy.
    """
    driver.execute(_SET_VERSION.format(SCHEMA))
    refuse_other_version(driver, tables)


def is_empty(driver: Driver, tables: TableQueries) -> bool:
    """Return True if a database has no tables, and False if it has a copy that is not complete.

    Raises:
        StoreNotEmptyError: the database has other tables.
    """
    if _noted_version(driver, tables) == _INCOMPLETE_COPY:
        return False
    if driver.execute(tables.definitions).fetchall():
        raise StoreNotEmptyError
    return True


def inspect_store(path: Path) -> StoreForm:
    """Return the versions and the journal mode of a store that this program can use or upgrade.

    Nothing is written, even if a program uses the store or was killed while it used the store.

    Raises:
        StoreError: the store is missing, damaged or newer.
    """
    if not path.is_file():
        raise StoreMissingError
    refuse_foreign_journal(path)
    journal, how = journal_of(path), "immutable=1"
    if journal.exists() and journal.stat().st_size:
        has_shm = path.with_name(f"{path.name}-shm").exists()
        how = "mode=ro&readonly_shm=1" if has_shm else _ALONE
    with path.open("rb") as file:
        is_wal = file.read(_WAL_AT + 1)[_WAL_AT:] == b"\2"
    place = f"{path.absolute().as_uri()}?{how}"
    with translating(path), closing(sqlite3.connect(place, uri=True)) as connection:
        if how == _ALONE:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        return StoreForm(version_of(connection), SCHEMA, is_wal)


def form_on_server(driver: Driver, tables: TableQueries) -> StoreForm:
    """Return the versions of a store on a database server that this program can use or upgrade.

    Raises:
        StoreError: the store is damaged or newer.
    """
    return StoreForm(version_of(driver, tables), SCHEMA, is_wal=True)


def _noted_version(driver: Driver, tables: TableQueries) -> str:
    found = driver.execute(tables.has_version).fetchall()
    rows = driver.execute("SELECT version_num FROM alembic_version").fetchall() if found else []
    return str(rows[0][0]) if len(rows) == 1 else ""


def _digest(driver: Driver, tables: TableQueries = TABLES) -> str:
    """Return the SHA-256 of the SQL of all tables, indices, triggers and views, in hexadecimal."""
    # Another version of SQLAlchemy puts other spaces between the same words.
    sql = (" ".join(text.split()) for (text,) in driver.execute(tables.definitions))
    return hashlib.sha256("\n".join(sql).encode()).hexdigest()
