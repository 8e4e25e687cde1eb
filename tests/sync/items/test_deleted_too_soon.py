"""Deletions by a server that the desk did not allow: the replica keeps the mailbox."""

from datetime import timedelta

import pytest

from protocol.entry import SignedEntry
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.pouch.pouch_file import PouchHead, PouchWriter, lowest_serial
from protocol.pouch.pouch_items import EndedItem
from protocol.transcript.ending import proof_to_bytes
from store import mailboxes, outbox, peers, records, sync_findings
from store.sync_findings import FindingKind
from sync.apply import apply_pouch
from tests.journalist_app.desk_factories import TODAY, ASource, a_source
from tests.stores import as_operator
from tests.sync.ends import Ends, Workstation, all_of, at, copy_of, restore
from tests.sync.test_exchange import cleans_up, put_tallies


def closes(ends: Ends, workstation: Workstation, source: ASource, *, in_days: int = 0) -> SignedEntry:
    """Close a mailbox at a workstation, and sync this to the server."""
    put_tallies(workstation.replica, source)
    workstation.writes_record(source.keys.address)
    due = ends.clock.day + timedelta(days=in_days)
    closing = at(ends, workstation, source).is_closed(due=due, day=ends.clock.day)
    ends.sync(workstation)
    return closing


def deletes(ends: Ends, source: ASource, *proof: SignedEntry) -> None:
    """Delete a mailbox at the server, as someone who captured the server can do at any moment."""
    with ends.world.store.writing() as session:
        mailboxes.purge_mailbox(session, source.keys.address, proof=proof_to_bytes(proof), day=ends.clock.day)


def is_kept(workstation: Workstation, source: ASource) -> bool:
    with workstation.replica.reading() as session:
        return (
            mailboxes.find(session, source.keys.address) is not None
            and records.find(session, "casefile", source.keys.address) is not None
        )


def found_at(workstation: Workstation) -> list[tuple[bytes, FindingKind]]:
    with workstation.replica.reading() as session:
        return [(each.address, each.kind) for each in sync_findings.all_findings(session)]


@pytest.fixture
def source(ends: Ends) -> ASource:
    made = a_source(ends.world)
    made.writes("hello")
    return made


@pytest.fixture
def workstation(ends: Ends, source: ASource) -> Workstation:
    made = ends.workstation()
    ends.sync(made)
    assert source.reads().transcript.entries
    return made


def test_a_closing_whose_day_has_not_come_deletes_nothing_at_the_workstation(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    deletes(ends, source, closes(ends, workstation, source, in_days=90))

    ends.sync(workstation)

    assert is_kept(workstation, source)
    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]


def test_a_captured_server_that_sends_such_a_closing_is_refused(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    proof = proof_to_bytes([closes(ends, workstation, source, in_days=90)])
    keys = source.keys
    head = PouchHead(
        desk=ends.server.fingerprint,
        sender=ends.server.name,
        receiver=workstation.endpoint.name,
        serial=lowest_serial(ends.clock.half_hour()) + 1000,
        after=0,
        taken=0,
        day=TODAY,
    )
    packer = PouchWriter(head, ends.server.recipient(), ends.key.seed)
    ended = packer.add(EndedItem(keys.address, keys.recipient, keys.verify_key, proof, TODAY))
    pouch = b"".join([packer.header, ended, *packer.finish()])

    with pytest.raises(PouchRefusedError) as why:
        apply_pouch(workstation.endpoint, lambda: [pouch], is_direct=True)

    assert why.value.reason is PouchRefusal.FORGED
    assert is_kept(workstation, source)


@pytest.mark.parametrize("by", ["the source", "the desk"])
def test_a_closing_that_later_words_built_upon_is_put_back_and_deletes_nothing(
    ends: Ends, source: ASource, workstation: Workstation, by: str
) -> None:
    closing = closes(ends, workstation, source)
    if by == "the source":
        source.writes("one thing more")
    else:
        at(ends, workstation, source).is_answered("after all")
    ends.sync(workstation)
    deletes(ends, source, closing)

    ends.sync(workstation)

    assert is_kept(workstation, source)
    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]


def test_an_answer_that_opened_a_mailbox_again_counts_after_the_server_was_restored(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    """Attack: an operator restores the store from before the answer, and the sweeper deletes the mailbox.

    The workstation then queues all its entries again, but it had sent this answer before.
    """
    closes(ends, workstation, source)
    backup = copy_of(ends.world.store, ends.folder / "backup.db")
    at(ends, workstation, source).is_answered("after all")
    ends.sync(workstation)
    restore(ends.world.store, backup)
    with ends.world.store.writing() as session:
        peers.forget_applied(session)  # as `steunpunt restore` does
    assert cleans_up(ends) == 1

    for _ in range(2):
        ends.sync(workstation)

    assert is_kept(workstation, source)
    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]
    assert ends.notes_restored_server(workstation)
    ends.sync(workstation)
    assert is_kept(workstation, source)


