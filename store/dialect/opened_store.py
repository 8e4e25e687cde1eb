"""Opened store: what the functions of `store` need from a database. Each database has a subclass."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Dialect
from sqlalchemy.orm import Session

from store.errors import StoreBusyError

WAIT_SECONDS = 30  # for a lock; after that a request gets StoreBusyError
_HURRY_SECONDS = 2  # for a thread that waits although as many threads as allowed wait for longer
MANY = 1_000  # threads


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """Place of a store in a database of a PostgreSQL server. `url` is the address of the database.

    This machine keeps notes about the store in the folder of `path`. There is no file at `path` itself.
    """

    url: str = field(repr=False)
    path: Path


class Driver(Protocol):
    """Connection of a database's driver."""

    def execute(self, statement: str, /) -> Any:  # noqa: ANN401  # a cursor of any driver
        """Execute a statement without parameters, and return the driver's cursor."""


@dataclass(frozen=True, slots=True)
class TableQueries:
    """SQL that looks at the tables of a store.

    `has_version` finds a row if the tables have a version. `definitions` finds a text for each part of the
    tables, sorted.
    """

    has_version: str
    definitions: str


class Store(ABC):
    """An open store, which opens sessions for reading and writing. Threads can share this object.

    All connections are closed before a fork. After the fork, parent and child each open new connections.
    """

    sql: Dialect  # in which statements are compiled
    broken_constraint: type[Exception]  # raised by the driver for a row that would break a constraint
    shield: bytes  # stored before the ciphertext of a row, so that a deletion leaves nothing
    tables: TableQueries
    keeps_deleted: bool  # True if destroyed rows stay in the files until `vacuum` rewrites the store

    def __init__(
        self, path: Path, turn: "threading.Lock | threading.Semaphore", wait_seconds: float, patient: int
    ) -> None:
        self.path = path
        self._turn = turn
        self._wait_seconds = wait_seconds
        self._patience = threading.Semaphore(patient)

    @abstractmethod
    def reading(self, *, mailbox: bytes | None = None) -> AbstractContextManager[Session]:
        """Open a session that sees one snapshot of the store and cannot write.

        Keep the session short, and open no second session inside the block. If the session reads one mailbox
        only, `mailbox` is the mailbox's address. Some databases then show no other mailbox.

        Raises:
            StoreError: the database reported a failure. The subclass, such as `StoreBusyError`, says which.
        """

    @abstractmethod
    def writing(
        self, *, durable: bool = True, mailbox: bytes | None = None, alone: bool = False
    ) -> AbstractContextManager[Session]:
        """Open a session that is the only writer of the store, and commit at the end of the block.

        Other writers wait, so do slow work before the block. With `durable=False`, a power cut can undo the
        commit until the next durable commit. If the session writes in one mailbox only, `mailbox` is the
        mailbox's address. Some databases then show no other mailbox, and let others write in other mailboxes,
        unless `alone` is True.

        Raises:
            StoreError: the database reported a failure. The subclass, such as `StoreBusyError`, says which.
        """

    def now(self) -> datetime:
        """Return the time in UTC, by the clock on which all machines that write into this store agree."""
        return datetime.now(UTC)

    @abstractmethod
    def checkpoint(self) -> bool:
        """Try to empty the journal, where deleted content can remain. Return True if the journal is empty."""

    @abstractmethod
    def settle(self) -> None:
        """Close the store at the end of a program, and leave no journal if no other program uses the store.

        If the disk fails, the journal stays, and the next program uses it.
        """

    @abstractmethod
    def has_room_for_cleanup(self) -> bool:
        """Return False if the disk has so little room that the clean-up must take the smallest steps."""

    @abstractmethod
    def rewrite_bytes(self) -> int:
        """Return how many bytes of disk a rewrite needs."""

    @abstractmethod
    def vacuum(self) -> None:
        """Rewrite the store, so that no deleted content remains.

        The rewrite puts the rows of each table in the order of their ids. Writers wait until it ends.

        Raises:
            StoreFullError: the disk has less room than `rewrite_bytes` returns.
            StoreBusyError: another writer had the write lock for longer than we wait.
        """

    @abstractmethod
    def sweeping(self) -> AbstractContextManager[bool]:
        """Yield True if no other program sweeps this store, and keep others from it until the block ends.

        Raises:
            StoreError: the database reported a failure.
        """

    @abstractmethod
    def room_for_files(self, session: Session, reserve_bytes: int) -> int:
        """Return how many more bytes of files fit in the store, if `reserve_bytes` of the disk stay free."""

    @abstractmethod
    def usage_row(self, session: Session) -> int:
        """Return the id of the row of the table `usage` in which this session counts bytes."""

    @abstractmethod
    def broken_references(self, session: Session) -> list[str]:
        """Return the table of each row that refers to a row that does not exist."""

    @abstractmethod
    def grant_rights(self, session: Session) -> None:
        """Give each role of the database its rights on the tables. Without roles, do nothing."""

    @abstractmethod
    def close(self) -> None:
        """Close every connection that is not in use. The store opens new connections when it needs them."""

    @contextmanager
    def _turn_to_write(self) -> Iterator[float]:
        """Wait until this thread may write. Yield how many seconds to wait for other processes at most."""
        is_patient = self._patience.acquire(blocking=False)
        try:
            seconds = self._wait_seconds if is_patient else _HURRY_SECONDS
            if not self._turn.acquire(timeout=seconds):
                raise StoreBusyError("other threads wait for the write lock")
            try:
                yield seconds
            finally:
                self._turn.release()
        finally:
            if is_patient:
                self._patience.release()

    @contextmanager
    def _session(self, connection: Connection, driver: Any) -> Iterator[Session]:  # noqa: ANN401  # of any database
        info = {"store": self, "driver": driver}
        session = Session(connection, autoflush=False, expire_on_commit=False, info=info)
        try:
            yield session
        finally:
            # Prepared statements begin no transaction, and closing takes as long as a query.
            if session.in_transaction():
                session.close()
