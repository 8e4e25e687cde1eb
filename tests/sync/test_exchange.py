"""After a sync both ends have everything that was new, and concurrent changes are merged."""

import os
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from protocol.pouch.pouch_items import Item
from protocol.statements import removal
from protocol.statements.deletion_order import sign_order
from protocol.strand import DeskWriter
from store import (
    attachments,
    deletion_orders,
    entries,
    letterheads,
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
from tests.store.factories import all_tallies
from tests.sync.ends import Ends, Workstation, all_of, at

TALLIES = tuple(bytes([n]) * 40 for n in range(8))


def heads_of(store: Store, address: bytes) -> dict[bytes, tuple[int, bytes]]:
    with store.reading() as session:
        return {head.strand: (head.number, head.digest) for head in entries.strand_heads(session, address)}


def waits_since(store: Store, source: ASource) -> date | None:
    with store.reading() as session:
        mailbox = mailboxes.find(session, source.keys.address)
    assert mailbox is not None
    return mailbox.waiting_since


def record_of(store: Store, name: bytes) -> records.Record | None:
    with store.reading() as session:
        return records.find(session, "casefile", name)


def an_order(ends: Ends, workstation: Workstation, source: ASource, due: date) -> bytes:
    strand = workstation.keyring.strand
    return sign_order(
        source.keys.address,
        heads_of(workstation.replica, source.keys.address),
        due=due,
        tallies=TALLIES,
        by=DeskWriter(strand.id, strand.seed),
        day=ends.clock.day,
    )


def put_order(ends: Ends, workstation: Workstation, source: ASource, due: date) -> None:
    statement = an_order(ends, workstation, source, due)
    with workstation.replica.writing() as session:
        deletion_orders.put(session, source.keys.address, statement, due, TALLIES)


def count(store: Store, source: ASource, tallies: tuple[bytes, ...] = TALLIES) -> None:
    with store.writing() as session:
        mailboxes.mark_ending_counted(session, source.keys.address, tallies=tallies)


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
    assert (again.rounds, again.received, again.server_was_restored) == (1, 0, False)
    assert ends.left(ends.world.store, workstation.keyring.strand.id) == 0


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
        gone = entries.find(session, source.keys.address, first.envelope.entry_id)
    assert gone is not None
    assert (gone.header, gone.removal is not None) == (None, True)


def test_an_entry_removed_before_the_sync_arrives_as_a_tombstone(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.removes(source.writes("hello", file=("a.pdf", b"file")))

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_removal_at_either_end_reaches_the_other(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    said = source.writes("hello")
    ends.sync(workstation)
    here = at(ends, workstation, source)
    answered = here.is_answered("an answer")
    ends.sync(workstation)

    source.removes(said)
    strand = workstation.keyring.strand
    statement = removal.sign_removal(
        answered.digest, address=source.keys.address, by=DeskWriter(strand.id, strand.seed), day=TODAY
    )
    with workstation.replica.writing() as session:
        entries.remove_entry(session, source.keys.address, answered.envelope.entry_id, removal=statement)
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    with ends.world.store.reading() as session:
        left = entries.of_mailbox(session, source.keys.address)
    assert [entry.header for entry in left] == [None, None]


# ---- endings, orders, the ledger ----------------------------------------------------------------------


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


def test_an_order_and_its_withdrawal_reach_the_server(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    put_order(ends, workstation, source, TODAY + timedelta(days=90))

    ends.sync(workstation)
    ordered = all_of(ends.world.store)["order"]
    with workstation.replica.writing() as session:
        deletion_orders.drop(session, source.keys.address)
    ends.sync(workstation)

    assert len(ordered) == 1
    assert all_of(ends.world.store)["order"] == set()


def test_a_mailbox_deleted_by_order_leaves_tallies_at_both_ends(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    workstation.writes_record(source.keys.address)
    put_order(ends, workstation, source, TODAY)
    ends.sync(workstation)
    with ends.world.store.writing() as session:
        found = deletion_orders.find(session, source.keys.address)
        assert found is not None
        mailboxes.purge_mailbox(
            session, source.keys.address, statement=found.statement, day=TODAY, tallies=found.tallies
        )

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert record_of(workstation.replica, source.keys.address) is None
    with workstation.replica.reading() as session:
        assert ledger.count(session) == len(TALLIES)


def test_two_workstations_count_an_ended_mailbox_once(ends: Ends) -> None:
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    source = a_source(ends.world)
    source.writes("hello")
    source.ends()
    ends.sync(first)
    ends.sync(second)
    count(first.replica, source)
    count(second.replica, source, tuple(bytes([n + 100]) * 40 for n in range(8)))

    for workstation in (first, second, first, second):
        ends.sync(workstation)

    assert all_of(first.replica) == all_of(second.replica) == all_of(ends.world.store)
    with ends.world.store.reading() as session:
        assert sorted(all_tallies(session)) == sorted(TALLIES)
        assert mailboxes.ended_mailboxes(session) == []


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

    ends.sync(second)

    with second.replica.reading() as session:
        assert [line.is_counted for line in mailboxes.ended_mailboxes(session)] == [True]
        assert ledger.count(session) == len(TALLIES)
    ends.sync(second)
    with ends.world.store.reading() as session:
        assert mailboxes.ended_mailboxes(session) == []


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
    up = ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert up.rounds >= 3
    with ends.world.store.reading() as session:
        assert attachments.uploads_from_peer(session, workstation.keyring.strand.id) == []


def test_a_pouch_has_no_more_small_items_than_fit(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.build.TARGET_BYTES", 10_000)
    workstation = ends.workstation()
    for number in range(10):
        workstation.writes_record(bytes([number]), "x" * 4000)

    synced = ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert synced.rounds >= 3


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


def test_an_entry_that_was_changed_at_the_server_is_reported_and_stops_nothing(ends: Ends) -> None:
    workstation = ends.workstation()
    source, other = a_source(ends.world), a_source(ends.world)
    damaged = source.writes("hello")
    source.writes("the second is whole")
    other.writes("so is this")
    ends.world.execute(
        "UPDATE sealed SET payload = zeroblob(length(payload)) WHERE id ="
        " (SELECT id FROM entry WHERE entry_id = :entry_id)",
        entry_id=damaged.envelope.entry_id,
    )

    ends.sync(workstation)

    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]
    with workstation.replica.reading() as session:
        assert [row.number for row in entries.of_mailbox(session, source.keys.address)] == [2]
        assert len(entries.of_mailbox(session, other.keys.address)) == 1


def test_a_finding_goes_when_the_server_is_repaired(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    whole = source.writes("hello")
    ends.world.execute("UPDATE entry SET signature = zeroblob(64)")
    ends.sync(workstation)
    ends.world.execute("UPDATE entry SET signature = :signature", signature=whole.signature)
    with ends.world.store.writing() as session:
        outbox.enqueue(session, OutboxKind.ENTRY, address=source.keys.address, name=whole.envelope.entry_id)

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
        "UPDATE entry SET removal = x'00'",
        "UPDATE entry SET address = address, entry_id = zeroblob(16)",
    ],
)
def test_changes_in_the_servers_tables_do_not_stop_a_sync(ends: Ends, statement: str) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.world.execute(statement)

    ends.sync(workstation)

    assert {kind for _, kind in found_at(workstation)} <= {FindingKind.DAMAGED}
    assert all_of(workstation.replica)["entry"] == set()


def test_false_endings_and_orders_in_the_servers_tables_end_nothing(ends: Ends) -> None:
    workstation = ends.workstation()
    source, other = a_source(ends.world), a_source(ends.world)
    source.writes("hello")
    other.writes("hello")
    ends.sync(workstation)
    with ends.world.store.writing() as session:
        deletion_orders.put(session, other.keys.address, b"a false order", TODAY, ())
    source.ends(forged_by=other.keys)

    ends.sync(workstation)

    assert sorted(found_at(workstation)) == sorted(
        [(source.keys.address, FindingKind.DAMAGED), (other.keys.address, FindingKind.DAMAGED)]
    )
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
