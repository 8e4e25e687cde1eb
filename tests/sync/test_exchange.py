"""After a sync, both ends have everything that was new, and concurrent changes are merged."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from deploy.sweeping.retention import apply_retention, forget_known
from protocol.pouch.pouch_file import SERVER
from protocol.pouch.pouch_items import Item
from protocol.strand import check_signature
from store import (
    attachments,
    entries,
    letterheads,
    mailbox_tallies,
    mailboxes,
    outbox,
    peers,
    public_files,
    records,
    sync_findings,
)
from store import ledger_tallies as ledger
from store.database.engine import Store
from store.outbox import OutboxKind
from store.sync_findings import FindingKind
from sync import apply
from sync.items.contexts import ApplyContext
from tests.journalist_app.desk_factories import TODAY, ASource, a_source
from tests.sync.ends import Ends, Workstation, all_of, all_tallies, at

pytestmark = [pytest.mark.usefixtures("_on_database"), pytest.mark.databases("sqlite", "postgresql_sync")]


TALLIES = tuple(bytes([n]) * 40 for n in range(8))


def waits_since(store: Store, source: ASource) -> date | None:
    with store.reading() as session:
        mailbox = mailboxes.find(session, source.keys.address)
    assert mailbox is not None
    return mailbox.waiting_since


def record_of(store: Store, name: bytes) -> records.Record | None:
    with store.reading() as session:
        return records.find(session, "casefile", name)


def put_tallies(store: Store, source: ASource, tallies: tuple[bytes, ...] = TALLIES) -> None:
    """Put a set of tallies beside a mailbox, as the desk does when it closes the mailbox."""
    with store.writing() as session:
        mailbox_tallies.put(session, source.keys.address, tallies)


def cleans_up(ends: Ends) -> int:
    """Clean up the server, and return how many mailboxes it deleted because the desk had closed them."""
    letterhead = ends.newest_letterhead(ends.world.store)
    purged = apply_retention(ends.world.store, letterhead, ends.clock.day).purged
    forget_known(ends.world.store, letterhead, ends.clock.day)
    return purged


def count(store: Store, source: ASource, tallies: tuple[bytes, ...] = TALLIES) -> None:
    with store.writing() as session:
        ledger.add(session, tallies)
        mailboxes.drop_ended(session, source.keys.address, [SERVER])


# ---- entries -----------------------------------------------------------------------------------------


def test_a_sources_entries_arrive_at_the_workstation_once(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello", file=("photo.jpg", os.urandom(3_000_000)))
    source.writes("and again")
    a_source(ends.world).writes("another")

    ends.sync(workstation)
    again = ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert (ends.questions, again.received, ends.notes_restored_server(workstation)) == (1, 0, False)
    assert ends.left(ends.world.store, workstation.keyring.strand.id) == 0


def test_each_end_verifies_the_signature_of_an_entry_once(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = a_source(ends.world)
    for _ in range(3):
        source.writes("vraag")
        source.is_answered("antwoord")
    workstation = ends.workstation()
    verified: list[bytes] = []

    def counting(key: bytes, message: bytes, signature: bytes) -> None:
        verified.append(signature)
        check_signature(key, message, signature)

    for module in ("protocol.entry", "protocol.transcript.check"):
        monkeypatch.setattr(f"{module}.check_signature", counting)

    ends.sync(workstation)

    assert Counter(Counter(verified).values()) == {2: 6}  # when the entry is packed, and when it is applied


@pytest.mark.databases("sqlite")  # looks into the file
def test_a_pouch_is_on_disk_before_it_is_acknowledged(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    workstation = ends.workstation()
    a_source(ends.world).writes("hello", file=("photo.jpg", os.urandom(3_000)))
    levels: list[int] = []
    note = peers.mark_applied

    def noted(session: Session, name: bytes, serial: int, day: date) -> None:
        levels.append(session.execute(text("PRAGMA synchronous")).scalar_one())
        note(session, name, serial, day)

    monkeypatch.setattr(peers, "mark_applied", noted)
    ends.sync(workstation)
    assert levels
    assert set(levels) == {2}  # FULL: this commit, and with it every one before it, is synced


@pytest.mark.databases("sqlite")  # looks into the file
def test_a_power_cut_after_sending_half_a_mailbox_loses_no_entry(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that a pouch leaves out are unmarked on the disk before the pouch is complete.

    If they stayed marked after a power cut, the peer's confirmation of this pouch would delete them unsent.
    """
    workstation = ends.workstation()
    source = a_source(ends.world)
    for name in ("one.bin", "two.bin"):
        source.writes("hello", file=(name, os.urandom(3_000_000)))
    levels: list[int] = []
    unmark = outbox.unmark_packed

    def noted(session: Session, rows: Iterable[int]) -> None:
        levels.append(session.execute(text("PRAGMA synchronous")).scalar_one())
        unmark(session, rows)

    monkeypatch.setattr(outbox, "unmark_packed", noted)
    ends.sync(workstation)

    assert levels
    assert set(levels) == {2}  # FULL


