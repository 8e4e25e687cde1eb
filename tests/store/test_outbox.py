import hashlib
import os
import random
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from store import cleanup, letterheads, mailbox_tallies, mailboxes, outbox, peers, public_files, records
from store import ledger_tallies as ledger
from store.database.engine import Store
from store.database.prepared_statements import PreparedChange
from store.database.schema import NO_WORD
from store.errors import AttachmentMissingError, PeerMissingError
from store.outbox import OutboxKind, record_name
from store.records import Record
from tests.store.factories import (
    DAY,
    NOW,
    SERVER,
    STRAND,
    a_mailbox,
    a_peer,
    a_record,
    an_entry,
    deliver,
    destroy,
    files_of,
    noted,
    on_sqlite,
    put_tallies,
    rows,
)

OTHER = b"strand-2"


@pytest.fixture
def peer(store: Store) -> None:
    a_peer(store)


def ids_of(store: Store, what: OutboxKind, peer: bytes = STRAND) -> list[int]:
    with store.reading() as session:
        return [each.id for each in outbox.of_kind(session, peer, what)]


def pack(store: Store, peer: bytes = STRAND) -> int:
    """Pack all items that a peer may not have yet."""
    with store.writing() as session:
        serial = peers.reserve_serial(session, peer)
        ids = [each.id for what in OutboxKind for each in outbox.of_kind(session, peer, what)]
        outbox.mark_packed(session, ids, serial)
    return serial


def acknowledge(store: Store, serial: int, peer: bytes = STRAND) -> None:
    with store.writing() as session:
        outbox.acknowledge_pouch(session, peer, serial)


def end(store: Store, address: bytes) -> None:
    with store.writing() as session:
        mailboxes.end_for_good(session, address, proof=b"ended", day=DAY)


# ---- what is noted


def test_a_store_without_peers_queues_nothing(store: Store, address: bytes) -> None:
    an_entry(store, address)
    a_record(store, address)
    put_tallies(store, address)
    end(store, address)
    assert 0 == rows(store, "outbox")


@pytest.mark.usefixtures("peer")
def test_an_entry_is_queued_once_for_each_peer(store: Store, address: bytes) -> None:
    a_peer(store, OTHER)
    digest = an_entry(store, address)
    destroy(store, address, digest)  # the peers destroy it when they apply the removal
    for name in (STRAND, OTHER):
        assert [(OutboxKind.ENTRY, address, digest)] == noted(store, name)


@pytest.mark.usefixtures("peer")
def test_a_refused_entry_is_not_queued(store: Store, address: bytes) -> None:
    with pytest.raises(AttachmentMissingError):
        an_entry(store, address, attachment_ids=[os.urandom(16)])
    assert [] == noted(store)


@pytest.mark.usefixtures("peer")
def test_everything_for_peers_is_queued_when_it_is_written(store: Store, address: bytes) -> None:
    tally = os.urandom(64)
    digest = hashlib.sha256(tally).digest()
    with store.writing() as session:
        letterheads.add(session, 1, b"body", b"signature")
        public_files.put(session, "report-2026-nl.html", b"for everyone")
        ledger.add(session, [tally])
    a_record(store, address)
    a_record(store, address, kind="draft", goes_to_peers=False)
    put_tallies(store, address)
    assert [
        (OutboxKind.LETTERHEAD, b"", b""),
        (OutboxKind.PUBLIC_FILE, b"", b"report-2026-nl.html"),
        (OutboxKind.RECORD, b"", b"casefile:" + address),
        (OutboxKind.TALLY, b"", digest),
        (OutboxKind.TALLIES, address, b""),
    ] == noted(store)


@pytest.mark.usefixtures("peer")
def test_a_known_letterhead_is_not_queued(store: Store) -> None:
    for _ in range(2):
        with store.writing() as session:
            letterheads.add(session, 1, b"body", b"signature")
        deliver(store)
        assert [] == noted(store)
        with store.writing() as session:
            letterheads.add(session, 1, b"body", b"signature")
    assert [] == noted(store)
    with store.writing() as session:
        letterheads.put(session, 1, b"another", b"signature")
    assert [(OutboxKind.LETTERHEAD, b"", b"")] == noted(store)


