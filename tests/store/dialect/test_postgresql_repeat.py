"""A writer and an operator's session wait for each other. PostgreSQL ends the transaction of the writer.

The locks are advisory locks: the writer takes 1 and then 2, and the operator 2 and then 1.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from store import letterheads
from store.database.engine import Store
from store.dialect.postgresql_repeat import REPEATS
from store.errors import StoreConflictError
from tests.postgresql_cluster import database_of, the_cluster
from tests.store.factories import a_mailbox, add, rows

_BODY = "SELECT body FROM letterhead WHERE serial = 1"
_CHANGE = "UPDATE letterhead SET body = 'another' WHERE serial = 1"


@pytest.fixture
def store(postgresql_store: Store) -> Store:
    with postgresql_store.writing() as session:
        letterheads.add(session, 1, b"body", b"signature")
    return postgresql_store


@dataclass
class MeetingSession:
    """Session of an operator, which has a lock and asks for another one as long as a writer has the other."""

    session: psycopg.Connection[tuple[Any, ...]]
    has: str = "2"
    asks: str = "1"
    left: int = 1  # meetings
    then: str = "SELECT 1"  # what the operator does after a meeting
    is_ready: threading.Event = field(default_factory=threading.Event)

    def execute(self, query: str) -> object:
        found = self.session.execute(query)
        return found.fetchall() if found.description else None

    def meets(self) -> None:
        self.execute("SET deadlock_timeout = '1h'")  # PostgreSQL ends the writer's transaction
        self.execute(f"SELECT pg_advisory_lock({self.has})")
        self.is_ready.set()
        while self.left > 0:
            if self.execute(f"SELECT pg_try_advisory_lock({self.asks})") == [(False,)]:
                self.execute(f"SELECT pg_advisory_lock({self.asks})")
                self.execute(self.then)
                self.left -= 1
            self.execute(f"SELECT pg_advisory_unlock({self.asks})")
        self.execute(f"SELECT pg_advisory_unlock({self.has})")

    @contextmanager
    def meeting(self) -> Iterator[None]:
        """Meet the writer in the block."""
        with ThreadPoolExecutor(1) as thread:
            meeting = thread.submit(self.meets)
            assert self.is_ready.wait(timeout=20)
            try:
                yield
            finally:
                self.left = 0
                meeting.result(timeout=20)


@pytest.fixture
def operator(store: Store) -> Iterator[MeetingSession]:
    with psycopg.connect(the_cluster().url(database_of(store)), autocommit=True) as session:
        yield MeetingSession(session)


def writes(
    store: Store, operator: MeetingSession, *before: str, execute: Callable[..., Any] | None = None
) -> int:
    """Write a letterhead in a transaction that meets the operator. Return how often the block ran."""
    blocks = 0
    with operator.meeting(), store.writing() as session:
        blocks += 1
        run = session.info["driver"].execute
        run("SET LOCAL deadlock_timeout = '200ms'")
        for query in before:
            run(query)
        if execute is not None:
            execute(session)
        run("SELECT pg_advisory_xact_lock(1)")
        letterheads.add(session, 2, b"second", b"signature")
        while the_cluster().run("SELECT 1 FROM pg_locks WHERE NOT granted") == []:
            pass
        run("SELECT pg_advisory_xact_lock(2)")
    return blocks


def serials(store: Store) -> list[int]:
    with store.reading() as session:
        return sorted(session.scalars(text("SELECT serial FROM letterhead")))


@pytest.mark.parametrize("meetings", [1, REPEATS])
def test_a_transaction_that_meets_deadlocks_is_repeated_without_its_block(
    store: Store, operator: MeetingSession, meetings: int
) -> None:
    operator.left = meetings
    assert 1 == writes(store, operator, _BODY)
    assert [1, 2] == serials(store)


def test_a_transaction_that_meets_deadlocks_without_end_stores_nothing(
    store: Store, operator: MeetingSession
) -> None:
    operator.left = REPEATS + 5
    with pytest.raises(StoreConflictError):
        writes(store, operator)
    assert [1] == serials(store)


def test_a_transaction_that_would_find_other_rows_is_not_repeated(
    store: Store, operator: MeetingSession
) -> None:
    """The block of the writer may have decided something with the rows that it found before."""
    operator.then = _CHANGE
    with pytest.raises(StoreConflictError):
        writes(store, operator, _BODY)
    assert [1] == serials(store)


def test_other_rows_that_the_transaction_did_not_read_do_not_matter(
    store: Store, operator: MeetingSession
) -> None:
    operator.then = _CHANGE
    writes(store, operator)
    assert [1, 2] == serials(store)


@pytest.mark.parametrize(
    "before",
    [
        ["SELECT generate_series(1, 1001)"],
        ["SELECT 1"] * 101,
        ["SELECT decode(repeat('a7', 3000000), 'hex')"] * 2,
    ],
    ids=["many rows", "many statements", "many bytes"],
)
def test_a_long_transaction_is_not_repeated(
    store: Store, operator: MeetingSession, before: list[str]
) -> None:
    """The values of a long transaction would fill the memory."""
    with pytest.raises(StoreConflictError):
        writes(store, operator, *before)
    assert [1] == serials(store)


def test_a_transaction_with_a_statement_of_another_library_is_not_repeated(
    store: Store, operator: MeetingSession
) -> None:
    def of_a_library(session: Session) -> None:
        session.execute(text("UPDATE letterhead SET body = 'ours' WHERE serial = 1"))

    with pytest.raises(StoreConflictError):
        writes(store, operator, execute=of_a_library)
    assert [1] == serials(store)


def test_a_transaction_that_meets_a_deadlock_at_its_first_locks_begins_again(
    store: Store, operator: MeetingSession
) -> None:
    """The statements of the transaction before it are not executed again."""
    address = a_mailbox(store)
    with store.writing() as session:
        session.info["driver"].execute("UPDATE letterhead SET body = body || 'x' WHERE serial = 1")
    operator.has, operator.asks = str(int.from_bytes(address[:8], signed=True)), "5374283, 1"
    with operator.meeting(), store.writing(mailbox=address) as session:
        add(session, address)
    assert operator.left == 0
    assert rows(store, "entry") == 1
    with store.reading() as session:
        assert letterheads.find(session, 1) == (1, b"bodyx", b"signature")
