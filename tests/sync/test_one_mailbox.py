"""One mailbox, whatever is in it, stops the sync of no other mailbox."""

import os
from dataclasses import replace

import pytest

from protocol.entry import SignedEntry, sign_entry
from protocol.envelope import EntryClass, Envelope
from protocol.heads import Head, Heads
from protocol.identifiers import Digest, EntryId, StrandId
from protocol.pouch.pouch_file import SERVER
from protocol.strand import SourceWriter
from protocol.transcript.check import FaultKind
from store import attachments, entries, outbox
from store.database.engine import Store
from store.outbox import OutboxKind
from store.quota import recount_bytes
from store.sync_findings import FindingKind
from stored_mailbox.appending import store_entry
from sync.pouch_stream import POUCH_BYTES
from tests.journalist_app.desk_factories import TODAY, ASource, a_source
from tests.stores import as_operator
from tests.sync.ends import ROOM, Ends, Workstation, all_of, answer, at
from tests.sync.test_exchange import found_at


@pytest.fixture
def workstation(ends: Ends) -> Workstation:
    made = ends.workstation()
    ends.sync(made)
    return made


def file_of(store: Store, source: ASource) -> bytes:
    """Return the id of the only file in a mailbox."""
    with store.reading() as session:
        (row,) = entries.of_mailbox(session, source.keys.address)
        (file,) = attachments.of_entry(session, row.address, row.entry_id)
    return file.attachment_id


# ---- the id of a file is taken -------------------------------------------------------------------------


def test_the_id_of_a_file_in_one_mailbox_stops_no_other_mailbox(ends: Ends, workstation: Workstation) -> None:
    """The operator gives a file the id of a file in another mailbox, which the workstation has."""
    one, other, third = (a_source(ends.world) for _ in range(3))
    one.writes("hello", file=("a", b"the first file"))
    ends.sync(workstation)
    taken = file_of(workstation.replica, one)
    other.writes("hello", file=("b", os.urandom(2_500_000)))
    third.writes("hello")
    ends.world.execute(
        "UPDATE attachment SET attachment_id = :id WHERE address = :a", id=taken, a=other.keys.address
    )

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_two_mailboxes_with_one_id_are_both_carried_on_where_the_line_broke(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.build.TARGET_BYTES", 1_000_000)
    one, other = a_source(ends.world), a_source(ends.world)
    for source, size in ((one, 2_500_000), (other, 5_500_000)):
        source.writes("hello", file=("a", os.urandom(size)))
    taken = file_of(ends.world.store, one)
    ends.world.execute("UPDATE attachment SET attachment_id = :id", id=taken)

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


@pytest.mark.parametrize("chunks", [0, 1])
def test_invented_rows_of_files_do_not_make_a_pouch_too_long(
    ends: Ends, workstation: Workstation, chunks: int
) -> None:
    """Attack: the operator adds rows with a long age header and no content to one entry."""
    one, other = a_source(ends.world), a_source(ends.world)
    entry = one.writes("hello", file=("a", b"the file"))
    other.writes("urgent")
    with as_operator(ends.world.store) as operator:
        for row in range(900):
            shape = (row, one.keys.address, entry.envelope.entry_id, os.urandom(16), chunks)
            sealed = "INSERT INTO sealed VALUES (?, 60000, zeroblob(4096), randomblob(60000), NULL)"
            operator.execute(sealed, (row,))
            operator.execute("INSERT INTO attachment VALUES (?, ?, ?, ?, ?, TRUE, NULL, NULL)", shape)
    lengths = []

    def measured(pouch: bytes) -> bytes:
        lengths.append(len(given := answer(ends.server, pouch)))
        return given

    ends.sync(workstation, measured)

    assert max(lengths) < POUCH_BYTES // 4
    assert {row[5] for row in all_of(workstation.replica)["entry"]} == {
        row[5] for row in all_of(ends.world.store)["entry"]
    }


@pytest.mark.parametrize("pending", [1, None], ids=["an upload for another entry", "a row without content"])
def test_what_is_left_under_the_id_of_a_file_makes_room_for_the_file(
    ends: Ends, workstation: Workstation, pending: int | None
) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    source.writes("with a file", file=("a", b"the file"))
    (file,) = (row[2] for row in all_of(ends.world.store)["file"])
    with as_operator(workstation.replica) as operator:
        operator.execute(
            "INSERT INTO attachment VALUES (5, ?, ?, ?, 0, FALSE, ?, x'')",
            (source.keys.address, os.urandom(16), file, pending),
        )

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


# ---- the limit of a mailbox ----------------------------------------------------------------------------


def test_a_mailbox_over_its_limit_at_the_workstation_stops_nothing(
    ends: Ends, workstation: Workstation
) -> None:
    full, other = a_source(ends.world), a_source(ends.world)
    full.writes("hello", file=("large", os.urandom(2_500_000)))
    other.writes("hello")

    ends.sync(ends.with_room(workstation, mailbox_bytes=1_000_000))

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_source_who_fills_the_mailbox_at_the_server_stops_no_workstation(
    ends: Ends, workstation: Workstation
) -> None:
    """The desk's proposal has a file. Its mailbox is full by the time that the file reaches the server."""
    full, other = a_source(ends.world), a_source(ends.world)
    for source in (full, other):
        source.writes("hello")
    ends.sync(workstation)
    at(ends, workstation, full).answers_with_file("large", os.urandom(2_500_000))
    at(ends, workstation, other).is_answered("an answer")
    ends.server = replace(ends.server, quota=replace(ROOM, mailbox_bytes=1_000_000))

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


# ---- damaged files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sealed SET header = NULL WHERE id IN (SELECT id FROM attachment WHERE address = :a)",
        "UPDATE attachment SET chunks = 0 WHERE address = :a",
        "UPDATE attachment SET chunks = 'three' WHERE address = :a",
        "UPDATE attachment SET chunks = 4 WHERE address = :a",
        "UPDATE attachment SET chunks = 2 WHERE address = :a",
        "UPDATE attachment SET attachment_id = zeroblob(15) WHERE address = :a",
        "UPDATE sealed SET header = 'text' WHERE id = (SELECT id FROM attachment WHERE chunks = 3)",
        "UPDATE sealed SET header = zeroblob(70000) WHERE id = (SELECT id FROM attachment WHERE chunks = 3)",
        "UPDATE sealed SET payload = zeroblob(1048577) WHERE id = (SELECT id FROM chunk WHERE number = 1)",
    ],
)
def test_a_damaged_file_is_reported_and_stops_no_other_mailbox(
    ends: Ends, workstation: Workstation, damage: str
) -> None:
    bad, good = a_source(ends.world), a_source(ends.world)
    bad.writes("hello", file=("a", os.urandom(2_500_000)))
    good.writes("hello", file=("b", b"another file"))
    with as_operator(ends.world.store) as operator:
        operator.execute(damage, {"a": bad.keys.address})

    ends.sync(workstation)

    assert file_of(workstation.replica, good) == file_of(ends.world.store, good)
    assert all_of(workstation.replica)["entry"] == all_of(ends.world.store)["entry"]
    assert set(found_at(workstation)) == {(bad.keys.address, FindingKind.DAMAGED)}