@pytest.mark.usefixtures("peer")
def test_a_dropped_item_is_queued_and_a_missing_one_is_not(store: Store, address: bytes) -> None:
    a_record(store, address)
    a_record(store, address, kind="draft", goes_to_peers=False)
    a_record(store, b"templates", kind="templates")
    put_tallies(store, address)
    deliver(store)
    with store.writing() as session:
        mailbox_tallies.put(session, address, ())
        records.drop_of_mailbox(session, address)
        records.drop(session, "templates", b"templates")
        records.drop(session, "templates", b"another")
    assert [(OutboxKind.TALLIES, address, b"")] == noted(store)  # a record is dropped by a signed revision


@pytest.mark.usefixtures("peer")
def test_only_the_end_of_an_ended_mailbox_is_queued(store: Store, address: bytes) -> None:
    a_peer(store, OTHER)
    other = a_mailbox(store)
    kept = an_entry(store, other)
    an_entry(store, address)
    put_tallies(store, address)
    end(store, address)
    for name in (STRAND, OTHER):
        assert [(OutboxKind.ENDED, address, b""), (OutboxKind.ENTRY, other, kept)] == noted(store, name)


@pytest.mark.usefixtures("peer")
def test_a_purged_mailbox_is_queued_with_its_tallies_alone(store: Store, address: bytes) -> None:
    an_entry(store, address)
    a_record(store, address)
    put_tallies(store, address, [b"tally"])
    deliver(store)
    with store.writing() as session:
        mailboxes.purge_mailbox(session, address, proof=b"proof", day=DAY)
    assert [
        (OutboxKind.ENDED, address, b""),
        (OutboxKind.TALLY, b"", hashlib.sha256(b"tally").digest()),
    ] == noted(store)


@pytest.mark.usefixtures("peer")
def test_an_item_is_not_queued_for_the_peer_that_sent_it(store: Store) -> None:
    a_peer(store, OTHER)
    with store.writing() as session:
        outbox.exclude_peer(session, STRAND)
        letterheads.add(session, 1, b"body", b"signature")
        ledger.apply_from_peer(session, b"tally")
        outbox.enqueue_for(session, STRAND, OutboxKind.RECORD, name=b"casefile:name")
    assert [(OutboxKind.RECORD, b"", b"casefile:name")] == noted(store, STRAND)
    assert [OutboxKind.LETTERHEAD, OutboxKind.TALLY] == [what for what, _, _ in noted(store, OTHER)]
    with store.writing() as session:
        letterheads.add(session, 2, b"body", b"signature")  # the next session excludes no peer
    assert (OutboxKind.LETTERHEAD, b"", b"") in noted(store, STRAND)


def test_a_missing_peer_is_refused_and_the_session_is_rolled_back(store: Store, address: bytes) -> None:
    an_entry(store, address)
    with store.writing() as session:
        letterheads.add(session, 1, b"body", b"signature")
        with pytest.raises(PeerMissingError):
            outbox.enqueue_for(session, STRAND, OutboxKind.LETTERHEAD)
        with pytest.raises(PeerMissingError):
            outbox.enqueue_all(session, STRAND)
    assert 0 == rows(store, "letterhead")


@pytest.mark.usefixtures("peer")
def test_a_record_from_a_peer_is_queued_for_the_other_peers_only(store: Store, address: bytes) -> None:
    a_peer(store, OTHER)
    a_record(store, address)
    deliver(store, OTHER)
    with store.writing() as session:
        outbox.exclude_peer(session, STRAND)
        records.replace(session, Record("casefile", address, 4, b"theirs"))
    assert [(OutboxKind.RECORD, b"", b"casefile:" + address)] == noted(store, STRAND)  # the record before
    assert [(OutboxKind.RECORD, b"", b"casefile:" + address)] == noted(store, OTHER)
    with store.reading() as session:
        assert Record("casefile", address, 4, b"theirs") == records.find(session, "casefile", address)


@pytest.mark.usefixtures("peer")
def test_a_mailbox_that_is_dropped_as_empty_leaves_nothing_queued(store: Store, address: bytes) -> None:
    put_tallies(store, address)
    with store.writing() as session:
        assert mailboxes.drop_empty(session, address)
    assert [] == noted(store)


# ---- what is packed, and told


@pytest.mark.usefixtures("peer")
def test_a_confirmed_item_is_deleted_and_a_newer_one_is_not(store: Store, address: bytes) -> None:
    an_entry(store, address)
    serial = pack(store)
    later = an_entry(store, address)
    acknowledge(store, serial)
    assert [(OutboxKind.ENTRY, address, later)] == noted(store)


