"""An operator or an owner of mailboxes tries to keep one mailbox out of the comparison of two stores."""

import os
from dataclasses import replace

import pytest

from protocol.entry import sign_entry
from protocol.pouch.pouch_file import SERVER
from protocol.pouch.pouch_items import HELD, HeldItem, item_to_bytes
from protocol.strand import SourceWriter
from store import entries, outbox
from store.outbox import OutboxKind
from stored_mailbox.appending import store_entry
from sync.items import held_item
from sync.items.contexts import ApplyContext, BuildContext, VerifyContext
from tests.journalist_app.desk_factories import ASource, a_source
from tests.stores import as_operator
from tests.sync.ends import Ends, Workstation, all_of
from tests.sync.test_edges import down


@pytest.fixture
def workstation(ends: Ends) -> Workstation:
    made = ends.workstation()
    ends.sync(made)
    return made


@pytest.fixture
def source(ends: Ends) -> ASource:
    made = a_source(ends.world)
    made.writes("a secret")
    return made


def forget(ends: Ends) -> None:
    """Delete every row of the server's outbox, as an operator can."""
    ends.world.execute("DELETE FROM outbox")


def with_many_entries(source: ASource, number: int) -> None:
    """Add signed receipts to a mailbox, side by side, as its owner can together with the operator."""
    part = source.looks().envelope
    with source.world.store.writing() as session:
        for _ in range(number):
            receipt = sign_entry(replace(part, entry_id=os.urandom(16)), by=SourceWriter(source.keys))
            store_entry(session, receipt)


def parts(workstation: Workstation, monkeypatch: pytest.MonkeyPatch) -> list[HeldItem]:
    """Return each part of a workstation's entries that a sync can name."""
    context = BuildContext(workstation.endpoint, SERVER, workstation.endpoint.letterhead(), {}, None)
    made = []
    with workstation.replica.reading() as session:
        for place in range(max(len(entries.names_at(session, held_item.HELD)), 1)):
            monkeypatch.setattr(held_item._RANDOM, "choice", lambda these, at=place: these[at])
            made.append(held_item.pack(context, session))
    return made


def lacking(ends: Ends, workstation: Workstation, item: HeldItem) -> ApplyContext:
    """Apply a list of a workstation at the server, and return what the server found."""
    verified = VerifyContext(ends.server, ends.server.letterhead(), None)
    head = None  # not needed for this item
    context = ApplyContext(ends.server, head, workstation.keyring.strand.id, verified)  # type: ignore[arg-type]
    with ends.world.store.writing() as session:
        held_item.apply(context, session, item)
    return context