def test_a_file_whose_header_the_server_lost_is_given_back(ends: Ends, workstation: Workstation) -> None:
    source = a_source(ends.world)
    entry = source.writes("hello", file=("a", b"the file"))
    ends.sync(workstation)
    before = all_of(ends.world.store)
    ends.world.execute("UPDATE sealed SET header = NULL WHERE id IN (SELECT id FROM attachment)")
    with ends.world.store.writing() as session:
        outbox.enqueue(session, OutboxKind.ENTRY, address=source.keys.address, name=entry.digest)

    ends.sync(workstation)

    with ends.world.store.reading() as session:
        found = attachments.find(session, source.keys.address, file_of(workstation.replica, source))
    assert found is not None
    assert found.header is not None
    assert all_of(ends.world.store) == before


@pytest.mark.parametrize("value", [b"short", "text"])
@pytest.mark.parametrize("column", ["address", "attachment_id"])
def test_a_damaged_row_of_a_file_in_transfer_stops_no_sync(
    ends: Ends, workstation: Workstation, column: str, value: object
) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    with workstation.replica.writing() as session:
        attachments.begin_upload(
            session,
            address=source.keys.address,
            entry_id=os.urandom(16),
            attachment_id=os.urandom(16),
            header=b"header",
            half_hour=1,
            peer=SERVER,
        )
    with as_operator(workstation.replica) as operator:
        operator.execute(f"UPDATE attachment SET {column} = ?", (value,))  # noqa: S608  # no value of others
    source.writes("more")

    ends.sync(workstation)

    assert len(all_of(workstation.replica)["entry"]) == 2


@pytest.mark.parametrize("damaged", ["1.5", "x'15'"])
@pytest.mark.parametrize("by_desk", [False, True])
def test_a_damaged_id_of_a_file_at_the_workstation_does_not_sync_forever(
    ends: Ends,
    workstation: Workstation,
    by_desk: bool,  # noqa: FBT001  # a parameter of pytest
    damaged: str,
) -> None:
    source = a_source(ends.world)
    source.writes("hello", file=None if by_desk else ("a", b"the file"))
    ends.sync(workstation)
    if by_desk:
        at(ends, workstation, source).answers_with_file("a", b"the file")
        ends.sync(workstation)
    with as_operator(workstation.replica) as operator:
        operator.execute(f"UPDATE attachment SET attachment_id = {damaged}")  # noqa: S608  # one of two
    at(ends, workstation, source).is_looked_at()

    ends.sync(workstation)

    assert ends.questions < 5
    if by_desk:
        assert all_of(workstation.replica) == all_of(ends.world.store)