def test_an_empty_mailbox_stays_at_the_server(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)

    ends.sync(workstation)

    with workstation.replica.reading() as session:
        assert mailboxes.find(session, source.keys.address) is None


def test_an_answer_with_a_file_arrives_at_the_server(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    at(ends, workstation, source).answers_with_file("an answer", b"with a file")

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert waits_since(ends.world.store, source) is None


def test_an_answer_that_crossed_a_message_leaves_it_waiting(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    at(ends, workstation, source).is_answered("an answer to the first")
    source.writes("one thing more")

    ends.sync(workstation)

    assert waits_since(workstation.replica, source) == TODAY
    assert waits_since(ends.world.store, source) == TODAY


def test_an_answer_after_a_read_receipt_of_the_source_still_counts(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    at(ends, workstation, source).is_answered("an answer")
    source.looks()

    ends.sync(workstation)

    assert waits_since(workstation.replica, source) is None
    assert waits_since(ends.world.store, source) is None


def test_a_read_receipt_of_the_desk_is_not_an_answer(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    at(ends, workstation, source).is_looked_at()

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert waits_since(ends.world.store, source) == TODAY


def test_a_removal_by_the_source_reaches_the_workstation(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    first = source.writes("hello", file=("a.pdf", b"file"))
    source.writes("stays")
    ends.sync(workstation)
    source.removes(first)

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    with workstation.replica.reading() as session:
        gone = entries.find_digest(session, source.keys.address, first.digest)
    assert gone is not None
    assert gone.header is None
    assert at(ends, workstation, source).reads().transcript.removed.keys() == {first.digest}


def test_an_entry_removed_before_the_sync_arrives_without_its_encrypted_part(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.removes(source.writes("hello", file=("a.pdf", b"file")))

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


# ---- endings, closings, the ledger --------------------------------------------------------------------


def test_a_mailbox_that_its_source_ended_ends_at_the_workstation(ends: Ends) -> None:
    workstation = ends.workstation()
    source, unseen = a_source(ends.world), a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    unseen.writes("never read")
    unseen.ends()
    source.ends()

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    with workstation.replica.reading() as session:
        assert mailboxes.find(session, source.keys.address) is None
        assert len(mailboxes.ended_mailboxes(session)) == 2


def test_an_answer_to_a_mailbox_that_has_ended_is_dropped(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    at(ends, workstation, source).answers_with_file("too late", b"a file")
    source.ends()

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert all_of(ends.world.store)["mailbox"] == set()


def test_tallies_and_their_withdrawal_reach_the_server(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    put_tallies(workstation.replica, source)

    ends.sync(workstation)
    beside = all_of(ends.world.store)["beside"]
    put_tallies(workstation.replica, source, ())
    ends.sync(workstation)

    assert beside == {(source.keys.address, tally) for tally in TALLIES}
    assert all_of(ends.world.store)["beside"] == set()


def test_a_mailbox_that_the_desk_closed_is_deleted_and_leaves_tallies_at_both_ends(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    workstation.writes_record(source.keys.address)
    put_tallies(workstation.replica, source)
    at(ends, workstation, source).is_closed(due=TODAY)
    ends.sync(workstation)
    assert cleans_up(ends) == 1

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert all_of(workstation.replica)["mailbox"] == set()
    assert record_of(workstation.replica, source.keys.address) is None
    with workstation.replica.reading() as session:
        assert len(ledger.tally_ids(session)) == len(TALLIES)


def test_two_workstations_may_count_an_ended_mailbox_at_once(ends: Ends) -> None:
    """Both sets reach every ledger. Of tallies with one id, a report counts one: see tests/protocol."""
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    source = a_source(ends.world)
    source.writes("hello")
    source.ends()
    ends.sync(first)
    ends.sync(second)
    others = tuple(bytes([n + 100]) * 40 for n in range(8))
    count(first.replica, source)
    count(second.replica, source, others)

    for workstation in (first, second, first, second):
        ends.sync(workstation)
    ends.clock.day += timedelta(days=30)
    cleans_up(ends)

    assert all_of(first.replica) == all_of(second.replica) == all_of(ends.world.store)
    assert sorted(all_tallies(ends.world.store)) == sorted((*TALLIES, *others))
    assert all_of(ends.world.store)["ended"] == set()


def test_a_workstation_that_syncs_late_still_receives_an_ending(ends: Ends) -> None:
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(first)
    ends.sync(second)
    source.ends()
    ends.sync(first)
    count(first.replica, source)
    ends.sync(first)
    cleans_up(ends)

    ends.sync(second)

    with second.replica.reading() as session:
        assert [line.address for line in mailboxes.ended_mailboxes(session)] == [source.keys.address]
        assert len(ledger.tally_ids(session)) == len(TALLIES)
    assert len(all_of(ends.world.store)["ended"]) == 1
    ends.sync(second)
    ends.clock.day += timedelta(days=30)
    cleans_up(ends)
    assert all_of(ends.world.store)["ended"] == set()


# ---- records, letterheads, reports --------------------------------------------------------------------


def test_records_go_to_the_server_and_to_the_other_workstation(ends: Ends) -> None:
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    first.writes_record(b"name", "first")
    with first.replica.writing() as session:
        records.put(session, "draft", b"name", 1, b"a draft", goes_to_peers=False)
    ends.sync(first)
    ends.sync(second)
    second.writes_record(b"name", "second")
    ends.sync(second)
    ends.sync(first)

    assert all_of(first.replica) == all_of(second.replica) == all_of(ends.world.store)
    assert first.reads_record(b"name") == "second"
    with ends.world.store.reading() as session:
        assert records.find(session, "draft", b"name") is None


def test_a_record_that_both_changed_is_merged(ends: Ends) -> None:
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    first.writes_record(b"name", "ours")
    second.writes_record(b"name", "theirs")

    for workstation in (first, second, first):
        ends.sync(workstation)

    assert all_of(first.replica) == all_of(second.replica) == all_of(ends.world.store)
    assert first.reads_record(b"name") == "ours\n\n——\n\ntheirs"


def test_a_record_that_both_wrote_alike_changes_nothing(ends: Ends) -> None:
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    first.writes_record(b"name", "the same")
    second.writes_record(b"name", "the same")

    for workstation in (first, second):
        ends.sync(workstation)
    assert second.reads_record(b"name") == "the same"
    second.writes_record(b"name", "changed")
    for workstation in (second, first):
        ends.sync(workstation)

    assert all_of(first.replica) == all_of(second.replica) == all_of(ends.world.store)


def test_a_letterhead_reaches_the_server_and_the_workstation(ends: Ends) -> None:
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    ends.sync(first)
    ends.sync(second)
    ends.says_at(first, answer_working_days=9)

    for workstation in (first, second):
        ends.sync(workstation)

    assert all_of(first.replica) == all_of(second.replica) == all_of(ends.world.store)
    assert ends.newest_letterhead(second.replica).answer_working_days == 9


def test_letterheads_that_two_workstations_signed_at_once_are_merged(ends: Ends) -> None:
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    ends.sync(first)
    ends.sync(second)
    ends.says_at(first, answer_working_days=9)
    ends.says_at(second, confirm_days=3)
    ends.says_at(second, confirm_days=4)

    for workstation in (first, second, first):
        ends.sync(workstation)

    assert all_of(first.replica) == all_of(second.replica) == all_of(ends.world.store)
    newest = ends.newest_letterhead(ends.world.store)
    assert (newest.answer_working_days, newest.confirm_days) == (9, 4)


def test_a_published_report_reaches_the_server(ends: Ends) -> None:
    workstation = ends.workstation()
    with workstation.replica.writing() as session:
        public_files.put(session, "report-2026-nl.html", b"body")

    ends.sync(workstation)
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


# ---- large things, in pieces --------------------------------------------------------------------------


def test_a_large_file_travels_in_many_pouches_both_ways(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.build.TARGET_BYTES", 1_000_000)
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello", file=("large", os.urandom(3_300_000)))
    source.writes("after it")
    ends.sync(workstation)
    at(ends, workstation, source).answers_with_file("large too", os.urandom(2_500_000))
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert ends.questions >= 3
    with ends.world.store.reading() as session:
        assert attachments.uploads_from_peer(session, workstation.keyring.strand.id) == []


def test_a_pouch_has_no_more_small_items_than_fit(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.build.TARGET_BYTES", 10_000)
    workstation = ends.workstation()
    for number in range(10):
        workstation.writes_record(bytes([number]), "x" * 4000)

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert ends.questions >= 3


def test_small_items_are_applied_in_batches(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction for each would take longer than the server waits until its next pouch is read."""
    workstation = ends.workstation()
    for number in range(100):
        name = bytes([number])
        with ends.world.store.writing() as session:
            records.put(
                session, "casefile", name, 1, workstation.seals_record(name, "said"), goes_to_peers=True
            )
            ledger.apply_from_peer(session, bytes([number]))
    apply_batch = apply._apply_batch
    transactions: list[int] = []

    def counted(context: ApplyContext, items: Sequence[Item]) -> int:
        transactions.append(len(items))
        return apply_batch(context, items)

    monkeypatch.setattr(apply, "_apply_batch", counted)

    ends.sync(workstation)

    assert sum(transactions) >= 200
    assert len(transactions) < 20
    assert all_of(workstation.replica) == all_of(ends.world.store)


# ---- faults at the server -------------------------------------------------------------------------


def found_at(workstation: Workstation) -> list[tuple[bytes, FindingKind]]:
    with workstation.replica.reading() as session:
        return [(each.address, each.kind) for each in sync_findings.all_findings(session)]


@pytest.mark.databases("sqlite")  # looks into the file
def test_an_entry_that_was_changed_at_the_server_is_reported_and_stops_nothing(ends: Ends) -> None:
    workstation = ends.workstation()
    source, other = a_source(ends.world), a_source(ends.world)
    damaged = source.writes("hello")
    source.writes("the second is whole")
    other.writes("so is this")
    ends.world.execute(
        "UPDATE sealed SET payload = zeroblob(length(payload)) WHERE id ="
        " (SELECT id FROM entry WHERE digest = :digest)",
        digest=damaged.digest,
    )

    ends.sync(workstation)

    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]
    with workstation.replica.reading() as session:
        assert [row.number for row in entries.of_mailbox(session, source.keys.address)] == [2]
        assert len(entries.of_mailbox(session, other.keys.address)) == 1


@pytest.mark.databases("sqlite")  # looks into the file
def test_a_finding_goes_when_the_server_is_repaired(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    whole = source.writes("hello")
    ends.world.execute("UPDATE entry SET signature = zeroblob(64)")
    ends.sync(workstation)
    ends.world.execute("UPDATE entry SET signature = :signature", signature=whole.signature)
    with ends.world.store.writing() as session:
        outbox.enqueue(session, OutboxKind.ENTRY, address=source.keys.address, name=whole.digest)

    ends.sync(workstation)

    assert found_at(workstation) == []
    assert all_of(workstation.replica) == all_of(ends.world.store)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mailbox SET verify_key = zeroblob(32)",
        "UPDATE entry SET envelope = x'00'",
        "UPDATE entry SET epoch = -1",
        "UPDATE sealed SET header = zeroblob(100000) WHERE id IN (SELECT id FROM entry)",
        "UPDATE entry SET digest = x'00'",
        "UPDATE entry SET address = address, entry_id = zeroblob(16)",
    ],
)
@pytest.mark.databases("sqlite")  # looks into the file
def test_changes_in_the_servers_tables_do_not_stop_a_sync(ends: Ends, statement: str) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.world.execute(statement)

    ends.sync(workstation)

    assert {kind for _, kind in found_at(workstation)} <= {FindingKind.DAMAGED}
    assert all_of(workstation.replica)["entry"] == set()


def test_a_false_ending_in_the_servers_tables_ends_nothing(ends: Ends) -> None:
    workstation = ends.workstation()
    source, other = a_source(ends.world), a_source(ends.world)
    source.writes("hello")
    other.writes("hello")
    ends.sync(workstation)
    source.ends(forged_by=other.keys)

    ends.sync(workstation)

    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]
    assert len(all_of(workstation.replica)["mailbox"]) == 2


def test_a_forged_letterhead_at_the_server_does_not_travel(ends: Ends) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    with ends.world.store.writing() as session:
        serial = ends.newest_letterhead(ends.world.store).serial
        latest = letterheads.latest(session)
        assert latest is not None
        letterheads.add(session, serial + 1, latest[1], latest[2])
    ends.server_believes(serial)

    ends.sync(workstation)

    assert ends.newest_letterhead(workstation.replica).serial == serial