def test_rows_that_do_not_verify_do_not_keep_a_removal_from_a_workstation(
    ends: Ends, workstation: Workstation, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: the operator adds thousands of invented rows to the server's store, and deletes the outbox."""
    entry = source.writes("please delete this")
    other = a_source(ends.world)
    ends.sync(workstation)
    monkeypatch.setattr(held_item, "_SENT_AGAIN", 4)
    with ends.world.store.writing() as session:
        row = entries.find_digest(session, source.keys.address, entry.digest)
        assert row is not None
        for address in (other.keys.address, source.keys.address):
            for _ in range(8):
                entries.add(session, replace(row, address=address, digest=os.urandom(32)))
    ends.world.execute("DELETE FROM mailbox WHERE address = :a", a=other.keys.address)
    removal = source.removes(entry)
    forget(ends)

    ends.sync(workstation)

    with workstation.replica.reading() as session:
        assert entries.find_digest(session, source.keys.address, removal.digest) is not None


def test_entries_that_a_workstation_refuses_each_time_do_not_keep_out_the_others(
    ends: Ends, workstation: Workstation, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: the owner of a mailbox fills it with entries that the workstation never accepts."""
    other = a_source(ends.world)
    with_many_entries(other, 10)
    forget(ends)
    monkeypatch.setattr(held_item, "_SENT_AGAIN", 3)
    monkeypatch.setattr(held_item, "_OF_ONE_MAILBOX", 2)
    for _ in range(4):
        chosen = held_item.choose(lacking(ends, workstation, parts(workstation, monkeypatch)[0]))
        assert len(chosen) == 3
        assert source.keys.address in {address for address, _ in chosen}
    monkeypatch.setattr(held_item, "_SENT_AGAIN", 1)
    assert held_item.choose(lacking(ends, workstation, parts(workstation, monkeypatch)[0]))


def test_a_mailbox_with_many_entries_does_not_keep_its_neighbour_from_being_compared(
    ends: Ends, workstation: Workstation, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: an operator searches for a mailbox whose address is just below that of another mailbox.

    When the operator fills this mailbox, each range of addresses would end before the other mailbox.
    """
    with_many_entries(a_source(ends.world), 20)
    ends.sync(workstation)
    monkeypatch.setattr(held_item, "HELD", 4)
    told = parts(workstation, monkeypatch)

    with workstation.replica.reading() as session:
        known = entries.all_digests(session)
    everything = sorted(address + digest for address, digests in known.items() for digest in digests)
    assert sorted(name for each in told for name in (*each.whole, *each.bare)) == everything
    assert max(len(each.whole) + len(each.bare) for each in told) == 4
    assert len(told) == -(-len(everything) // 4)
    assert [each.end for each in told[:-1]] == [each.first for each in told[1:]]
    assert (told[0].first, told[-1].end) == (bytes(52), b"\xff" * 52)
    assert any(name.startswith(source.keys.address) for name in everything)


def test_no_entry_of_a_long_mailbox_is_sent_again_that_the_workstation_has(
    ends: Ends, workstation: Workstation, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_many_entries(source, 20)
    ends.sync(workstation)
    monkeypatch.setattr(held_item, "HELD", 4)
    assert all_of(workstation.replica)["entry"] == all_of(ends.world.store)["entry"]
    for each in parts(workstation, monkeypatch):
        assert lacking(ends, workstation, each).lacking == {}


@pytest.mark.parametrize("column", ["digest", "address"])
@pytest.mark.parametrize("value", [b"\0", 7, "text", b"\xff" * 100])
def test_a_damaged_row_of_a_workstation_does_not_end_the_comparison(
    ends: Ends, workstation: Workstation, source: ASource, column: str, value: object
) -> None:
    """One damaged name made the whole list malformed: the list was left out of each sync."""
    damaged = a_source(ends.world).writes("hello")
    ends.sync(workstation)
    with as_operator(workstation.replica) as operator:
        operator.execute(f"UPDATE entry SET {column} = ? WHERE digest = ?", (value, damaged.digest))  # noqa: S608
    message = source.writes("another")
    forget(ends)

    ends.sync(workstation)
    ends.sync(workstation)

    with workstation.replica.reading() as session:
        assert entries.find_digest(session, source.keys.address, message.digest) is not None
        assert entries.find_digest(session, damaged.envelope.address, damaged.digest) is not None


def test_an_entry_that_a_damaged_store_has_twice_is_named_once(
    workstation: Workstation, source: ASource, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends.sync(workstation)
    with workstation.replica.writing() as session:
        for row in entries.of_mailbox(session, source.keys.address):
            for _ in range(3):
                entries.add(session, row)
    monkeypatch.setattr(held_item, "HELD", 2)
    for told in parts(workstation, monkeypatch):
        assert len(told.whole) + len(told.bare) <= 2
        item_to_bytes(told)


def test_what_the_outbox_has_already_is_not_looked_at_again(
    ends: Ends, workstation: Workstation, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new workstation lacks everything, and everything is in its outbox."""
    told = parts(workstation, monkeypatch)[0]
    assert lacking(ends, workstation, told).lacking == {}
    forget(ends)
    assert lacking(ends, workstation, told).lacking.keys() == {source.keys.address}
    with ends.world.store.writing() as session:
        name = {"address": os.urandom(20), "name": entries.digests(session, source.keys.address)[0]}
        outbox.enqueue_for(session, workstation.keyring.strand.id, OutboxKind.ENTRY, **name)
    assert lacking(ends, workstation, told).lacking.keys() == {source.keys.address}


def test_a_workstation_compares_nothing_that_a_server_says_it_holds(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(entries, "held")
    assert down(ends, workstation, HeldItem(0, bytes(52), bytes(52), (bytes(52),), (), bytes(32))) == 0


def test_a_list_is_small() -> None:
    assert HELD * (20 + 32) < 2**16
