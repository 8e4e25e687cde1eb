"""Rare cases of a sync: rows that vanish while they are packed, and items whose mailbox is gone."""

import itertools
import os
from collections.abc import Iterator
from datetime import date

import msgspec
import pytest

from protocol import letterhead as letterhead_format
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import StrandId
from protocol.pouch.pouch_file import SERVER, lowest_serial
from protocol.pouch.pouch_items import (
    ChunkItem,
    CountedItem,
    DamagedItem,
    EndedItem,
    EntryItem,
    FileItem,
    Item,
    LetterheadItem,
    OrderItem,
    PublicFileItem,
    RecordItem,
)
from store import attachments, deletion_orders, entries, letterheads, mailboxes, outbox, public_files, records
from store.errors import PeerMissingError, StoreFullError
from store.outbox import OutboxKind
from sync import apply
from sync.apply import apply_pouch
from sync.build import build_pouch, build_pouch_files
from sync.errors import SyncRefusal
from sync.exchange import exchange
from tests.journalist_app.desk_factories import TODAY, a_source
from tests.sync.ends import HALF_HOUR, Ends, Line, Workstation, all_of, at, sync_refused
from tests.sync.test_exchange import an_order, put_order
from tests.sync.test_faults import made_by_hand, to_workstation

SERIALS: Iterator[int] = itertools.count(lowest_serial(HALF_HOUR + 48))


def down(ends: Ends, workstation: Workstation, *items: Item) -> int:
    """Give a workstation these items, and return how many of them brought something."""
    pouch = to_workstation(ends, workstation, *items, serial=next(SERIALS))
    return apply_pouch(workstation.endpoint, lambda: [pouch], is_direct=True).applied


def up(ends: Ends, *items: Item) -> int:
    """Apply these items at the server, as a pouch of the first workstation."""
    seed = ends.world.keyring.strand.seed
    pouch = made_by_hand(ends, seed, *items, serial=next(SERIALS))
    return apply_pouch(ends.server, lambda: [pouch], is_direct=True).applied


@pytest.fixture
def workstation(ends: Ends) -> Workstation:
    made = ends.workstation()
    ends.sync(made)
    return made


# ---- packed for a peer, and gone ----------------------------------------------------------------------


def test_nothing_is_packed_for_a_stranger(ends: Ends) -> None:
    with pytest.raises(PeerMissingError):
        build_pouch(ends.server, StrandId(b"stranger"), {})
    with pytest.raises(PeerMissingError):
        list(build_pouch_files(ends.server, StrandId(b"stranger"), None))


def test_rows_whose_subject_is_gone_leave_the_outbox(ends: Ends, workstation: Workstation) -> None:
    """A row of the outbox names something that may be gone when it is packed."""
    peer = workstation.keyring.strand.id
    with ends.world.store.writing() as session:
        for what, of in (
            (OutboxKind.ENDED, {"address": b"a" * 20}),
            (OutboxKind.PUBLIC_FILE, {"name": b"report"}),
            (OutboxKind.TALLY, {"name": b"d" * 32}),
            (OutboxKind.ENTRY, {"address": b"b" * 20, "name": b"e" * 16}),
            (OutboxKind.ORDER, {"address": b"b" * 20}),
        ):
            outbox.enqueue_for(session, peer, what, **of)

    synced = ends.sync(workstation)
    ends.sync(workstation)

    assert synced.received == 0
    assert ends.left(ends.world.store, peer) == 0


