import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from store import cleanup, outbox, peers, records
from store.database.engine import Store
from store.errors import RecordMovedError
from store.outbox import OutboxKind
from store.records import Record
from tests.store.factories import NOW, a_record, files_of, on_sqlite, rows, usage
from tests.store_work import work_of


def get(store: Store, name: bytes, kind: str = "casefile") -> Record | None:
    with store.reading() as session:
        return records.find(session, kind, name)


def test_a_record_is_found_as_it_was_put(store: Store) -> None:
    a_record(store, b"name", b"first")
    assert Record("casefile", b"name", 1, b"first") == get(store, b"name")
    a_record(store, b"name", b"second", revision=2)
    assert Record("casefile", b"name", 2, b"second") == get(store, b"name")
    assert get(store, b"name", "draft") is None
    assert get(store, b"another name") is None


@pytest.mark.parametrize("revision", [0, 1, 2, 4])
def test_a_record_is_not_written_over_what_its_writer_did_not_see(store: Store, revision: int) -> None:
    a_record(store, b"name", b"first")
    a_record(store, b"name", b"second", revision=2)
    with pytest.raises(RecordMovedError):
        a_record(store, b"name", b"mine", revision=revision)
    assert Record("casefile", b"name", 2, b"second") == get(store, b"name")


def test_of_two_concurrent_writers_one_is_refused(store: Store) -> None:
    a_record(store, b"name")

    def write(number: int) -> bool:
        try:
            a_record(store, b"name", b"%d" % number, revision=2)
        except RecordMovedError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert 1 == sum(threads.map(write, range(4)))


def test_a_dropped_record_does_not_come_back_from_a_form_that_was_still_open(store: Store) -> None:
    a_record(store, b"name")
    with store.writing() as session:
        records.drop(session, "casefile", b"name")
        records.drop(session, "casefile", b"name")  # twice is once
    assert get(store, b"name") is None
    with pytest.raises(RecordMovedError):
        a_record(store, b"name", revision=2)
    assert get(store, b"name") is None


def test_all_records_of_a_kind_are_listed_by_name(store: Store) -> None:
    for name in (b"b", b"a"):
        a_record(store, name, name * 3)
    a_record(store, b"a", kind="draft")
    with store.reading() as session:
        found = records.all_records(session, "casefile")
    assert [Record("casefile", b"a", 1, b"aaa"), Record("casefile", b"b", 1, b"bbb")] == found


def test_the_revisions_of_a_kind_are_read_without_their_ciphertext(store: Store) -> None:
    a_record(store, b"one")
    a_record(store, b"one", revision=2)
    a_record(store, b"two")
    a_record(store, b"two", kind="draft")
    with store.reading() as session:
        assert {(b"one", 2), (b"two", 1)} == set(records.revisions(session, "casefile"))


def test_every_record_named_after_a_mailbox_is_dropped_with_it_and_no_other(store: Store) -> None:
    address, other = os.urandom(20), os.urandom(20)
    for kind, name in (
        ("casefile", address),
        ("draft", address),
        ("draft", address + b"answer"),
        ("casefile", other),
        ("settings", b""),
        ("templates", address[:19]),
    ):
        a_record(store, name, kind=kind)
    with store.writing() as session:
        records.drop_of_mailbox(session, address)
    with store.reading() as session:
        left = [
            (kind, record.name)
            for kind in ("casefile", "draft", "settings", "templates")
            for record in records.all_records(session, kind)
        ]
    assert [("casefile", other), ("settings", b""), ("templates", address[:19])] == left


@on_sqlite
def test_the_records_of_a_deleted_mailbox_are_found_without_reading_those_of_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drop_one() -> None:
        with store.writing() as session:
            records.drop_of_mailbox(session, os.urandom(20))

    found = []
    for count in (10, 200):
        for _ in range(count):
            a_record(store, os.urandom(20), kind=random.choice(["casefile", "draft"]))
        found.append(work_of(store, monkeypatch, drop_one).steps)
    assert found[1] < 1.5 * found[0]