# ---- names of entries that never existed ----------------------------------------------------------------


def names_of(source: ASource, *, signed: bool) -> SignedEntry:
    """Return an envelope that names 320 entries which never existed."""
    strands = [StrandId(os.urandom(8)) for _ in range(4)]

    def some(number: int) -> Heads:
        return tuple(sorted(Head(each, 1, Digest(os.urandom(32))) for each in strands for _ in range(number)))

    envelope = Envelope(
        address=source.keys.address,
        entry_id=EntryId(os.urandom(16)),
        entry_class=EntryClass.RECEIPT,
        strand=StrandId(b""),
        heads=some(16),
        unseen=some(64),
        day=TODAY,
        letterhead_serial=1,
    )
    return sign_entry(envelope, by=SourceWriter(source.keys)) if signed else SignedEntry(envelope, bytes(64))


@pytest.mark.parametrize("signed", [False, True], ids=["by the operator", "by a hostile source"])
def test_names_of_entries_that_never_existed_stop_no_other_mailbox(
    ends: Ends,
    workstation: Workstation,
    signed: bool,  # noqa: FBT001  # a parameter of pytest
) -> None:
    bad, *others = sorted((a_source(ends.world) for _ in range(4)), key=lambda each: each.keys.address)
    for source in (bad, *others):
        source.writes("a question")
    with ends.world.store.writing() as session:
        for _ in range(2):
            store_entry(session, names_of(bad, signed=signed))

    ends.sync(workstation)

    assert ends.questions < 5
    for source in others:
        assert at(ends, workstation, source).reads().transcript.entries
    asked = len(found_at(workstation))
    assert asked == (11 if signed else 2)  # ten of the 256 names and one for the others, or the two rows


# ---- a retired workstation's key in the hands of the operator --------------------------------------------


def test_a_fork_of_a_retired_strand_stops_no_other_mailbox(ends: Ends, workstation: Workstation) -> None:
    """The server lost an entry of a retired workstation, and has another one under its number."""
    old = ends.second_keyring()
    bad, good = a_source(ends.world), a_source(ends.world)
    for source in (bad, good):
        source.writes("a question")
    ends.sync(workstation)
    second = ends.workstation(old)
    ends.sync(second)
    answer = at(ends, second, bad).is_answered("an answer")
    ends.sync(second)
    bad.looks()
    ends.sync(workstation)
    ends.retire(old.strand.id, TODAY)
    ends.world.execute("DELETE FROM entry WHERE digest = :digest", digest=answer.digest)
    rival = replace(
        answer.envelope,
        entry_class=EntryClass.RECEIPT,
        payload_sha256=b"",
        commit=b"",
        entry_id=EntryId(b"r" * 16),
    )
    with ends.world.store.writing() as session:
        store_entry(session, sign_entry(rival, by=old.desk_writer))
    bad.writes("something new")
    at(ends, workstation, good).is_answered("an answer to another source")

    ends.sync(workstation)

    assert all_of(ends.world.store)["entry"] == all_of(workstation.replica)["entry"]
    assert FindingKind.FORK not in {kind for _, kind in found_at(workstation)}
    for store in (ends.world.store, workstation.replica):
        transcript = replace(bad, world=replace(ends.world, store=store)).reads().transcript
        assert {fault.kind for fault in transcript.faults} == {FaultKind.RETIRED_FORK}
        assert answer.digest in {entry.digest for entry in transcript.entries}


# ---- no room for a file --------------------------------------------------------------------------------


def test_a_file_without_room_at_the_server_stops_no_other_mailbox(
    ends: Ends, workstation: Workstation
) -> None:
    """The operator changes the count of the store's bytes. Each night, the bytes are counted again."""
    one, other = sorted((a_source(ends.world) for _ in range(2)), key=lambda each: each.keys.address)
    for source in (one, other):
        source.writes("hello")
    ends.sync(workstation)
    ends.world.execute("UPDATE usage SET sealed_bytes = 4611686018427387904")
    at(ends, workstation, one).answers_with_file("a", os.urandom(5_000_000))
    at(ends, workstation, other).is_answered("an answer")

    ends.sync(workstation)
    assert all_of(workstation.replica)["entry"] == all_of(ends.world.store)["entry"]
    recount_bytes(ends.world.store)
    one.looks()
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