def test_a_file_that_is_removed_while_it_travels_is_not_waited_for(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = a_source(ends.world)
    entry = source.writes("hello", file=("a", os.urandom(2_500_000)))
    read = attachments.read_chunk

    def removed_meanwhile(*of: object) -> bytes | None:
        monkeypatch.setattr(attachments, "read_chunk", read)
        source.removes(entry)
        return read(*of)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(attachments, "read_chunk", removed_meanwhile)
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_row_of_another_shape_in_our_own_tables_is_left_out(ends: Ends, workstation: Workstation) -> None:
    with ends.world.store.writing() as session:
        records.put(session, "casefile", b"n" * 64, 1, b"sealed", goes_to_peers=True)
        outbox.enqueue_all(session, workstation.keyring.strand.id)
    ends.world.execute("UPDATE record SET name = :name", name=b"n" * 65)
    ends.world.execute("UPDATE outbox SET name = :name WHERE kind = 'record'", name=b"casefile:" + b"n" * 65)

    ends.sync(workstation)

    assert all_of(workstation.replica)["record"] == set()


# ---- applied twice, or without a mailbox --------------------------------------------------------------


def test_files_and_chunks_of_entries_that_are_here_are_skipped(ends: Ends, workstation: Workstation) -> None:
    source = a_source(ends.world)
    entry = source.writes("hello", file=("a", b"file"))
    ends.sync(workstation)
    address, entry_id = source.keys.address, entry.envelope.entry_id
    with workstation.replica.reading() as session:
        (known,) = attachments.of_entry(session, address, entry_id)
    assert known.header is not None

    applied = down(
        ends,
        workstation,
        FileItem(address, entry_id, known.attachment_id, known.header),
        ChunkItem(known.attachment_id, 0, is_last=True, ciphertext=b"other"),
        FileItem(b"n" * 20, entry_id, b"f" * 16, known.header),
        ChunkItem(b"f" * 16, 0, is_last=True, ciphertext=b"for no mailbox"),
    )

    assert applied == 0


def test_a_file_that_is_begun_twice_continues_where_it_was(ends: Ends, workstation: Workstation) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    begun = FileItem(source.keys.address, b"e" * 16, b"f" * 16, b"header")

    first = down(ends, workstation, begun, ChunkItem(b"f" * 16, 0, is_last=False, ciphertext=b"0"))
    second = down(
        ends,
        workstation,
        begun,
        ChunkItem(b"f" * 16, 0, is_last=False, ciphertext=b"0"),
        ChunkItem(b"f" * 16, 1, is_last=True, ciphertext=b"1"),
    )

    assert (first, second) == (2, 1)
    with workstation.replica.reading() as session:
        assert attachments.uploads_from_peer(session, SERVER) == [(b"f" * 16, 2)]


def test_a_chunk_without_its_file_is_a_broken_transfer(ends: Ends, workstation: Workstation) -> None:
    with sync_refused(SyncRefusal.BROKEN_TRANSFER):
        down(ends, workstation, ChunkItem(b"f" * 16, 3, is_last=False, ciphertext=b"3"))


def test_an_entry_whose_file_is_not_here_is_a_broken_transfer(ends: Ends, workstation: Workstation) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    entry = source.writes("with a file", store_it=False)
    item = EntryItem(
        entry.envelope.to_bytes(),
        entry.signature,
        1,
        entry.header or b"",
        entry.payload or b"",
        b"",
        (b"f" * 16,),
    )

    with sync_refused(SyncRefusal.BROKEN_TRANSFER):
        down(ends, workstation, item)

    with workstation.replica.reading() as session:
        assert entries.find(session, source.keys.address, entry.envelope.entry_id) is None


def test_of_a_batch_only_the_entry_that_does_not_fit_is_left_out(
    ends: Ends, workstation: Workstation
) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    fits = source.writes("and more")
    broken = source.writes("with a file", store_it=False)
    items = [
        EntryItem(
            entry.envelope.to_bytes(), entry.signature, 1, entry.header or b"", entry.payload or b"", b"", of
        )
        for entry, of in ((fits, ()), (broken, (b"f" * 16,)))
    ]

    with sync_refused(SyncRefusal.BROKEN_TRANSFER):
        down(ends, workstation, *items)

    with workstation.replica.reading() as session:
        assert entries.find(session, source.keys.address, fits.envelope.entry_id) is not None
        assert entries.find(session, source.keys.address, broken.envelope.entry_id) is None


def test_a_batch_that_fits_at_the_second_try_is_complete(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = a_source(ends.world)
    source.writes("one")
    source.writes("two")
    take_in_entry = entries.apply_from_peer

    def full_once(*_of: object, **_columns: object) -> None:
        monkeypatch.setattr(entries, "apply_from_peer", take_in_entry)
        raise StoreFullError("the store's disk is full")

    monkeypatch.setattr(entries, "apply_from_peer", full_once)

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_more_entries_than_fit_in_one_transaction_come_in_several(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "_BATCH_ITEMS", 2)
    source = a_source(ends.world)
    for words in ("one", "two", "three", "four", "five"):
        source.writes(words)

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_transfer_that_stays_broken_is_stopped(ends: Ends, workstation: Workstation) -> None:
    def broken(_: bytes) -> bytes:
        return to_workstation(
            ends, workstation, ChunkItem(b"f" * 16, 3, is_last=False, ciphertext=b"3"), serial=next(SERIALS)
        )

    with sync_refused(SyncRefusal.BROKEN_TRANSFER):
        exchange(workstation.endpoint, Line(ends, broken), lambda _left: None)


def test_an_order_that_is_here_or_without_a_mailbox_changes_nothing(
    ends: Ends, workstation: Workstation
) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)

    none = OrderItem(source.keys.address, b"", date.min, ())
    nowhere = OrderItem(b"n" * 20, b"", date.min, ())

    assert down(ends, workstation, none, nowhere) == 0


def test_an_order_of_another_workstation_comes_and_goes(ends: Ends, workstation: Workstation) -> None:
    second = ends.workstation(ends.second_keyring())
    source = a_source(ends.world)
    source.writes("hello")
    for each in (workstation, second):
        ends.sync(each)

    put_order(ends, workstation, source, TODAY)
    for each in (workstation, second):
        ends.sync(each)
    assert len(all_of(second.replica)["order"]) == 1
    with workstation.replica.writing() as session:
        deletion_orders.drop(session, source.keys.address)
    for each in (workstation, second):
        ends.sync(each)

    assert all_of(second.replica)["order"] == set()


def test_the_server_applies_no_ending_by_order_from_a_workstation(
    ends: Ends, workstation: Workstation
) -> None:
    """The server carries out orders itself, and checks that they are still valid."""
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)

    statement = an_order(ends, workstation, source, TODAY)
    keys = source.keys
    ended = EndedItem(keys.address, keys.recipient, keys.verify_key, statement, TODAY)

    assert up(ends, ended) == 0
    assert len(all_of(ends.world.store)["mailbox"]) == 1


