import os
from datetime import timedelta

import pytest

from store import cleanup, deletion_orders, mailboxes
from store.database.engine import Store
from store.deletion_orders import StoredOrder
from store.errors import NoSuchMailboxError
from tests.store.factories import DAY, NOW, a_mailbox, an_entry, an_order, files_of, rows, usage


def order_of(store: Store, address: bytes) -> StoredOrder | None:
    with store.reading() as session:
        return deletion_orders.find(session, address)


def test_an_order_is_found_with_its_tallies_in_order(store: Store, address: bytes) -> None:
    tallies = tuple(os.urandom(40) for _ in range(9))
    an_order(store, address, b"a statement", tallies=tallies)
    assert StoredOrder(address, b"a statement", DAY, tallies) == order_of(store, address)
    assert order_of(store, a_mailbox(store)) is None


def test_a_mailbox_is_under_one_order(store: Store, address: bytes) -> None:
    an_order(store, address, b"the first")
    an_order(store, address, b"the second", due=DAY + timedelta(3), tallies=[b"another"])
    assert StoredOrder(address, b"the second", DAY + timedelta(3), (b"another",)) == order_of(store, address)
    assert (1, 1) == (rows(store, "deletion_order"), rows(store, "deletion_order_tally"))


def test_whether_a_mailbox_is_under_an_order_is_known_without_reading_it(
    store: Store, address: bytes
) -> None:
    with store.reading() as reading:
        assert not deletion_orders.is_under_order(reading, address)
    an_order(store, address, b"an order")

    with store.reading() as reading:
        assert deletion_orders.is_under_order(reading, address)
        assert not deletion_orders.is_under_order(reading, bytes(20))


def test_there_is_no_order_without_a_mailbox(store: Store) -> None:
    with pytest.raises(NoSuchMailboxError):
        an_order(store, os.urandom(20))
    assert 0 == rows(store, "sealed")


def test_an_order_is_due_on_its_day_and_not_before(store: Store) -> None:
    late, today, tomorrow = (a_mailbox(store) for _ in range(3))
    for address, days in ((tomorrow, 1), (today, 0), (late, -30)):
        an_order(store, address, due=DAY + timedelta(days))
    with store.reading() as session:
        assert [late, today] == [order.address for order in deletion_orders.all_due(session, DAY)]


def test_a_mailbox_that_ends_takes_its_order_with_it(store: Store, address: bytes) -> None:
    an_order(store, address)
    with store.writing() as session:
        mailboxes.end_for_good(session, address, statement=b"ended", day=DAY)
    assert (0, 0, 0) == tuple(
        rows(store, table) for table in ("deletion_order", "deletion_order_tally", "ledger_tally")
    )


def test_a_replaced_and_a_dropped_order_leave_no_byte_behind(store: Store) -> None:
    replaced, dropped, kept = (os.urandom(24) for _ in range(3))
    address, other = a_mailbox(store), a_mailbox(store)
    an_order(store, address, replaced * 30, tallies=[replaced * 100] * 9)
    an_order(store, address, kept * 30, tallies=[kept * 100] * 9)
    an_order(store, other, dropped * 30, tallies=[dropped * 100] * 9)
    an_entry(store, other, header=b"", payload=b"")
    with store.writing() as session:
        deletion_orders.drop(session, other)
        deletion_orders.drop(session, other)  # twice is once
    assert store.checkpoint()
    at_once = files_of(store)
    assert [False, False, True] == [canary in at_once for canary in (replaced, dropped, kept)]
    assert cleanup.destroy_deleted(store, NOW).is_clean
    assert (11, 24 * 930) == (rows(store, "sealed"), usage(store))