def test_an_earlier_day_is_put_back_and_deletes_nothing(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    earlier = closes(ends, workstation, source)
    at(ends, workstation, source).is_closed(due=TODAY + timedelta(days=90))
    ends.sync(workstation)
    deletes(ends, source, earlier)

    ends.sync(workstation)

    assert is_kept(workstation, source)
    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]


def test_the_newer_words_of_both_strands_are_dropped_and_nothing_is_deleted_at_the_workstation(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    """The server itself can then delete the mailbox. A workstation that saw the words keeps it."""
    closing = closes(ends, workstation, source)
    newer = [source.writes("one thing more")]
    ends.sync(workstation)
    newer.append(at(ends, workstation, source).is_answered("and an answer"))
    ends.sync(workstation)
    for entry in newer:
        ends.world.execute("DELETE FROM entry WHERE digest = :digest", digest=entry.digest)
    ends.world.execute("UPDATE mailbox SET due = :day", day=TODAY.isoformat())
    assert cleans_up(ends) == 1
    assert all_of(ends.world.store)["ended"] == {
        (source.keys.address, proof_to_bytes([closing]), TODAY.isoformat())
    }

    ends.sync(workstation)

    assert is_kept(workstation, source)
    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]


def test_the_newer_words_of_one_strand_are_dropped_and_the_server_keeps_the_mailbox(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    closes(ends, workstation, source)
    source.writes("one thing more")
    ends.sync(workstation)
    at(ends, workstation, source).is_looked_at()
    ends.sync(workstation)
    ends.world.execute("DELETE FROM entry WHERE author = 0 AND number > 1")
    ends.world.execute("UPDATE mailbox SET due = :day", day=TODAY.isoformat())

    assert cleans_up(ends) == 0


def test_the_proof_of_another_mailbox_deletes_nothing(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    other = a_source(ends.world)
    other.writes("hello")
    ends.sync(workstation)
    closes(ends, workstation, source)
    closing = closes(ends, workstation, other)
    deletes(ends, source, closing)

    ends.sync(workstation)

    assert is_kept(workstation, source)
    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]


def test_a_proof_that_is_sent_again_changes_nothing(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    closing = closes(ends, workstation, source)
    assert cleans_up(ends) == 1
    ends.sync(workstation)
    before = all_of(workstation.replica)
    deleted = all_of(ends.world.store)["ended"]
    assert deleted == {(source.keys.address, proof_to_bytes([closing]), TODAY.isoformat())}

    with ends.world.store.writing() as session:
        outbox.enqueue_all(session, workstation.keyring.strand.id)
    ends.sync(workstation)

    assert all_of(workstation.replica) == before
    assert found_at(workstation) == []


def test_words_that_crossed_a_closing_keep_the_mailbox(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    source.writes("written before the closing arrived")
    closes(ends, workstation, source)

    assert cleans_up(ends) == 0
    ends.sync(workstation)

    assert is_kept(workstation, source)
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_an_answer_that_crossed_a_rightful_deletion_does_not_stop_it(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    closes(ends, workstation, source)
    at(ends, workstation, source).is_answered("too late")
    assert cleans_up(ends) == 1

    ends.sync(workstation)

    assert not is_kept(workstation, source)
    # shown to the adviser, and nothing else
    assert found_at(workstation) == [(source.keys.address, FindingKind.CROSSED)]
    assert all_of(workstation.replica)["ended"] == all_of(ends.world.store)["ended"]


def test_a_damaged_row_of_the_replica_stops_a_deletion(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    closes(ends, workstation, source)
    assert cleans_up(ends) == 1
    with as_operator(workstation.replica) as operator:
        operator.execute("UPDATE entry SET envelope = x'00' WHERE number = 1 AND author = 0")

    ends.sync(workstation)

    assert is_kept(workstation, source)
    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]


def test_a_closing_by_each_of_two_workstations_deletes_on_the_later_day(
    ends: Ends, source: ASource, workstation: Workstation
) -> None:
    second = ends.workstation(ends.second_keyring())
    ends.sync(second)
    closes(ends, workstation, source)
    put_tallies(second.replica, source)
    at(ends, second, source).is_closed(due=TODAY + timedelta(days=3))
    ends.sync(second)
    assert cleans_up(ends) == 0

    ends.clock.day += timedelta(days=3)
    assert cleans_up(ends) == 1
    for each in (workstation, second):
        ends.sync(each)

    assert not is_kept(workstation, source)
    assert found_at(workstation) == found_at(second) == []
    assert all_of(workstation.replica) == all_of(second.replica) == all_of(ends.world.store)


def test_read_receipts_do_not_stop_a_deletion(ends: Ends, source: ASource, workstation: Workstation) -> None:
    closes(ends, workstation, source)
    source.looks()
    ends.sync(workstation)
    assert cleans_up(ends) == 1

    ends.sync(workstation)

    assert not is_kept(workstation, source)
    assert found_at(workstation) == []
