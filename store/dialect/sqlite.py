"""SQLite: a store in one file.

A process has one connection for writing, and its threads queue for that connection. Processes take turns with
BEGIN IMMEDIATE. Readers see a snapshot and never wait for a writer. No connection is open during a fork.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from store.dialect.disk_room import CLEANUP_BYTES, bytes_in_use, free_on_disk, room_for_files
from store.dialect.forks import close_before_fork
from store.dialect.opened_store import MANY, WAIT_SECONDS, Store, TableQueries
from store.dialect.own_journal import journal_of, write_new_number
from store.dialect.sqlite_connections import SETTINGS, connect
from store.dialect.sqlite_errors import translating
from store.dialect.sqlite_pages import SHIELD
from store.errors import StoreError, StoreFullError, StoreMissingError

# Pause between two attempts to get the write lock. Measured with two processes of four threads, in three
# rounds of 480 entries: 400 to 720 entries a second, and a longest wait of 77 to 170 ms. With SQLite's own
# growing pauses: 520 to 610 entries, 220 to 355 ms. With a lock file in front of BEGIN: 500 to 650 entries,
# 102 to 250 ms, which is not worth one more file.
_RETRY_SECONDS = 0.0005
_SETTLE_TRIES, _SETTLE_SECONDS = 20, 0.05
_IS_DURABLE = "is_durable"  # key in the notes of a connection
TABLES = TableQueries(
    "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'",
    "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version' ORDER BY type, name",
)
_READERS = 8  # reading connections per process; further threads wait some microseconds for a free one


class SqliteStore(Store):
    """An open store in a SQLite file. To write, at most `patient` threads wait for up to `wait_seconds`."""

    sql = sqlite.dialect(paramstyle="named")
    broken_constraint = sqlite3.IntegrityError
    shield = SHIELD
    tables = TABLES
    keeps_deleted = False

    def __init__(self, path: Path, *, wait_seconds: float = WAIT_SECONDS, patient: int = MANY) -> None:
        super().__init__(path, threading.Lock(), wait_seconds, patient)
        self._file: tuple[int, int] | None = None
        self._readers = _engine(path, _READERS, wait_seconds, ("query_only=ON", "cache_size=-512"))
        # `_retry` waits instead of SQLite.
        self._writer = _engine(path, 1, wait_seconds, ("busy_timeout=0", "cache_size=-4096"))
        event.listen(self._readers, "begin", self._begin_reading)
        event.listen(self._writer, "begin", self._begin_writing)
        close_before_fork(self.close)

    @contextmanager
    def reading(self, *, mailbox: bytes | None = None) -> Iterator[Session]:  # noqa: ARG002  # of a server
        """Open a session with a reading connection. It sees one snapshot and waits for no writer."""
        with translating(self.path):
            self._check_file()
            with self._readers.connect() as connection:
                self._begin_reading(connection)
                with self._session(connection, _driver(connection)) as session:
                    yield session

    @contextmanager
    def writing(
        self,
        *,
        durable: bool = True,
        mailbox: bytes | None = None,  # noqa: ARG002  # SQLite has one lock
        alone: bool = False,  # noqa: ARG002  # every writer is alone
    ) -> Iterator[Session]:
        """Open a session with the writing connection. BEGIN IMMEDIATE makes it the only writer."""
        with translating(self.path):
            self._check_file()
            with self._turn_to_write(), self._writer.connect() as connection:
                driver = _driver(connection)
                if connection.info.get(_IS_DURABLE) is not durable:  # a PRAGMA is compiled each time
                    driver.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                    connection.info[_IS_DURABLE] = durable
                self._begin_writing(connection)
                changes = driver.total_changes
                with self._session(connection, driver) as session:
                    yield session
                    if session.in_transaction() or driver.total_changes != changes:
                        write_new_number(driver)
                    if session.in_transaction():
                        session.commit()
                    driver.commit()  # SQLAlchemy commits only transactions that it began itself

    def checkpoint(self) -> bool:
        """Try to move the journal's content into the store's file. Return True if the journal is empty."""
        with translating(self.path):
            self._check_file()
            with self._writer.connect() as connection:
                (busy, _, _) = _driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                return not busy

    def settle(self) -> None:
        """Move the journal into the store's file, and close the store at the end of a program."""
        for _ in range(_SETTLE_TRIES):
            with suppress(StoreError):
                self.checkpoint()
            self.close()
            if not journal_of(self.path).exists():
                return
            time.sleep(_SETTLE_SECONDS)  # a process that has just been killed may still have a connection

    def has_room_for_cleanup(self) -> bool:
        """Return False if the disk has no room for the journal of a usual step."""
        return free_on_disk(self.path) >= CLEANUP_BYTES

    def rewrite_bytes(self) -> int:
        """Return twice the size of the pages in use."""
        with translating(self.path), self._readers.connect() as connection:
            return 2 * bytes_in_use(_driver(connection))

    def vacuum(self) -> None:
        """Rewrite the store's file. Readers do not wait during the rewrite."""
        with translating(self.path):
            self._check_file()
            with self._writer.connect() as connection:
                driver = _driver(connection)
                if free_on_disk(self.path) < self.rewrite_bytes():
                    raise StoreFullError
                driver.execute("PRAGMA temp_store=FILE")  # a store may be larger than memory
                try:
                    _retry(driver, "VACUUM", self._wait_seconds)
                finally:
                    driver.execute("PRAGMA temp_store=MEMORY")
                self._begin_writing(connection)
                write_new_number(driver)
                driver.commit()

    @contextmanager
    def sweeping(self) -> Iterator[bool]:
        """Yield True: only the sweeper of this machine uses the file."""
        yield True

    def room_for_files(self, session: Session, reserve_bytes: int) -> int:
        """Return the free space of the disk and inside the file. See `disk_room`."""
        return room_for_files(session.info["driver"], self.path, reserve_bytes)

    def usage_row(self, session: Session) -> int:  # noqa: ARG002  # SQLite has one writer
        """Return the id of the only row."""
        return 1

    def broken_references(self, session: Session) -> list[str]:
        """Return the table of each row that refers to a row that does not exist."""
        return [row[0] for row in session.info["driver"].execute("PRAGMA foreign_key_check")]

    def grant_rights(self, session: Session) -> None:
        """Do nothing: the rights on a file are those of its user."""

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._readers.dispose()
        self._writer.dispose()

    def _begin_reading(self, connection: Connection) -> None:
        driver = _driver(connection)
        if not driver.in_transaction:  # `reading` may have begun the transaction already
            driver.execute("BEGIN")

    def _begin_writing(self, connection: Connection) -> None:
        driver = _driver(connection)
        if not driver.in_transaction:
            _retry(driver, "BEGIN IMMEDIATE", self._wait_seconds)

    def _check_file(self) -> None:
        """Close all connections if someone replaced the store's file with another file.

        Raises:
            StoreMissingError: there is no file at the store's path.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self.close()
            raise StoreMissingError from None
        # An open connection would still write to the old file, and everything it writes would be lost.
        if self._file != (status.st_dev, status.st_ino):
            self.close()
            self._file = (status.st_dev, status.st_ino)


def _engine(path: Path, connections: int, wait_seconds: float, settings: Sequence[str]) -> Engine:
    """Return a SQLAlchemy engine. Each of its connections begins with the PRAGMA statements in `settings`."""
    return create_engine(
        "sqlite://",
        creator=lambda: connect(path, *SETTINGS, *settings),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=wait_seconds,
        pool_use_lifo=True,
        hide_parameters=True,
    )


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("the driver of the store's engine is not sqlite3")
    return driver


def _retry(driver: sqlite3.Connection, statement: str, wait_seconds: float) -> None:
    """Execute a statement that needs the write lock, and retry while another process has the lock.

    Raises:
        sqlite3.OperationalError: another process still has the lock after `wait_seconds`, or the statement
            failed.
    """
    until = time.monotonic() + wait_seconds
    while True:
        try:
            driver.execute(statement)
        except sqlite3.OperationalError as why:
            if why.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return