@pytest.mark.usefixtures("peer")
def test_an_item_that_was_packed_again_waits_for_the_later_pouch(store: Store, address: bytes) -> None:
    an_entry(store, address)
    first = pack(store)
    assert [] == ids_of(store, OutboxKind.ENTRY)  # under way
    with store.writing() as session:
        outbox.repack_all(session, STRAND)
    second = pack(store)
    acknowledge(store, first)
    assert 1 == len(noted(store))
    acknowledge(store, second)
    assert [] == noted(store)


@pytest.mark.usefixtures("peer")
def test_an_item_that_changed_after_packing_is_packed_again(store: Store, address: bytes) -> None:
    put_tallies(store, address)
    serial = pack(store)
    put_tallies(store, address, [b"other"])
    acknowledge(store, serial)
    assert [(OutboxKind.TALLIES, address, b"")] == noted(store)
    acknowledge(store, serial)  # told twice
    assert [(OutboxKind.TALLIES, address, b"")] == noted(store)
    deliver(store)
    assert [] == noted(store)


@pytest.mark.usefixtures("peer")
def test_an_item_that_changes_between_marking_and_reading_is_packed_again(store: Store) -> None:
    with store.writing() as session:
        public_files.put(session, "report", b"first")
    serial = pack(store)
    with store.writing() as session:
        public_files.put(session, "report", b"second")
    with store.reading() as session:
        assert b"second" == public_files.find(session, "report")  # what goes into the pouch
    acknowledge(store, serial)
    assert [(OutboxKind.PUBLIC_FILE, b"", b"report")] == noted(store)


@pytest.mark.usefixtures("peer")
def test_each_of_two_workstations_receives_everything(store: Store, address: bytes) -> None:
    a_peer(store, OTHER)
    an_entry(store, address)
    deliver(store, STRAND)
    assert [] == noted(store, STRAND)
    assert 1 == len(noted(store, OTHER))
    late = an_entry(store, address)
    deliver(store, OTHER)
    assert [(OutboxKind.ENTRY, address, late)] == noted(store, STRAND)
    assert [] == noted(store, OTHER)


def is_dropped(store: Store, address: bytes) -> bool:
    """Drop the proof of an ended mailbox if `STRAND` and `OTHER` have it, and return whether it is gone."""
    with store.writing() as session:
        mailboxes.drop_ended(session, address, (STRAND, OTHER))
        return mailboxes.find_ended(session, address) is None


@pytest.mark.usefixtures("peer")
def test_the_proof_of_an_ended_mailbox_stays_until_each_named_peer_has_it(
    store: Store, address: bytes
) -> None:
    end(store, address)
    deliver(store, STRAND)
    assert not is_dropped(store, address)  # the store does not know the other peer
    a_peer(store, OTHER)
    assert not is_dropped(store, address)  # the other peer has confirmed nothing
    with store.writing() as session:
        outbox.enqueue_all(session, OTHER)
    assert not is_dropped(store, address)
    deliver(store, OTHER)
    assert is_dropped(store, address)


@pytest.mark.usefixtures("peer")
def test_an_item_that_did_not_fit_into_a_pouch_is_packed_into_the_next(store: Store, address: bytes) -> None:
    an_entry(store, address)
    an_entry(store, address)
    serial = pack(store)
    with store.reading() as session:
        left = session.execute(text("SELECT id, name FROM outbox LIMIT 1")).one()
    with store.writing() as session:
        outbox.unmark_packed(session, [left.id])
    acknowledge(store, serial)
    assert [(OutboxKind.ENTRY, address, left.name)] == noted(store)
    assert [left.id] == ids_of(store, OutboxKind.ENTRY)


@pytest.mark.usefixtures("peer")
def test_repacking_packs_every_item_again_for_that_peer_only(store: Store, address: bytes) -> None:
    a_peer(store, OTHER)
    an_entry(store, address)
    pack(store, STRAND)
    pack(store, OTHER)
    with store.writing() as session:
        outbox.repack_all(session, STRAND)
    assert (1, 0) == (
        len(ids_of(store, OutboxKind.ENTRY, STRAND)),
        len(ids_of(store, OutboxKind.ENTRY, OTHER)),
    )


