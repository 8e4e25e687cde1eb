"""The store's file: made, opened, and entered through short transactions. The only place that knows SQLite.

Writers of one process queue for the one connection that writes; processes take turns through
BEGIN IMMEDIATE. Readers see a snapshot and never wait. Connections are never carried across a fork.
"""

import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.orm import Session

from store.database.schema import PAGE_BYTES, SCHEMA
from store.database.sqlite_errors import SENTENCES, translating
from store.errors import (
    StoreExistsError,
    StoreFullError,
    StoreMissingError,
    StoreOutdatedError,
)

WAIT_SECONDS = 30  # for the turn to write; a request that waits longer is told that the store is busy
# Between two tries for the turn. Measured with two processes of four threads, three rounds of 480 entries:
# 400 to 720 entries a second, the longest wait 77 to 170 ms. SQLite's own growing waits: 520 to 610, 220 to
# 355 ms. A lock file in front of BEGIN: 500 to 650, 102 to 250 ms, so not worth one more file.
_RETRY_SECONDS = 0.0005
_READERS = 8  # connections per process; more threads than that wait microseconds for one


class Store:
    """An open store. Safe for threads; after a fork parent and child each connect anew."""

    def __init__(self, path: Path, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.path = path
        self._file: tuple[int, int] | None = None
        self._wait_seconds = wait_seconds
        self._readers = _engine(path, _read_connection, connections=_READERS, wait_seconds=wait_seconds)
        self._writer = _engine(path, _write_connection, connections=1, wait_seconds=wait_seconds)
        event.listen(self._readers, "begin", self._begin_reading)
        event.listen(self._writer, "begin", self._begin_writing)
        # POSIX locks do not survive a fork, yet SQLite in the child would believe that it holds them
        this = weakref.ref(self)
        os.register_at_fork(before=lambda: _close(this))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session that sees one snapshot and cannot write. Keep it short, and do not nest it.

        Raises:
            StoreError: one of its Store… subclasses, whatever the driver reported.
        """
        with translating(self.path):
            self._look()
            with self._readers.connect() as connection:
                self._begin_reading(connection)
                with self._session(connection) as session:
                    yield session

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Session]:
        """Give a session that writes alone in the whole store, committed at the end. Seal before, not within.

        With `durable` the commit is on the disk when this returns. Without, it is so with the next durable
        commit: for chunks of an upload that an entry will adopt.

        Raises:
            StoreError: one of its Store… subclasses, whatever the driver reported.
        """
        with translating(self.path):
            self._look()
            with self._writer.connect() as connection:
                driver = _driver(connection)
                driver.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._begin_writing(connection)
                with self._session(connection) as session:
                    yield session
                    session.commit()
                    driver.commit()  # SQLAlchemy commits only what was begun through it

    def checkpoint(self) -> bool:
        """Try to move the journal into the file and empty it; say whether it is empty now."""
        with translating(self.path):
            self._look()
            with self._writer.connect() as connection:
                (busy, _, _) = _driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                return not busy

    def vacuum(self) -> None:
        """Write the file anew, every table in the order of its keys. Writers wait, readers do not.

        Raises:
            StoreFullError: the disk has no room for two more copies (the temporary one and the journal).
            StoreBusyError: another writer has the store.
        """
        with translating(self.path):
            self._look()
            disk = os.statvfs(self.path)
            if disk.f_bavail * disk.f_frsize < 2 * self.path.stat().st_size:
                raise StoreFullError(SENTENCES[StoreFullError])
            with self._writer.connect() as connection:
                driver = _driver(connection)
                driver.execute("PRAGMA temp_store=FILE")  # a store may be larger than memory
                try:
                    _in_turn(driver, "VACUUM", self._wait_seconds)
                finally:
                    driver.execute("PRAGMA temp_store=MEMORY")

    def close(self) -> None:
        """Close every connection that is not in use. The store may be used again."""
        self._readers.dispose()
        self._writer.dispose()

    def _begin_reading(self, connection: Connection) -> None:
        driver = _driver(connection)
        if not driver.in_transaction:  # begun by us already: SQLAlchemy begins its own within
            driver.execute("BEGIN")

    def _begin_writing(self, connection: Connection) -> None:
        driver = _driver(connection)
        if not driver.in_transaction:
            _in_turn(driver, "BEGIN IMMEDIATE", self._wait_seconds)

    def _session(self, connection: Connection) -> Session:
        info = {"path": self.path, "driver": _driver(connection)}
        return Session(connection, autoflush=False, expire_on_commit=False, info=info)

    def _look(self) -> None:
        """See that the file is the one our connections have open: one moved away would swallow entries."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self.close()
            raise StoreMissingError(SENTENCES[StoreMissingError]) from None
        if self._file != (status.st_dev, status.st_ino):
            self.close()
            self._file = (status.st_dev, status.st_ino)


def create_store(path: Path) -> Store:
    """Make an empty store, 0600 in a folder 0700, and open it.

    Raises:
        StoreExistsError: there is a file at `path`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise StoreExistsError("there is a file already where the new store should come") from None
    with translating(path), closing(_connect(path)) as connection:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL")
    upgrade_store(path)
    return open_store(path)


def upgrade_store(path: Path) -> None:
    """Bring a store's tables to this program's version. Stop both apps first."""
    from alembic import command  # noqa: PLC0415  # 8 MiB that running web workers do without
    from alembic.config import Config  # noqa: PLC0415  # the same

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    store = Store(path)
    with store.writing() as session:
        settings.attributes["connection"] = session.connection()
        command.upgrade(settings, "head")
    store.close()


def open_store(path: Path) -> Store:
    """Open an existing store; leaves no connection open, so that a server may fork afterwards.

    Raises:
        StoreMissingError: there is no file at `path`.
        StoreDamagedError: the file is not a store.
        StoreOutdatedError: its tables are older or newer than this program.
    """
    if not path.is_file():
        raise StoreMissingError(SENTENCES[StoreMissingError])
    with translating(path), closing(_connect(path)) as connection:
        versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if versions != [(SCHEMA,)]:
        raise StoreOutdatedError(SENTENCES[StoreOutdatedError])
    return Store(path)


def _engine(
    path: Path, connect: Callable[[Path], sqlite3.Connection], *, connections: int, wait_seconds: float
) -> Engine:
    return create_engine(
        "sqlite://",
        creator=lambda: connect(path),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=wait_seconds,
        pool_use_lifo=True,
        hide_parameters=True,
    )


def _connect(path: Path, *settings: str) -> sqlite3.Connection:
    """Connect to an existing file (never make one); transactions are begun by us, not by the driver."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=5,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for setting in ("foreign_keys=ON", "secure_delete=ON", "temp_store=MEMORY", *settings):
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _read_connection(path: Path) -> sqlite3.Connection:
    return _connect(path, "query_only=ON", "cache_size=-512")  # KiB; eight of them per process


def _write_connection(path: Path) -> sqlite3.Connection:
    return _connect(path, "busy_timeout=0", "cache_size=-4096")  # _in_turn waits by itself


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("the store's engine is made for sqlite3")
    return driver


def _in_turn(driver: sqlite3.Connection, statement: str, wait_seconds: float) -> None:
    """Execute a statement that needs the turn to write, as soon as no other process has it."""
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


def _close(reference: weakref.ref[Store]) -> None:
    store = reference()
    if store is not None:
        store.close()
