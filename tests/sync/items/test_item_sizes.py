"""An operator tries to make a pouch so large that the workstation hangs up, each time."""

import os
from dataclasses import replace

import pytest

from protocol.pouch.pouch_file import SERVER, PouchReader
from protocol.pouch.pouch_items import DamagedItem, Item, MailboxItem, TalliesItem, item_to_bytes
from store import entries, mailbox_tallies, outbox
from store.outbox import OutboxKind
from sync.build import build_pouch
from sync.items.item_kinds import size_of
from tests.journalist_app.desk_factories import a_source
from tests.sync.ends import Ends, Workstation

TARGET = 20_000


@pytest.fixture
def workstation(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> Workstation:
    made = ends.workstation()
    ends.sync(made)
    ends.sync(made)
    monkeypatch.setattr("sync.build.TARGET_BYTES", TARGET)
    return made


def packed(ends: Ends, workstation: Workstation) -> list[Item]:
    """Return the items of the server's next pouch."""
    built = build_pouch(ends.server, workstation.endpoint.name, {})
    reader = PouchReader([built.pouch], workstation.endpoint.identities)
    return list(reader.items(workstation.endpoint.verify_key_of(SERVER, ends.server.letterhead())))


def size(items: list[Item]) -> int:
    return sum(len(item_to_bytes(item)) for item in items)


def test_mailboxes_without_entries_are_in_no_pouch(ends: Ends, workstation: Workstation) -> None:
    """Attack: the operator adds mailboxes, and rows of the outbox for entries that do not exist."""
    source = a_source(ends.world)
    with ends.world.store.writing() as session:
        name = {"address": source.keys.address, "name": os.urandom(32)}
        outbox.enqueue_for(session, workstation.endpoint.name, OutboxKind.ENTRY, **name)
    (report,) = packed(ends, workstation)
    assert isinstance(report, DamagedItem)  # the server does not have the entry


def test_mailboxes_count_with_their_keys(ends: Ends, workstation: Workstation) -> None:
    for _ in range(40):
        a_source(ends.world).looks()
    items = packed(ends, workstation)
    assert any(isinstance(item, MailboxItem) for item in items)
    assert size(items) < 2 * TARGET


def test_tallies_count_with_what_is_in_them(ends: Ends, workstation: Workstation) -> None:
    for _ in range(10):
        source = a_source(ends.world)
        source.looks()
        with ends.world.store.writing() as session:
            mailbox_tallies.put(session, source.keys.address, (b"x" * TARGET,))
    items = packed(ends, workstation)
    assert sum(isinstance(item, TalliesItem) for item in items) == 1
    assert size(items) < 2 * TARGET


def test_notices_of_damaged_rows_fill_a_pouch_too(ends: Ends, workstation: Workstation) -> None:
    """Attack: the operator adds thousands of invented rows to one mailbox."""
    source = a_source(ends.world)
    entry = source.looks()
    with ends.world.store.writing() as session:
        row = entries.find_digest(session, source.keys.address, entry.digest)
        assert row is not None
        for _ in range(1_000):
            entries.add(session, replace(row, digest=os.urandom(32)))
    items = packed(ends, workstation)
    assert any(isinstance(item, DamagedItem) for item in items)
    assert size(items) < 2 * TARGET


def test_the_size_of_an_item_is_that_of_its_bytes() -> None:
    item = TalliesItem(bytes(20), (b"x" * 1_000, b"y" * 1_000))
    assert size_of(item) == len(item_to_bytes(item))