@on_sqlite
def test_a_replaced_and_a_dropped_record_leave_no_byte_behind(store: Store) -> None:
    replaced, dropped, kept = (os.urandom(24) for _ in range(3))
    a_record(store, b"name", replaced * 300)
    a_record(store, b"name", kept * 300, revision=2)
    a_record(store, b"another", dropped * 300)
    with store.writing() as session:
        records.drop(session, "casefile", b"another")
    assert store.checkpoint()
    at_once = files_of(store)
    assert [False, False, True] == [canary in at_once for canary in (replaced, dropped, kept)]
    cleanup.destroy_deleted(store, NOW)
    assert (1, 1, 24 * 300) == (rows(store, "record"), rows(store, "sealed"), usage(store))


@on_sqlite
def test_a_record_with_changed_columns_is_read_with_impossible_values(store: Store) -> None:
    a_record(store, b"name")
    with store.writing() as session:
        session.execute(text("UPDATE sealed SET header = 7"))
        session.execute(text("UPDATE record SET name = 'text', kind = x'00', revision = 'one'"))
    with store.reading() as session:
        row = session.execute(records._RECORDS).one()
    assert ("", b"", -1, b"", 0) == tuple(row)


def test_neither_name_nor_ciphertext_of_a_record_is_in_its_repr(store: Store) -> None:
    a_record(store, b"a name", b"what is sealed")
    shown = repr(get(store, b"a name"))
    assert ("a name" in shown, "what is sealed" in shown) == (False, False)


@pytest.mark.parametrize("revision", [1, 2, 9])
def test_a_record_without_compare_and_set_replaces_the_stored_one(store: Store, revision: int) -> None:
    replaced = os.urandom(24)
    a_record(store, b"name", b"first")
    a_record(store, b"name", replaced * 30, revision=2)
    with store.writing() as session:
        records.replace(session, Record("casefile", b"name", revision, b"theirs"))
        records.replace(session, Record("casefile", b"another", revision, b"theirs"))
    assert Record("casefile", b"name", revision, b"theirs") == get(store, b"name")
    assert Record("casefile", b"another", revision, b"theirs") == get(store, b"another")
    assert store.checkpoint()
    assert replaced not in files_of(store)
    a_record(store, b"name", b"the next revision", revision=revision + 1)
    assert Record("casefile", b"name", revision + 1, b"the next revision") == get(store, b"name")


def test_a_dropped_record_stays_until_every_named_peer_has_it(store: Store) -> None:
    def delete_dropped() -> list[bytes]:
        with store.writing() as session:
            records.delete_dropped(session, (b"strand-1", b"strand-2"))
            return [name for name, _ in records.revisions(session, "casefile")]

    with store.writing() as session:
        peers.add(session, b"strand-1", b"card")
        peers.add(session, b"strand-2", b"card")
        for peer in (b"strand-1", b"strand-2"):
            outbox.acknowledge_pouch(session, peer, 1)
    a_record(store, b"kept")
    with store.writing() as session:
        records.put(session, "casefile", b"gone", 1, b"x", goes_to_peers=True, is_dropped=True)

    assert {b"kept", b"gone"} == set(delete_dropped())
    for peer, left in ((b"strand-1", {b"kept", b"gone"}), (b"strand-2", {b"kept"})):
        with store.writing() as session:
            outbox.dequeue(session, peer, OutboxKind.RECORD, name=b"casefile:gone")
        assert left == set(delete_dropped())
    a_record(store, b"gone")  # begins at revision 1 again


def test_a_dropped_record_without_peers_is_deleted_at_once(store: Store) -> None:
    with store.writing() as session:
        records.put(session, "casefile", b"gone", 1, b"x", goes_to_peers=True, is_dropped=True)
        records.delete_dropped(session, ())
    assert get(store, b"gone") is None