@pytest.mark.usefixtures("peer")
def test_an_item_queued_for_one_peer_is_packed_even_if_it_is_on_its_way(store: Store, address: bytes) -> None:
    entry_id = an_entry(store, address)
    serial = pack(store)
    with store.writing() as session:
        outbox.enqueue_for(session, STRAND, OutboxKind.ENTRY, address=address, name=entry_id)
    assert 1 == len(ids_of(store, OutboxKind.ENTRY))
    acknowledge(store, serial)
    assert [(OutboxKind.ENTRY, address, entry_id)] == noted(store)


@pytest.mark.usefixtures("peer")
def test_a_peer_that_confirmed_a_letterhead_shares_it(store: Store) -> None:
    def shared() -> int | None:
        with store.reading() as session:
            found = peers.find(session, STRAND)
        return None if found is None else found.letterhead_serial

    with store.writing() as session:
        letterheads.add(session, 3, b"body", b"signature")
    (row,) = ids_of(store, OutboxKind.LETTERHEAD)
    with store.writing() as session:
        outbox.mark_packed(session, [row], peers.reserve_serial(session, STRAND), letterhead=3)
    assert 0 == shared()
    acknowledge(store, 1)
    assert 3 == shared()


@pytest.mark.usefixtures("peer")
def test_a_dequeued_item_is_gone_for_that_peer_only(store: Store, address: bytes) -> None:
    a_peer(store, OTHER)
    with store.writing() as session:
        outbox.enqueue(session, OutboxKind.ENDED, address=address)
        assert outbox.dequeue(session, STRAND, OutboxKind.ENDED, address=address)
        assert not outbox.dequeue(session, STRAND, OutboxKind.ENDED, address=address)
    assert ([], 1) == (noted(store, STRAND), len(noted(store, OTHER)))


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3(", b"two\nlines", "café".encode()])
def test_a_name_that_is_not_a_word_names_nothing(raw: bytes) -> None:
    """A damaged row must neither stop a sync nor be read as the name of something else."""
    assert outbox.as_word(raw) == NO_WORD
    item = outbox.OutboxItem(1, OutboxKind.RECORD, b"", raw + b":a\xff:b", b"")
    assert item.record == (NO_WORD, b"a\xff:b")


def test_the_name_of_a_record_comes_back_as_it_was() -> None:
    item = outbox.OutboxItem(1, OutboxKind.RECORD, b"", record_name("casefile", b"\xff:b"), b"")
    assert item.record == ("casefile", b"\xff:b")


# ---- everything again


def test_a_new_peer_receives_everything_for_peers_and_nothing_else(store: Store, address: bytes) -> None:
    ended, tally = a_mailbox(store), os.urandom(64)
    digest, destroyed = an_entry(store, address), an_entry(store, address)
    destroy(store, address, destroyed)
    with store.writing() as session:
        letterheads.add(session, 1, b"body", b"signature")
        letterheads.add(session, 2, b"body", b"signature")
        public_files.put(session, "report-2026-nl.html", b"for everyone")
        ledger.add(session, [tally])
    a_record(store, address)
    a_record(store, address, kind="draft", goes_to_peers=False)
    put_tallies(store, address)
    end(store, ended)
    a_peer(store)
    assert [] == noted(store)
    with store.writing() as session:
        outbox.enqueue_all(session, STRAND)
    assert [
        (OutboxKind.LETTERHEAD, b"", b""),
        (OutboxKind.ENDED, ended, b""),
        (OutboxKind.PUBLIC_FILE, b"", b"report-2026-nl.html"),
        (OutboxKind.RECORD, b"", b"casefile:" + address),
        (OutboxKind.TALLY, b"", hashlib.sha256(tally).digest()),
        *[(OutboxKind.ENTRY, address, name) for name in sorted([digest, destroyed])],
        (OutboxKind.TALLIES, address, b""),
    ] == noted(store)


def test_an_empty_store_queues_nothing_for_a_new_peer(store: Store) -> None:
    a_peer(store)
    with store.writing() as session:
        outbox.enqueue_all(session, STRAND)
    assert [] == noted(store)


def test_two_rows_of_one_entry_are_queued_once_for_a_new_peer(store: Store, address: bytes) -> None:
    digests = [an_entry(store, address) for _ in range(2)]
    a_peer(store)
    with store.writing() as session:
        session.execute(text("UPDATE entry SET digest = :digest"), {"digest": digests[0]})
        outbox.enqueue_all(session, STRAND)
    assert [(OutboxKind.ENTRY, address, digests[0])] == noted(store)


@on_sqlite
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entry SET digest = 'text'",
        "UPDATE record SET kind = 'caf\u00e9'",
        "UPDATE record SET name = 9",
        "UPDATE public_file SET name = 'caf\u00e9'",
        "UPDATE mailbox_tally SET address = 'text'",
        "UPDATE ledger_tally SET digest = 'text'",
        "UPDATE ended_mailbox SET address = 'text'",
    ],
)
def test_a_row_with_a_damaged_name_is_not_queued_for_a_new_peer(
    store: Store, address: bytes, damage: str
) -> None:
    an_entry(store, address)
    a_record(store, address)
    put_tallies(store, address)
    end(store, a_mailbox(store))
    with store.writing() as session:
        ledger.add(session, [os.urandom(64)])
        public_files.put(session, "report-2026-nl.html", b"for everyone")
    a_peer(store)
    with store.writing() as session:
        session.execute(text("PRAGMA defer_foreign_keys = ON"))
        outbox.enqueue_all(session, STRAND)
        before = outbox.count(session, STRAND)
        outbox.drop_peer(session, STRAND)
        session.execute(text(damage))
        outbox.enqueue_all(session, STRAND)
        queued = outbox.count(session, STRAND)
        rows_queued = session.execute(text("SELECT count(*) FROM outbox")).scalar_one()
        session.rollback()
    assert (6, 5, 5) == (before, queued, rows_queued)


