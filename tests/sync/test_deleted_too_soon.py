"""Misuse of a genuine deletion order by the server: the replica keeps the mailbox."""

from datetime import timedelta

import pytest

from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.pouch.pouch_file import PouchHead, PouchWriter, lowest_serial
from protocol.pouch.pouch_items import EndedItem
from protocol.statements.deletion_order import sign_order
from protocol.strand import DeskWriter
from store import deletion_orders, entries, mailboxes, records, sync_findings
from store.sync_findings import FindingKind
from sync.apply import apply_pouch
from tests.journalist_app.desk_factories import TODAY, ASource, a_source
from tests.sync.ends import Ends, Workstation, all_of, at

TALLIES = tuple(bytes([n]) * 40 for n in range(8))


def closes(ends: Ends, workstation: Workstation, source: ASource, *, in_days: int) -> bytes:
    """Order the deletion of a mailbox, sync it to the server, and return the order."""
    strand = workstation.keyring.strand
    due = ends.clock.day + timedelta(days=in_days)
    with workstation.replica.writing() as session:
        heads = {
            head.strand: (head.number, head.digest)
            for head in entries.strand_heads(session, source.keys.address)
        }
        statement = sign_order(
            source.keys.address,
            heads,
            due=due,
            tallies=TALLIES,
            by=DeskWriter(strand.id, strand.seed),
            day=ends.clock.day,
        )
        deletion_orders.put(session, source.keys.address, statement, due, TALLIES)
    workstation.writes_record(source.keys.address)
    ends.sync(workstation)
    return statement


def deletes(ends: Ends, source: ASource, statement: bytes) -> None:
    """Delete a mailbox at the server by an order, before its day or in spite of later entries."""
    with ends.world.store.writing() as session:
        mailboxes.purge_mailbox(
            session, source.keys.address, statement=statement, day=ends.clock.day, tallies=TALLIES
        )


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


def test_an_order_whose_day_has_not_come_deletes_nothing_at_the_workstation(
    ends: Ends, source: ASource
) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    deletes(ends, source, closes(ends, workstation, source, in_days=90))

    ends.sync(workstation)

    assert is_kept(workstation, source)
    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]


def test_a_captured_server_that_sends_such_an_order_is_refused(ends: Ends, source: ASource) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    statement = closes(ends, workstation, source, in_days=90)
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
    ended = packer.add(EndedItem(keys.address, keys.recipient, keys.verify_key, statement, TODAY))
    pouch = b"".join([packer.header, ended, *packer.finish()])

    with pytest.raises(PouchRefusedError) as why:
        apply_pouch(workstation.endpoint, lambda: [pouch], is_direct=True)

    assert why.value.reason is PouchRefusal.FORGED
    assert is_kept(workstation, source)


@pytest.mark.parametrize("by", ["the source", "the desk"])
def test_an_order_that_later_words_voided_deletes_nothing_at_the_workstation(
    ends: Ends, source: ASource, by: str
) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    statement = closes(ends, workstation, source, in_days=0)
    if by == "the source":
        source.writes("one thing more")
    else:
        at(ends, workstation, source).is_answered("after all")
    ends.sync(workstation)
    deletes(ends, source, statement)

    ends.sync(workstation)

    assert is_kept(workstation, source)
    assert found_at(workstation) == [(source.keys.address, FindingKind.DAMAGED)]


def test_an_answer_that_crossed_a_rightful_deletion_does_not_stop_it(ends: Ends, source: ASource) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    statement = closes(ends, workstation, source, in_days=0)
    at(ends, workstation, source).is_answered("too late")
    deletes(ends, source, statement)

    ends.sync(workstation)

    assert not is_kept(workstation, source)
    assert found_at(workstation) == [
        (source.keys.address, FindingKind.CROSSED)
    ]  # shown to the adviser, and nothing else
    assert all_of(workstation.replica)["ended"] == all_of(ends.world.store)["ended"]


def test_read_receipts_do_not_stop_a_deletion(ends: Ends, source: ASource) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    statement = closes(ends, workstation, source, in_days=0)
    source.looks()
    ends.sync(workstation)
    deletes(ends, source, statement)

    ends.sync(workstation)

    assert not is_kept(workstation, source)
