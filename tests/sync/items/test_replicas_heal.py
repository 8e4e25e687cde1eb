"""Entries that a store lost or damaged: other stores send them again, and a removed entry stays removed."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest

from crypto.errors import CryptoError
from journalist_app.services.whole_desk import unlocking
from journalist_app.services.whole_desk.whole_check import check_whole_store
from protocol.content import Content, Kind
from protocol.entry import SignedEntry, open_entry
from protocol.pouch.pouch_file import SERVER
from protocol.pouch.pouch_items import EntryItem
from protocol.transcript.check import FaultKind
from store import outbox, sync_findings
from store.database.engine import Store
from store.outbox import OutboxKind
from store.sync_findings import FindingKind
from stored_mailbox.appending import store_entry
from sync.items import entry_item
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source
from tests.planted import finds_the_fault
from tests.stores import as_operator
from tests.sync.desks import an_adviser
from tests.sync.ends import Ends, Workstation, all_of, at
from tests.sync.test_edges import down
from tests.sync.test_exchange import cleans_up


def execute(ends: Ends, store: Store, statement: str, **values: object) -> None:
    """Run SQL on a store, without our own checks."""
    World(ends.world.config, ends.world.keyring, ends.world.letterhead, store).execute(statement, **values)


def puts_header(ends: Ends, store: Store, entry: SignedEntry, header: bytes | None) -> None:
    statement = "UPDATE sealed SET header = :header WHERE id = (SELECT id FROM entry WHERE digest = :digest)"
    execute(ends, store, statement, header=header, digest=entry.digest)


def item_of(entry: SignedEntry, **changes: bytes) -> EntryItem:
    """Return the item of an entry without files, as a dishonest server may change it."""
    fields = {"header": entry.header or b"", "payload": entry.payload or b"", **changes}
    return EntryItem(entry.envelope.to_bytes(), entry.signature, entry.epoch, **fields, attachment_ids=())


def flipped(header: bytes | None) -> bytes:
    assert header is not None
    return header[:-1] + bytes([header[-1] ^ 1])


def faults_of(source: ASource) -> set[FaultKind]:
    return {fault.kind for fault in source.reads().transcript.faults}


def is_readable(source: ASource, entry: SignedEntry) -> bool:
    stored = source.reads().transcript.authentic[entry.digest]
    try:
        return bool(open_entry(stored, [source.keys.identity]).text)
    except CryptoError:
        return False


@pytest.fixture
def source(ends: Ends) -> ASource:
    return a_source(ends.world)


@pytest.fixture
def workstation(ends: Ends) -> Workstation:
    made = ends.workstation()

    def opens(entry: SignedEntry) -> bool:
        try:
            open_entry(entry, made.keyring.identities)
        except CryptoError:
            return False
        return True

    return replace(made, endpoint=replace(made.endpoint, opens=opens))


# ---- an age header, which no signature covers ----------------------------------------------------------


@pytest.mark.parametrize("file", [None, ("a.pdf", b"a file")], ids=["words", "with a file"])
def test_a_header_that_was_flipped_during_one_sync_and_put_back_is_healed_by_the_whole_check(
    ends: Ends, source: ASource, file: tuple[str, bytes] | None
) -> None:
    """The adviser cannot answer what they cannot read, so no entry of the desk asks for the header."""
    adviser = an_adviser(ends)
    entry = source.writes("hello", file=file)
    puts_header(ends, ends.world.store, entry, flipped(entry.header))
    adviser.syncs()
    check_whole_store(adviser.desk, TODAY)
    adviser.syncs()  # the server has only the flipped header, so it is not asked again until the next check
    puts_header(ends, ends.world.store, entry, entry.header)
    adviser.opens(source)
    adviser.syncs()
    assert [fault.kind for fault in adviser.reads(source).faults] == ["unreadable"]
    check_whole_store(adviser.desk, TODAY.replace(day=TODAY.day + 1))

    adviser.syncs()

    assert adviser.sees(source) == ["hello"]
    assert all_of(adviser.store) == all_of(ends.world.store)


def test_a_planted_fault_is_found_a_replica_keeps_a_header_that_does_not_open(
    ends: Ends, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_item, "_is_better", lambda *_: False)
    with finds_the_fault():
        test_a_header_that_was_flipped_during_one_sync_and_put_back_is_healed_by_the_whole_check(
            ends, source, None
        )


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sealed SET header = zeroblob(9) WHERE id = (SELECT id FROM entry WHERE digest = :digest)",
        "UPDATE sealed SET payload = zeroblob(9) WHERE id = (SELECT id FROM entry WHERE digest = :digest)",
        "UPDATE entry SET envelope = x'00' WHERE digest = :digest",
        "UPDATE entry SET signature = zeroblob(64) WHERE digest = :digest",
        "UPDATE entry SET number = 7 WHERE digest = :digest",
    ],
)
def test_an_entry_that_was_damaged_in_the_replica_is_healed_by_the_whole_check(
    ends: Ends, source: ASource, damage: str
) -> None:
    """Without an answer: most of these faults forbid to write one."""
    adviser = an_adviser(ends)
    entry = source.writes("hello", file=("a.pdf", b"a file"))
    adviser.syncs()
    execute(ends, adviser.store, damage, digest=entry.digest)
    check_whole_store(adviser.desk, TODAY)

    adviser.syncs()

    assert adviser.sees(source) == ["hello"]
    assert all_of(adviser.store) == all_of(ends.world.store)


def test_a_dishonest_server_cannot_replace_a_header_that_opens(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    entry = source.writes("hello")
    ends.sync(workstation)

    assert down(ends, workstation, item_of(entry, header=flipped(entry.header))) == 0

    assert is_readable(at(ends, workstation, source), entry)


def test_a_header_that_does_not_open_replaces_no_other_that_does_not(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    entry = source.writes("hello")
    ends.sync(workstation)
    broken = flipped(entry.header)
    puts_header(ends, workstation.replica, entry, broken)

    assert down(ends, workstation, item_of(entry, header=broken[1:])) == 0
    assert down(ends, workstation, item_of(entry)) == 1

    assert is_readable(at(ends, workstation, source), entry)


def test_a_header_that_someone_changes_on_a_workstation_during_a_sync_does_not_open_at_the_server(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    """Not stopped: no signature covers the header, and the server has no key to open it."""
    source.writes("hello")
    ends.sync(workstation)
    entry = at(ends, workstation, source).is_told(Content(kind=Kind.MESSAGE, text="an answer"))
    puts_header(ends, workstation.replica, entry, flipped(entry.header))
    ends.sync(workstation)
    puts_header(ends, workstation.replica, entry, entry.header)

    ends.sync(workstation)

    assert is_readable(at(ends, workstation, source), entry)
    assert not is_readable(source, entry)


# ---- rows that the server lost -------------------------------------------------------------------------


_LOSSES = {
    "row": "DELETE FROM entry WHERE digest = :digest",
    "ciphertext": "DELETE FROM sealed WHERE id = (SELECT id FROM entry WHERE digest = :digest)",
    "header": "UPDATE sealed SET header = NULL WHERE id = (SELECT id FROM entry WHERE digest = :digest)",
    "envelope": "UPDATE entry SET envelope = x'00' WHERE digest = :digest",
    "digest": "UPDATE entry SET digest = zeroblob(32) WHERE digest = :digest",
}


@pytest.mark.parametrize("loss", _LOSSES)
@pytest.mark.parametrize("file", [None, ("a.pdf", b"a file")], ids=["words", "with a file"])
def test_what_the_server_lost_is_given_back(
    ends: Ends, source: ASource, workstation: Workstation, loss: str, file: tuple[str, bytes] | None
) -> None:
    lost = source.writes("hello", file=file)
    source.writes("a second message")
    ends.sync(workstation)
    kept = all_of(workstation.replica)
    execute(ends, ends.world.store, _LOSSES[loss], digest=lost.digest)

    at(ends, workstation, source).is_looked_at()
    ends.sync(workstation)

    assert kept["entry"] < all_of(ends.world.store)["entry"]
    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert faults_of(source) == set()


def test_what_the_server_lost_is_given_back_when_the_source_writes_again(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    lost = source.writes("hello")
    source.writes("a second message")
    ends.sync(workstation)
    execute(ends, ends.world.store, _LOSSES["row"], digest=lost.digest)

    source.writes("a third message")
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert faults_of(source) == set()
    with workstation.replica.reading() as session:
        (finding,) = sync_findings.all_findings(session)
    assert (finding.digest, finding.kind) == (lost.digest, FindingKind.DAMAGED)


def test_what_a_workstation_lost_is_given_back(ends: Ends, source: ASource, workstation: Workstation) -> None:
    lost = source.writes("hello", file=("a.pdf", b"a file"))
    source.writes("a second message")
    ends.sync(workstation)
    execute(ends, workstation.replica, _LOSSES["row"], digest=lost.digest)

    at(ends, workstation, source).is_looked_at()
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_what_both_lost_is_reported_and_stops_nothing(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    lost = source.writes("hello")
    source.writes("a second message")
    ends.sync(workstation)
    for store in (ends.world.store, workstation.replica):
        execute(ends, store, _LOSSES["row"], digest=lost.digest)
    at(ends, workstation, source).is_looked_at()

    ends.sync(workstation)
    assert ends.questions < 5

    assert faults_of(source) == {FaultKind.MISSING}
    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert ends.left(workstation.replica, ends.server.name) == 0


def test_a_row_hidden_from_a_workstation_that_never_had_it_arrives_when_it_is_put_back(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    """Attack: an operator hides a row while a workstation syncs, so the workstation sees that it is
    missing.
    """
    hidden = source.writes("hello")
    source.writes("a second message")
    execute(
        ends,
        ends.world.store,
        "UPDATE entry SET address = zeroblob(20) WHERE digest = :digest",
        digest=hidden.digest,
    )
    ends.sync(workstation)
    here = at(ends, workstation, source)
    assert faults_of(here) == {FaultKind.MISSING}
    execute(
        ends,
        ends.world.store,
        "UPDATE entry SET address = :address WHERE digest = :digest",
        address=source.keys.address,
        digest=hidden.digest,
    )

    here.is_looked_at()
    ends.sync(workstation)

    assert faults_of(here) == set()
    assert all_of(workstation.replica) == all_of(ends.world.store)


# ---- files, and whole mailboxes ------------------------------------------------------------------------


def test_what_was_damaged_during_one_sync_and_put_back_arrives_in_the_next(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    """The newest message and the proof of an ended mailbox: no later entry names them."""
    leaving = a_source(ends.world)
    leaving.writes("hello")
    ends.sync(workstation)
    source.writes("the newest message")
    leaving.ends()
    kept = all_of(ends.world.store)
    ((_, proof, _),), ((*_, envelope, _, _, _, _, _),) = kept["ended"], kept["entry"]
    execute(ends, ends.world.store, "UPDATE entry SET envelope = x'00'")
    execute(ends, ends.world.store, "UPDATE ended_mailbox SET proof = x'00'")
    for _ in range(2):
        ends.sync(workstation)
        cleans_up(ends)
    execute(ends, ends.world.store, "UPDATE entry SET envelope = :value", value=envelope)
    execute(ends, ends.world.store, "UPDATE ended_mailbox SET proof = :value", value=proof)

    ends.sync(workstation)

    assert all_of(workstation.replica) == kept
    assert ends.questions < 3


@pytest.mark.parametrize(
    "loss", ["", " AND attachment_id = (SELECT attachment_id FROM attachment ORDER BY attachment_id LIMIT 1)"]
)
def test_a_file_of_the_desk_that_the_server_lost_is_given_back(
    ends: Ends, source: ASource, workstation: Workstation, loss: str
) -> None:
    source.writes("hello")
    ends.sync(workstation)
    here = at(ends, workstation, source)
    here.answers_with_file("proposal.pdf", b"a proposal")
    ends.sync(workstation)
    execute(
        ends,
        ends.world.store,
        "DELETE FROM chunk WHERE attachment_row IN (SELECT id FROM attachment WHERE TRUE" + loss + ")",  # noqa: S608
    )
    execute(ends, ends.world.store, "DELETE FROM attachment WHERE TRUE " + loss)  # noqa: S608

    source.writes("I cannot open your file")
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    with workstation.replica.reading() as session:
        assert [each.kind for each in sync_findings.all_findings(session)] == [FindingKind.DAMAGED]


@pytest.mark.parametrize(
    ("edit", "undo"),
    [
        ("UPDATE attachment SET chunks = 1", "UPDATE attachment SET chunks = 2"),
        ("UPDATE chunk SET number = 5 WHERE number = 1", "UPDATE chunk SET number = 1 WHERE number = 5"),
        ("UPDATE attachment SET entry_id = zeroblob(16)", "UPDATE attachment SET entry_id = :entry_id"),
    ],
)
def test_a_file_that_was_changed_during_one_sync_and_put_back_is_healed_by_the_whole_check(
    ends: Ends, edit: str, undo: str
) -> None:
    adviser = an_adviser(ends)
    source = a_source(ends.world)
    words = source.writes("with a file", file=("a.pdf", os.urandom(1_500_000)))
    execute(ends, ends.world.store, edit)
    adviser.syncs()
    execute(ends, ends.world.store, undo, **({"entry_id": words.envelope.entry_id} if ":" in undo else {}))
    check_whole_store(adviser.desk, TODAY)

    adviser.syncs()

    assert all_of(adviser.store)["file"] == all_of(ends.world.store)["file"]
    assert all_of(adviser.store)["chunk"] == all_of(ends.world.store)["chunk"]


def file_headers(store: Store) -> list[bytes]:
    query = "SELECT header FROM sealed WHERE id IN (SELECT id FROM attachment) ORDER BY header"
    with as_operator(store) as operator:
        return [header for (header,) in operator.execute(query)]


def puts_file_header(ends: Ends, store: Store, header: bytes | None) -> None:
    statement = "UPDATE sealed SET header = :header WHERE id IN (SELECT id FROM attachment)"
    execute(ends, store, statement, header=header)


@pytest.mark.parametrize("where", ["at the server, during one sync", "in the replica"])
def test_a_file_whose_age_header_was_flipped_is_healed_by_the_whole_check(ends: Ends, where: str) -> None:
    adviser = an_adviser(ends)
    source = a_source(ends.world)
    source.writes("with a file", file=("a.pdf", os.urandom(1_500_000)))
    (header,) = file_headers(ends.world.store)
    if where == "in the replica":
        adviser.syncs()
        puts_file_header(ends, adviser.store, flipped(header))
    else:
        puts_file_header(ends, ends.world.store, flipped(header))
        adviser.syncs()
        puts_file_header(ends, ends.world.store, header)
    assert [flipped(header)] == file_headers(adviser.store)
    check_whole_store(adviser.desk, TODAY)

    adviser.syncs()

    assert [header] == file_headers(adviser.store)
    assert all_of(adviser.store) == all_of(ends.world.store)


def test_a_file_that_the_server_has_damaged_for_good_is_not_received_each_day(ends: Ends) -> None:
    """The check of the whole store finds the damage each day, and the server always sends the whole file."""
    adviser = an_adviser(ends)
    source = a_source(ends.world)
    entry = source.writes("with a file", file=("a.pdf", b"a file"))
    (header,) = file_headers(ends.world.store)
    puts_file_header(ends, ends.world.store, flipped(header))
    puts_header(ends, ends.world.store, entry, flipped(entry.header))
    adviser.syncs()
    days = []
    for day in range(28):
        check_whole_store(adviser.desk, TODAY + timedelta(days=day))
        if ends.left(adviser.store, SERVER):
            days.append(day)
        execute(ends, adviser.store, "DELETE FROM outbox")
        if day == 2:  # also after the workstation was locked
            adviser.desk = unlocking.unlock_desk(adviser.desk.config, adviser.store, PASSPHRASE)
    assert TODAY.weekday() == 0
    assert days == [0, 7, 14, 21]  # from a Monday on
    puts_file_header(ends, ends.world.store, header)
    check_whole_store(adviser.desk, TODAY + timedelta(days=28))

    adviser.syncs()

    assert [header] == file_headers(adviser.store)


def test_a_dishonest_server_cannot_replace_the_header_of_a_file_that_opens(ends: Ends) -> None:
    adviser = an_adviser(ends)
    source = a_source(ends.world)
    entry = source.writes("with a file", file=("a.pdf", b"a file"))
    adviser.syncs()
    (header,) = file_headers(ends.world.store)
    puts_file_header(ends, ends.world.store, flipped(header))
    with ends.world.store.writing() as session:  # send it once more
        outbox.enqueue(session, OutboxKind.ENTRY, address=source.keys.address, name=entry.digest)

    adviser.syncs()

    assert [header] == file_headers(adviser.store)


def test_a_mailbox_that_the_server_lost_is_given_back(ends: Ends) -> None:
    adviser = an_adviser(ends)
    source = a_source(ends.world)
    source.writes("a question", file=("a.pdf", b"a file"))
    adviser.syncs()
    adviser.answers(source, "a first answer")
    adviser.syncs()
    for table in ("chunk", "attachment", "mailbox_tally", "entry", "outbox", "mailbox"):
        execute(ends, ends.world.store, f"DELETE FROM {table}")  # noqa: S608  # no value of others

    adviser.answers(source, "an important answer")
    adviser.syncs()

    kept = all_of(adviser.store)
    there = all_of(ends.world.store)
    assert all(kept[what] == there[what] for what in ("entry", "file", "chunk"))
    assert faults_of(source) == set()
    with adviser.store.reading() as session:
        assert {each.kind for each in sync_findings.all_findings(session)} == {FindingKind.DAMAGED}


# ---- a removal stays a removal -------------------------------------------------------------------------


def test_a_removed_entry_that_is_restored_with_its_header_does_not_reach_a_workstation(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    entry = source.writes("hello")
    ends.sync(workstation)
    source.removes(entry)
    ends.sync(workstation)

    assert down(ends, workstation, item_of(entry)) == 0

    stored = at(ends, workstation, source).reads()
    assert {row.header for row, _ in stored.rows} == {None}
    assert stored.transcript.faults == ()


def test_a_removed_entry_that_arrives_after_its_removal_has_no_content(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    source.writes("first")
    ends.sync(workstation)
    entry = source.writes("hello")
    removal = source.removes(entry)
    assert down(ends, workstation, item_of(removal)) == 1
    assert down(ends, workstation, item_of(entry)) == 1

    stored = at(ends, workstation, source).reads()
    assert [row.header for row, _ in stored.rows if row.digest == entry.digest] == [None]


def test_a_removal_that_the_server_drops_is_given_back_and_destroys_again(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    """After some entry has named the removal, the loss shows, and a workstation with a copy sends it."""
    entry = source.writes("hello", file=("a.pdf", b"a file"))
    ends.sync(workstation)
    removal = source.removes(entry)
    ends.sync(workstation)
    at(ends, workstation, source).is_looked_at()  # its receipt names the removal
    ends.sync(workstation)
    execute(ends, ends.world.store, _LOSSES["row"], digest=removal.digest)
    execute(ends, ends.world.store, _LOSSES["row"], digest=entry.digest)
    with ends.world.store.writing() as session:
        store_entry(session, entry)  # as an operator who kept a copy can do

    source.looks()
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert {row.header for row, _ in source.reads().rows} == {None}


def test_the_encrypted_part_of_an_entry_that_waits_for_the_clean_up_does_not_travel(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    source.removes(source.writes("hello", file=("a.pdf", b"a file")))

    ends.sync(workstation)

    with workstation.replica.reading() as session:
        assert sync_findings.all_findings(session) == []
    assert {row.payload for row, _ in at(ends, workstation, source).reads().rows} == {None}


# ---- a fork, and what only looks like one --------------------------------------------------------------


def test_a_row_that_only_looks_like_a_fork_does_not_stop_a_workstation(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    """An operator writes a row with the number of the workstation's next entry, to stop its sync for good."""
    said = source.writes("hello")
    ends.sync(workstation)
    answer = at(ends, workstation, source).is_answered("an answer")
    execute(
        ends,
        ends.world.store,
        "INSERT INTO entry SELECT id + 1, address, 1, :strand, 1, entry_id, zeroblob(32), :envelope,"
        " signature, epoch, day FROM entry WHERE digest = :digest",
        strand=workstation.endpoint.name,
        envelope=replace(answer.envelope, letterhead_serial=99).to_bytes(),
        digest=said.digest,
    )

    ends.sync(workstation)

    held = {row[6] for row in all_of(ends.world.store)["entry"]}
    assert answer.envelope.to_bytes() in held
