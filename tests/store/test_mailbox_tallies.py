import os

import pytest

from store import cleanup, mailbox_tallies, mailboxes
from store.database.engine import Store
from store.errors import NoSuchMailboxError
from tests.store.factories import (
    DAY,
    NOW,
    a_mailbox,
    all_tallies,
    an_entry,
    files_of,
    on_sqlite,
    put_tallies,
    rows,
    usage,
)


def tallies_of(store: Store, address: bytes) -> tuple[bytes, ...]:
    with store.reading() as session:
        return mailbox_tallies.find(session, address)


def test_a_set_of_tallies_is_found_sorted(store: Store, address: bytes) -> None:
    tallies = [os.urandom(40) for _ in range(9)]
    put_tallies(store, address, tallies)
    assert tuple(sorted(tallies)) == tallies_of(store, address)
    assert () == tallies_of(store, a_mailbox(store))


def test_a_set_replaces_the_set_before_it(store: Store, address: bytes) -> None:
    put_tallies(store, address)
    put_tallies(store, address, [b"another"])
    assert (b"another",) == tallies_of(store, address)
    put_tallies(store, address, [])
    assert () == tallies_of(store, address)
    assert 0 == rows(store, "mailbox_tally")


def test_there_are_no_tallies_without_a_mailbox(store: Store) -> None:
    with pytest.raises(NoSuchMailboxError):
        put_tallies(store, os.urandom(20))
    assert 0 == rows(store, "sealed")


def test_a_mailbox_that_its_source_ended_takes_its_tallies_with_it(store: Store, address: bytes) -> None:
    put_tallies(store, address)
    with store.writing() as session:
        mailboxes.end_for_good(session, address, proof=b"ended", day=DAY)
        assert [] == all_tallies(session)
    assert 0 == rows(store, "mailbox_tally")


@on_sqlite
def test_replaced_and_dropped_tallies_leave_no_byte_behind(store: Store) -> None:
    replaced, dropped, kept = (os.urandom(24) for _ in range(3))
    address, other = a_mailbox(store), a_mailbox(store)
    put_tallies(store, address, [replaced * 100] * 9)
    put_tallies(store, address, [kept * 100] * 9)
    put_tallies(store, other, [dropped * 100] * 9)
    an_entry(store, other, header=b"", payload=b"")
    with store.writing() as session:
        mailbox_tallies.drop(session, other)
    assert store.checkpoint()
    at_once = files_of(store)
    assert [False, False, True] == [canary in at_once for canary in (replaced, dropped, kept)]
    cleanup.destroy_deleted(store, NOW)
    assert (10, 24 * 900) == (rows(store, "sealed"), usage(store))
