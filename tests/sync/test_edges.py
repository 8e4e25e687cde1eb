"""Rare cases of a sync: rows that vanish while they are packed, and items whose mailbox is gone."""

import itertools
import os
from collections.abc import Iterator
from datetime import date, timedelta

import msgspec
import pytest

from protocol import letterhead as letterhead_format
from protocol.entry import SignedEntry
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import StrandId
from protocol.pouch.pouch_file import SERVER, lowest_serial
from protocol.pouch.pouch_items import (
    ChunkItem,
    DamagedItem,
    EndedItem,
    EntryItem,
    FileItem,
    Item,
    LetterheadItem,
    PublicFileItem,
    RecordItem,
    TalliesItem,
)
from protocol.transcript.ending import proof_to_bytes
from store import (
    attachments,
    entries,
    letterheads,
    mailboxes,
    outbox,
    peers,
    public_files,
    records,
    sync_findings,
)
from store.errors import PeerMissingError, StoreFullError
from store.outbox import OutboxKind
from store.sync_findings import FindingKind
from stored_mailbox.lost_entries import has_signed_files
from sync import apply
from sync.apply import apply_pouch
from sync.build import build_pouch, build_pouch_files
from sync.errors import SyncRefusal
from tests.journalist_app.desk_factories import TODAY, a_source
from tests.sync.ends import HALF_HOUR, Ends, Workstation, all_of, at, sync_refused
from tests.sync.test_exchange import TALLIES, put_tallies
from tests.sync.test_faults import made_by_hand, to_workstation

SERIALS: Iterator[int] = itertools.count(lowest_serial(HALF_HOUR + 48))


def down(ends: Ends, workstation: Workstation, *items: Item) -> int:
    """Apply these items at a workstation. Return how many of them changed something."""
    pouch = to_workstation(ends, workstation, *items, serial=next(SERIALS))
    return apply_pouch(workstation.endpoint, lambda: [pouch], is_direct=True).applied


def up(ends: Ends, *items: Item) -> int:
    """Apply these items at the server, as a pouch of the first workstation."""
    seed = ends.world.keyring.strand.seed
    pouch = made_by_hand(ends, seed, *items, serial=next(SERIALS))
    return apply_pouch(ends.server, lambda: [pouch], is_direct=True).applied


def entry_files(ends: Ends, entry: SignedEntry) -> list[bytes]:
    """Return the ids of the files of an entry at the server."""
    part = entry.envelope
    with ends.world.store.reading() as session:
        return [each.attachment_id for each in attachments.of_entry(session, part.address, part.entry_id)]


def a_proof(*signed: SignedEntry) -> bytes:
    return proof_to_bytes(signed)


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


def test_a_workstations_rows_whose_subject_is_gone_leave_the_outbox(
    ends: Ends, workstation: Workstation
) -> None:
    """A row of the outbox can name an item that is gone when the pouch is packed.

    At the server, the item may only be hidden, so there the row stays (see test_hidden_rows.py).
    """
    with workstation.replica.writing() as session:
        for what, of in (
            (OutboxKind.ENDED, {"address": b"a" * 20}),
            (OutboxKind.PUBLIC_FILE, {"name": b"report"}),
            (OutboxKind.TALLY, {"name": b"d" * 32}),
            (OutboxKind.RECORD, {"name": b"casefile:" + b"n" * 20}),
            (OutboxKind.ENTRY, {"address": b"b" * 20, "name": b"e" * 32}),
            (OutboxKind.TALLIES, {"address": b"b" * 20}),
        ):
            outbox.enqueue_for(session, SERVER, what, **of)

    synced = ends.sync(workstation)
    ends.sync(workstation)

    assert synced.received == 0
    assert ends.left(workstation.replica, SERVER) == 0


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


def test_a_workstation_does_not_send_a_record_that_it_cannot_open(
    ends: Ends, workstation: Workstation
) -> None:
    with workstation.replica.writing() as session:
        records.put(session, "casefile", b"n" * 20, 1, b"sealed by no one", goes_to_peers=True)

    ends.sync(workstation)

    assert all_of(ends.world.store)["record"] == set()


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
        ChunkItem(address, known.attachment_id, 0, is_last=True, ciphertext=b"other"),
        FileItem(b"n" * 20, entry_id, b"f" * 16, known.header),
        ChunkItem(b"n" * 20, b"f" * 16, 0, is_last=True, ciphertext=b"for no mailbox"),
    )

    assert applied == 0


