"""Opened store: what the functions of `store` need from a database. Each database has a subclass."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.orm import Session


class Store(ABC):
    """An open store, which opens sessions for reading and writing. Threads can share this object.

    All connections are closed before a fork. After the fork, parent and child each open new connections.
    """

    sql: Dialect  # in which statements are compiled
    broken_constraint: type[Exception]  # raised by the driver for a row that would break a constraint
    shield: bytes  # stored before the ciphertext of a row, so that a deletion leaves nothing

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def reading(self) -> AbstractContextManager[Session]:
        """Open a session that sees one snapshot of the store and cannot write.

        Keep the session short, and open no second session inside the block.

        Raises:
            StoreError: the database reported a failure. The subclass, such as `StoreBusyError`, says which.
        """

    @abstractmethod
    def writing(self, *, durable: bool = True) -> AbstractContextManager[Session]:
        """Open a session that is the only writer of the store, and commit at the end of the block.

        Other writers wait, so do slow work before the block. With `durable=False`, a power cut can undo the
        commit until the next durable commit.

        Raises:
            StoreError: the database reported a failure. The subclass, such as `StoreBusyError`, says which.
        """

    @abstractmethod
    def checkpoint(self) -> bool:
        """Try to empty the journal, which can still have deleted content. Return True if it is empty."""

    @abstractmethod
    def settle(self) -> None:
        """Close the store at the end of a program, and leave no journal if no other program uses the store.

        If the disk fails, the journal stays, and the next program uses it.
        """

    @abstractmethod
    def rewrite_bytes(self) -> int:
        """Return how many bytes of disk a rewrite needs."""

    @abstractmethod
    def vacuum(self) -> None:
        """Rewrite the store without what was deleted, with the rows of each table in the order of their ids.

        Writers wait during the rewrite.

        Raises:
            StoreFullError: the disk has less room than `rewrite_bytes` returns.
            StoreBusyError: another writer had the write lock for longer than we wait.
        """

    @abstractmethod
    def room_for_files(self, session: Session, reserve_bytes: int) -> int:
        """Return how many more bytes of files fit in the store, if `reserve_bytes` of the disk stay free."""

    @abstractmethod
    def broken_references(self, session: Session) -> list[str]:
        """Return the table of each row that refers to a row that does not exist."""

    @abstractmethod
    def close(self) -> None:
        """Close every connection that is not in use. The store opens new connections when it needs them."""

    @contextmanager
    def _session(self, connection: Connection, driver: Any) -> Iterator[Session]:  # noqa: ANN401  # of any database
        info = {"store": self, "driver": driver}
        session = Session(connection, autoflush=False, expire_on_commit=False, info=info)
        try:
            yield session
        finally:
            if (
                session.in_transaction()
            ):  # prepared statements begin none, and closing takes as long as a query
                session.close()
