import hashlib
import os

import pytest
from sqlalchemy import text

from store import ledger_tallies
from store.database.engine import Store
from tests.store.factories import all_tallies, on_sqlite, rows, usage


def test_the_ledger_returns_its_tallies_in_no_order_of_arrival(store: Store) -> None:
    tallies = [os.urandom(64) for _ in range(60)]
    for tally in tallies:
        with store.writing() as session:
            ledger_tallies.add(session, [tally])
    with store.reading() as session:
        ids = ledger_tallies.tally_ids(session)
        found = [tally for _, tally in ledger_tallies.tallies_by_id(session, ids)]
    assert 60 == rows(store, "ledger_tally")
    assert sorted(tallies) == sorted(found)
    assert tallies != found


@on_sqlite
def test_the_ledger_has_no_column_with_a_mailbox_or_a_day(store: Store) -> None:
    with store.reading() as session:
        columns = session.execute(text("SELECT name FROM pragma_table_info('ledger_tally')")).scalars().all()
    assert ["id", "digest"] == columns  # of the tally itself


def test_tallies_that_could_be_told_apart_by_their_size_are_refused(store: Store) -> None:
    with store.writing() as session, pytest.raises(ValueError, match="size"):
        ledger_tallies.add(session, [bytes(64), bytes(65)])
    assert 0 == rows(store, "ledger_tally")


def test_tallies_are_read_by_their_ids_and_missing_ones_are_left_out(store: Store) -> None:
    with store.writing() as session:
        ledger_tallies.add(session, [os.urandom(64) for _ in range(3)])
    with store.reading() as session:
        first, second, third = ledger_tallies.tally_ids(session)
        everything = dict(ledger_tallies.tallies_by_id(session, [first, second, third]))
        found = ledger_tallies.tallies_by_id(session, [first, -1, third])
    assert {first: everything[first], third: everything[third]} == dict(found)


def test_a_tally_that_arrives_twice_is_stored_once(store: Store) -> None:
    with store.writing() as session:
        assert [True, False, True] == [
            ledger_tallies.apply_from_peer(session, tally) for tally in (b"one", b"one", b"two")
        ]
        ledger_tallies.add(session, [b"one", b"two", b"new"])
        assert [b"new", b"one", b"two"] == all_tallies(session)
    assert (3, 9) == (rows(store, "sealed"), usage(store))


def test_a_tally_is_found_by_its_digest(store: Store) -> None:
    one, two = (hashlib.sha256(tally).digest() for tally in (b"one", b"two"))
    with store.writing() as session:
        ledger_tallies.add(session, [b"one"])
        assert (b"one", None) == (ledger_tallies.find(session, one), ledger_tallies.find(session, two))