def test_repeated_items_compare_the_files_of_an_entry_once(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a dishonest server repeats a small item in one pouch, and keeps the workstation busy."""
    source = a_source(ends.world)
    entry = source.writes("hello", file=("a", b"file"))
    ends.sync(workstation)
    address, compared = source.keys.address, itertools.count()

    def counting(*of: object) -> bool:
        next(compared)
        return has_signed_files(*of)  # type: ignore[arg-type]  # as it was called

    for module in ("sync.items.attachment_items", "stored_mailbox.lost_entries"):
        monkeypatch.setattr(f"{module}.has_signed_files", counting)
    files = [FileItem(address, entry.envelope.entry_id, os.urandom(16), b"header") for _ in range(20)]
    down(ends, workstation, *files, *[DamagedItem(address, entry.digest)] * 20)

    assert next(compared) <= 3


@pytest.mark.parametrize("is_up", [False, True], ids=["a server", "a workstation"])
@pytest.mark.parametrize("is_known", [False, True], ids=["invented entry", "another entry"])
def test_no_sender_deletes_a_file_by_sending_its_id_for_another_entry(
    ends: Ends, workstation: Workstation, *, is_up: bool, is_known: bool
) -> None:
    """Attack: a dishonest server empties the replicas, or a dishonest adviser the server's store."""
    source = a_source(ends.world)
    entry, other = source.writes("hello", file=("a", b"file")), source.writes("no file")
    ends.sync(workstation)
    before = all_of(ends.world.store if is_up else workstation.replica)
    address, entry_id = source.keys.address, other.envelope.entry_id if is_known else b"e" * 16
    (file,) = entry_files(ends, entry)
    items = [
        FileItem(address, entry_id, file, b"header"),
        ChunkItem(address, file, 0, is_last=True, ciphertext=b"0"),
    ]

    applied = up(ends, *items) if is_up else down(ends, workstation, *items)

    assert applied == 0
    assert all_of(ends.world.store if is_up else workstation.replica) == before


def test_a_file_that_is_begun_twice_continues_where_it_was(ends: Ends, workstation: Workstation) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    begun = FileItem(source.keys.address, b"e" * 16, b"f" * 16, b"header")

    first = down(
        ends, workstation, begun, ChunkItem(source.keys.address, b"f" * 16, 0, is_last=False, ciphertext=b"0")
    )
    second = down(
        ends,
        workstation,
        begun,
        ChunkItem(source.keys.address, b"f" * 16, 0, is_last=False, ciphertext=b"0"),
        ChunkItem(source.keys.address, b"f" * 16, 1, is_last=True, ciphertext=b"1"),
    )

    assert (first, second) == (2, 1)
    with workstation.replica.reading() as session:
        assert attachments.uploads_from_peer(session, SERVER) == [(source.keys.address, b"f" * 16, 2)]


def test_a_chunk_without_its_file_changes_nothing(ends: Ends, workstation: Workstation) -> None:
    chunk = ChunkItem(b"a" * 20, b"f" * 16, 3, is_last=False, ciphertext=b"3")

    assert down(ends, workstation, chunk) == 0


def test_words_do_not_wait_for_their_file(ends: Ends, workstation: Workstation) -> None:
    """The file was cut off, for example because the clean-up deleted its first chunks."""
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    words = source.writes("with a file", file=("a", os.urandom(1_500_000)))
    (file,) = (row for row in all_of(ends.world.store)["file"] if row[1] == words.envelope.entry_id)
    address, entry_id, attachment_id, *_ = file
    assert isinstance(attachment_id, bytes)
    item = EntryItem(
        words.envelope.to_bytes(),
        words.signature,
        1,
        words.header or b"",
        words.payload or b"",
        (attachment_id,),
    )
    begun = FileItem(source.keys.address, words.envelope.entry_id, attachment_id, b"header")
    gap = ChunkItem(source.keys.address, attachment_id, 1, is_last=True, ciphertext=b"1")

    assert down(ends, workstation, begun, gap, item) == 2
    ends.sync(workstation)

    assert (address, entry_id) == (source.keys.address, words.envelope.entry_id)
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_batch_that_fits_at_the_second_try_is_complete(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = a_source(ends.world)
    source.writes("one")
    source.writes("two")
    add = entries.add

    def full_once(*_of: object, **_columns: object) -> None:
        monkeypatch.setattr(entries, "add", add)
        raise StoreFullError("the store's disk is full")

    monkeypatch.setattr(entries, "add", full_once)

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_full_disk_stops_a_sync_and_nothing_is_lost(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_source(ends.world).writes("hello")

    def full(*_of: object, **_columns: object) -> None:
        raise StoreFullError("the store's disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(entries, "add", full)
        with sync_refused(SyncRefusal.NO_ROOM):
            ends.sync(workstation)

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


def test_tallies_that_are_here_or_without_a_mailbox_change_nothing(
    ends: Ends, workstation: Workstation
) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)

    assert down(ends, workstation, TalliesItem(source.keys.address, ())) == 0
    assert down(ends, workstation, TalliesItem(b"n" * 20, TALLIES)) == 0


def test_tallies_of_another_workstation_come_and_go(ends: Ends, workstation: Workstation) -> None:
    second = ends.workstation(ends.second_keyring())
    source = a_source(ends.world)
    source.writes("hello")
    for each in (workstation, second):
        ends.sync(each)

    put_tallies(workstation.replica, source)
    for each in (workstation, second):
        ends.sync(each)
    assert len(all_of(second.replica)["beside"]) == len(TALLIES)
    put_tallies(workstation.replica, source, ())
    for each in (workstation, second):
        ends.sync(each)

    assert all_of(second.replica)["beside"] == set()


def test_of_two_sets_of_tallies_the_one_that_arrives_last_is_everywhere(
    ends: Ends, workstation: Workstation
) -> None:
    second = ends.workstation(ends.second_keyring())
    source = a_source(ends.world)
    source.writes("hello")
    for each in (workstation, second):
        ends.sync(each)
    put_tallies(workstation.replica, source)
    put_tallies(second.replica, source, TALLIES[:1])

    for each in (workstation, second, workstation):
        ends.sync(each)

    for store in (ends.world.store, workstation.replica, second.replica):
        assert all_of(store)["beside"] == {(source.keys.address, TALLIES[0])}


def test_a_set_of_tallies_that_was_not_sent_yet_is_kept(ends: Ends, workstation: Workstation) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    put_tallies(workstation.replica, source)

    assert down(ends, workstation, TalliesItem(source.keys.address, TALLIES[:1])) == 0
    assert len(all_of(workstation.replica)["beside"]) == len(TALLIES)


def test_the_server_applies_no_deletion_by_the_desk_from_a_workstation(
    ends: Ends, workstation: Workstation
) -> None:
    """The server deletes closed mailboxes itself, and checks that nothing was written since."""
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    closing = at(ends, workstation, source).is_closed(due=TODAY)
    keys = source.keys

    assert up(ends, EndedItem(keys.address, keys.recipient, keys.verify_key, a_proof(closing), TODAY)) == 0
    assert len(all_of(ends.world.store)["mailbox"]) == 1


def test_an_ending_that_is_known_changes_nothing(ends: Ends, workstation: Workstation) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    source.ends()
    ends.sync(workstation)
    with workstation.replica.reading() as session:
        line = mailboxes.find_ended(session, source.keys.address)
    assert line is not None
    ended = EndedItem(line.address, line.recipient, line.verify_key, line.proof, line.day)

    assert down(ends, workstation, ended) == 0


@pytest.mark.parametrize(("day", "kept"), [(date.min, TODAY), (date.max, TODAY + timedelta(days=1))])
@pytest.mark.parametrize("is_by_source", [True, False])
def test_a_false_day_beside_a_proof_is_not_kept(
    ends: Ends, workstation: Workstation, *, is_by_source: bool, day: date, kept: date
) -> None:
    """Attack: the proof is kept forever, or the deletion looks as if it came before its day."""
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    address, keys = source.keys.address, source.keys
    closing = at(ends, workstation, source).is_closed(due=TODAY)
    ends.sync(workstation)
    source.ends()
    with ends.world.store.reading() as session:
        ended = mailboxes.find_ended(session, address)
    assert ended is not None
    proof = ended.proof if is_by_source else a_proof(closing)

    down(ends, workstation, EndedItem(address, keys.recipient, keys.verify_key, proof, day))

    with workstation.replica.reading() as session:
        line = mailboxes.find_ended(session, address)
    assert line is not None
    assert line.day == (date.min if is_by_source and day == date.min else kept)


def test_what_does_not_prove_a_deletion_is_forged(ends: Ends, workstation: Workstation) -> None:
    one, other = a_source(ends.world), a_source(ends.world)
    said = one.writes("hello")
    other.writes("hello")
    ends.sync(workstation)
    here = at(ends, workstation, one)
    answer, closing = here.is_answered("an answer"), here.is_closed(due=TODAY)
    later = at(ends, workstation, one).is_closed(due=TODAY + timedelta(days=2))
    proofs = (
        (other, a_proof(closing)),  # of another mailbox
        (one, a_proof(answer)),  # does not close
        (one, a_proof(said, closing)),  # the source's words keep the mailbox
        (one, a_proof(closing, later)),  # the day has not come
        (one, b""),
    )

    for source, proof in proofs:
        keys = source.keys
        with pytest.raises(PouchRefusedError) as refused:
            down(ends, workstation, EndedItem(keys.address, keys.recipient, keys.verify_key, proof, TODAY))
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
    assert up(ends, DamagedItem(b"a" * 20, b"e" * 32)) == 0
    assert down(ends, workstation, DamagedItem(b"a" * 20, b"e" * 32)) == 1


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


def test_an_invented_file_does_not_replace_a_sound_header_by_a_damaged_one(ends: Ends) -> None:
    """The operator adds a file to an entry that a workstation has, and flips a byte of its age header."""
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("the evidence")
    ends.sync(workstation)
    with workstation.replica.reading() as session:
        (row,) = entries.of_mailbox(session, source.keys.address)
    file, is_last = os.urandom(16), True
    header = bytes([row.header[0] ^ 1]) + row.header[1:]
    down(
        ends,
        workstation,
        FileItem(row.address, row.entry_id, file, b"header"),
        ChunkItem(row.address, file, 0, is_last, b"junk"),
        EntryItem(row.envelope, row.signature, row.epoch, header, row.payload, (file,)),
    )
    with workstation.replica.reading() as session:
        (kept,) = entries.of_mailbox(session, source.keys.address)
    assert kept.header == row.header


def test_another_entry_with_the_number_of_ours_is_reported_and_not_kept(ends: Ends) -> None:
    """If a keyring is in use on two machines, they sign two histories, and the server sends the other one."""
    one = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(one)
    at(ends, one, source).is_answered("one answer")
    rival = source.is_answered("another answer")
    down(
        ends,
        one,
        EntryItem(rival.envelope.to_bytes(), rival.signature, rival.epoch, rival.header, rival.payload, ()),
    )
    with one.replica.reading() as session:
        kinds = [found.kind for found in sync_findings.of_mailbox(session, source.keys.address)]
    assert kinds == [FindingKind.FORK]


def test_a_record_that_the_server_has_already_changes_nothing(ends: Ends) -> None:
    ends.sync(ends.workstation())
    record = RecordItem("casefile", b"n" * 20, 1, (), is_dropped=False, sealed=b"sealed")
    assert [up(ends, record), up(ends, record)] == [1, 0]


def test_an_invented_row_of_a_new_workstation_hides_nothing_from_it(ends: Ends) -> None:
    """Attack: the operator adds the row of a workstation that is to come, so nothing is queued for it."""
    second = ends.workstation(ends.second_keyring())
    a_source(ends.world).writes("hello")
    with ends.world.store.writing() as session:
        peers.add(session, second.keyring.strand.id, b"")
    ends.world.execute("UPDATE peer SET acknowledged_serial = 5, sent_serial = 5")

    ends.sync(second)

    assert all_of(second.replica) == all_of(ends.world.store)


@pytest.mark.parametrize("kind", ["record", "public_file"])
def test_a_row_of_the_outbox_with_a_name_that_is_not_utf8_stops_no_sync(
    ends: Ends, workstation: Workstation, kind: str
) -> None:
    with ends.world.store.writing() as session:
        outbox.enqueue(session, OutboxKind(kind), name=b"\xff\xfe:name")
    a_source(ends.world).writes("hello")

    ends.sync(workstation)
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_damaged_name_of_a_record_that_waits_stops_no_sync(ends: Ends, workstation: Workstation) -> None:
    with workstation.replica.writing() as session:
        records.put(session, "waiting", b"name:\xff", 1, b"sealed", goes_to_peers=False)
    a_source(ends.world).writes("hello")

    ends.sync(workstation)

    assert len(all_of(workstation.replica)["entry"]) == 1


def test_removed_words_that_the_server_sends_again_are_reported_and_not_kept(
    ends: Ends, workstation: Workstation
) -> None:
    """Attack: the operator restores removed words on the server. The workstation knows the removal."""
    source = a_source(ends.world)
    words = source.writes("hello")
    source.removes(words)
    ends.sync(workstation)
    part = words.envelope.to_bytes()

    down(ends, workstation, EntryItem(part, words.signature, 1, words.header, words.payload, ()))

    with workstation.replica.reading() as session:
        kept = entries.find_digest(session, source.keys.address, words.digest)
        kinds = [found.kind for found in sync_findings.of_mailbox(session, source.keys.address)]
    assert kept is not None
    assert kept.header is None
    assert kinds == [FindingKind.RESTORED]