def test_a_long_store_is_queued_for_a_new_peer_with_as_many_statements_as_a_short_one(
    store: Store, address: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise, PostgreSQL would answer each item, and no source could post for seconds."""
    a_peer(store)
    used: list[PreparedChange] = []
    run = PreparedChange.run

    def counted(statement: PreparedChange, session: Session, **values: object) -> int:
        used.append(statement)
        return run(statement, session, **values)

    counts = []
    for _ in range(2):
        for _ in range(20):
            an_entry(store, address, durable=False)
        with monkeypatch.context() as patched, store.writing() as session:
            patched.setattr(PreparedChange, "run", counted)
            outbox.enqueue_all(session, STRAND)
        counts.append(len(used))
        used.clear()
    assert counts[0] == counts[1] == len(OutboxKind)


def test_ids_do_not_show_in_which_order_everything_was_queued(store: Store, address: bytes) -> None:
    arrived = [an_entry(store, address, durable=False) for _ in range(60)]
    a_peer(store)
    with store.writing() as session:
        outbox.enqueue_all(session, STRAND)
    with store.reading() as session:
        found = session.execute(text("SELECT id, name FROM outbox ORDER BY id")).all()
    ids, names = zip(*found, strict=True)
    assert 0 < ids[0] < 2**58 < ids[-1] < 2**63
    for order in (arrived, sorted(arrived)):
        assert 10 < sum(order.index(a) < order.index(b) for a, b in pairwise(names)) < 50


@pytest.mark.usefixtures("peer")
def test_everything_is_packed_again_for_a_peer_that_lost_its_data(store: Store, address: bytes) -> None:
    entry_id = an_entry(store, address)
    serial = pack(store)
    with store.writing() as session:
        outbox.enqueue_all(session, STRAND)
    acknowledge(store, serial)  # from before it was restored to an older copy
    assert [(OutboxKind.ENTRY, address, entry_id)] == noted(store)


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("damage", ["UPDATE outbox SET address = 'text'", "UPDATE outbox SET name = 9"])
@on_sqlite
def test_a_value_of_another_type_in_the_outbox_makes_a_repeat_send_everything_again(
    store: Store, address: bytes, damage: str
) -> None:
    test_a_damaged_row_of_the_outbox_makes_a_repeat_send_everything_again(store, address, damage)


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("damage", ["UPDATE outbox SET kind = 'other'"])
def test_a_damaged_row_of_the_outbox_makes_a_repeat_send_everything_again(
    store: Store, address: bytes, damage: str
) -> None:
    names = [an_entry(store, address) for _ in range(2)]
    deliver(store)
    names.append(an_entry(store, address))
    with store.writing() as session:
        session.execute(text(damage))
        outbox.repack_all(session, STRAND)
    assert [(OutboxKind.ENTRY, address, name) for name in sorted(names)] == noted(store)


@pytest.mark.usefixtures("peer")
def test_the_revision_that_a_record_may_replace_is_stored_until_the_peer_confirms(store: Store) -> None:
    name, digest = outbox.record_name("casefile", b"name"), os.urandom(32)

    def replaced() -> list[bytes]:
        with store.reading() as session:
            return [each.replaces for each in outbox.of_kind(session, STRAND, OutboxKind.RECORD)]

    a_record(store, b"name")
    assert replaced() == [b""]
    with store.writing() as session:
        outbox.enqueue_for(session, STRAND, OutboxKind.RECORD, name=name, replaces=digest)
    a_record(store, b"name", revision=2)
    assert replaced() == [digest]
    with store.writing() as session:
        outbox.enqueue_all(session, STRAND)
    assert replaced() == [digest]
    acknowledge(store, pack(store))
    a_record(store, b"name", revision=3)
    assert replaced() == [b""]


# ---- how it is read


@pytest.mark.usefixtures("peer")
def test_the_outbox_is_read_by_mailbox(store: Store, address: bytes) -> None:
    other = a_mailbox(store)
    names = sorted(an_entry(store, address) for _ in range(3))
    put_tallies(store, address)
    an_entry(store, other)
    ended = a_mailbox(store)
    end(store, ended)
    with store.reading() as session:
        assert sorted([address, other]) == outbox.mailboxes_to_pack(session, STRAND)
        found = outbox.of_mailbox(session, STRAND, address)
        assert [*[(OutboxKind.ENTRY, name) for name in names], (OutboxKind.TALLIES, b"")] == [
            (each.kind, each.name) for each in found
        ]
        assert [] == outbox.of_mailbox(session, STRAND, ended)
        assert [] == outbox.of_mailbox(session, OTHER, address)
        assert (6, 0) == (outbox.count(session, STRAND), outbox.count(session, OTHER))
        assert {OutboxKind.ENTRY: 4, OutboxKind.TALLIES: 1, OutboxKind.ENDED: 1} == outbox.counts(
            session, STRAND
        )
        assert {} == outbox.counts(session, OTHER)


@pytest.mark.usefixtures("peer")
@on_sqlite
def test_the_outbox_does_not_show_the_order_of_arrival(store: Store) -> None:
    arrived = []
    for _ in range(60):
        address = a_mailbox(store)
        an_entry(store, address, durable=False)
        arrived.append(address)
    with store.reading() as session:
        listed = [each.address for each in outbox.of_kind(session, STRAND, OutboxKind.ENTRY)]
        by_id = session.execute(text("SELECT address FROM outbox ORDER BY id")).scalars().all()
        columns = session.execute(text("SELECT name FROM pragma_table_info('outbox')")).scalars().all()
    assert sorted(arrived) == listed == undelivered_addresses(store)
    assert 10 < sum(arrived.index(a) < arrived.index(b) for a, b in pairwise(by_id)) < 50
    assert [
        "id",
        "peer",
        "kind",
        "address",
        "name",
        "replaces",
        "pouch_serial",
        "packed_revision",
        "is_changed",
    ] == columns


def undelivered_addresses(store: Store) -> list[bytes]:
    with store.reading() as session:
        return list(outbox.mailboxes_to_pack(session, STRAND))


@pytest.mark.usefixtures("peer")
@on_sqlite
def test_a_confirmed_item_leaves_no_byte_behind(store: Store) -> None:
    chance = random.Random(4)  # for what ends
    gone, kept = [], []
    for _ in range(300):
        address = a_mailbox(store)
        an_entry(store, address, header=b"", payload=b"", durable=False)
        (gone if chance.random() < 0.5 else kept).append(address)
    for address in gone:
        with store.writing(durable=False) as session:
            mailboxes.end_for_good(session, address, proof=b"ended", day=DAY)
    deliver(store)
    for address in gone:
        with store.writing(durable=False) as session:
            mailboxes.drop_ended(session, address, [STRAND])
    assert (0, 0) == (rows(store, "outbox"), rows(store, "ended_mailbox"))
    cleanup.destroy_deleted(store, NOW)
    cleanup.rewrite_store(store)
    raw = files_of(store)
    assert (0, len(kept)) == tuple(sum(address in raw for address in group) for group in (gone, kept))


def test_neither_names_nor_digests_are_in_a_repr(store: Store) -> None:
    a_peer(store, SERVER)
    a_record(store, b"a name")
    with store.writing() as session:
        (row,) = outbox.of_kind(session, SERVER, OutboxKind.RECORD)
    assert "a name" not in repr(row)