def test_an_ending_that_is_known_and_one_that_is_counted_change_nothing(
    ends: Ends, workstation: Workstation
) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    source.ends()
    ends.sync(workstation)
    with workstation.replica.reading() as session:
        line = mailboxes.find_ended(session, source.keys.address)
    assert line is not None
    ended = EndedItem(line.address, line.recipient, line.verify_key, line.statement, line.day)

    assert down(ends, workstation, ended, CountedItem(b"n" * 20, ())) == 0
    assert up(ends, CountedItem(b"n" * 20, (b"a tally",))) == 0


def test_an_order_for_another_mailbox_ends_none(ends: Ends, workstation: Workstation) -> None:

    one, other = a_source(ends.world), a_source(ends.world)
    one.writes("hello")
    other.writes("hello")
    ends.sync(workstation)
    statement = an_order(ends, workstation, one, TODAY)
    ended = EndedItem(other.keys.address, other.keys.recipient, other.keys.verify_key, statement, TODAY)
    order = OrderItem(other.keys.address, statement, TODAY, ())

    for item in (ended, order):
        with pytest.raises(PouchRefusedError) as refused:
            down(ends, workstation, item)
        assert refused.value.reason is PouchRefusal.FORGED


def test_a_letterhead_under_another_serial_is_forged(ends: Ends, workstation: Workstation) -> None:

    with ends.world.store.reading() as session:
        latest = letterheads.latest(session)
    assert latest is not None

    with pytest.raises(PouchRefusedError):
        down(ends, workstation, LetterheadItem(0, latest[0] + 1, latest[1], latest[2]))


def test_another_letterhead_under_the_serial_that_both_have_changes_nothing(
    ends: Ends, workstation: Workstation
) -> None:
    ours = ends.newest_letterhead(workstation.replica)
    other = msgspec.structs.replace(ours, confirm_days=ours.confirm_days + 1)
    signed = letterhead_format.sign_letterhead(other, workstation.keyring.desk_key)

    assert down(ends, workstation, LetterheadItem(0, other.serial, *signed)) == 0

    assert ends.newest_letterhead(workstation.replica) == ours


def test_a_letterhead_that_is_gone_from_the_store_does_not_travel(
    ends: Ends, workstation: Workstation
) -> None:
    believed = ends.newest_letterhead(ends.world.store).serial
    ends.server_believes(believed)
    ends.publish(ends.newest_letterhead(ends.world.store).successor(confirm_days=3))
    ends.world.execute("DELETE FROM letterhead WHERE serial = :serial", serial=believed)

    ends.sync(workstation)

    assert ends.newest_letterhead(workstation.replica).serial == believed


def test_an_older_letterhead_and_an_older_record_are_ignored(ends: Ends, workstation: Workstation) -> None:
    with ends.world.store.reading() as session:
        older = letterheads.latest(session)
    assert older is not None
    ends.publish(ends.newest_letterhead(ends.world.store).successor(confirm_days=3))
    first = workstation.writes_record(b"name", "first")
    workstation.writes_record(b"name", "second")
    ends.sync(workstation)
    ends.sync(workstation)

    items = (
        LetterheadItem(0, *older),
        RecordItem("casefile", b"name", 1, (), is_dropped=False, sealed=first),
    )

    assert down(ends, workstation, *items) == 0


def test_a_public_file_that_is_here_changes_nothing(ends: Ends, workstation: Workstation) -> None:
    with workstation.replica.writing() as session:
        public_files.put(session, "report", b"body")

    assert down(ends, workstation, PublicFileItem("report", b"body")) == 0
    assert down(ends, workstation, PublicFileItem("report", b"another")) == 1


def test_a_server_ignores_reports_of_damage(ends: Ends, workstation: Workstation) -> None:
    assert up(ends, DamagedItem(b"a" * 20, b"e" * 16)) == 0
    assert down(ends, workstation, DamagedItem(b"a" * 20, b"e" * 16)) == 1


def test_an_answer_after_a_gap_counts_by_what_it_had_seen(ends: Ends, workstation: Workstation) -> None:
    """The desk had seen the source's texts. It had not seen the source's newest entry, a read receipt."""
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    here = at(ends, workstation, source)
    here.is_answered("an answer")
    source.looks()
    ends.sync(workstation)

    with ends.world.store.reading() as session:
        mailbox = mailboxes.find(session, source.keys.address)
    assert mailbox is not None
    assert mailbox.waiting_since is None
