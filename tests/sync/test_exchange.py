"""What is new on either side is on both after a sync, whatever was in the way."""

import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from crypto.entry import Author
from store import attachments, entries, ledger, mailboxes, records, undelivered
from store.engine import Store
from sync.errors import UnreachableError
from sync.exchange import answer
from tests.journalist_app.desk_factories import TODAY, World, a_source
from tests.sync.ends import Ends, Workstation


def as_world(ends: Ends, workstation: Workstation) -> World:
    """Return what the factories write through, so that a desk's entry lands in the replica."""
    world = ends.world
    return World(world.config, workstation.keyring, world.letterhead, workstation.replica)


def all_of(store: Store) -> dict[str, set[tuple[object, ...]]]:
    """Return what two stores that know the same must both hold; ids are their own."""
    questions = {
        "mailbox": "SELECT address, recipient, verify_key, opened_day, waiting_since FROM mailbox",
        "entry": "SELECT e.address, author, strand, number, entry_id, digest, open_part, signature, epoch,"
        " day, removal, s.header, s.payload FROM entry e LEFT JOIN sealed s ON s.id = e.id",
        "head": "SELECT address, author, strand, number, digest FROM head",
        "file": "SELECT address, entry_id, attachment_id, chunks, is_whole, half_hour IS NULL FROM attachment",
        "chunk": "SELECT a.attachment_id, c.number, s.payload FROM chunk c JOIN sealed s ON s.id = c.id"
        " JOIN attachment a ON a.id = c.attachment",
        "ended": "SELECT address, statement, day FROM ended",
        "letterhead": "SELECT serial, body, signature FROM letterhead",
        "record": "SELECT kind, name, revision, s.header FROM record r JOIN sealed s ON s.id = r.id"
        " WHERE travels",
        "tally": "SELECT digest FROM ledger",
        "order": "SELECT address, s.header, due FROM purge_order o JOIN sealed s ON s.id = o.id",
        "public": "SELECT name, body FROM public_file",
    }
    with store.reading() as session:
        return {
            what: {tuple(row) for row in session.execute(text(question))} for what, question in questions.items()
        }


def test_what_a_source_wrote_comes_to_the_workstation(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello", file=("photo.jpg", os.urandom(3_000_000)))
    source.writes("and again")
    a_source(ends.world).writes("another")

    synced = ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert ends.left(ends.world.store, workstation.keyring.strand.id) >= 0
    assert not synced.was_set_back
    again = ends.sync(workstation)
    assert (again.rounds, again.received) == (1, 0)
    assert ends.left(ends.world.store, workstation.keyring.strand.id) == 0


def test_an_answer_comes_to_the_server_and_counts_as_one(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    here = type(source)(as_world(ends, workstation), source.keys)
    here.is_answered("an answer")

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    with ends.world.store.reading() as session:
        mailbox = mailboxes.find(session, source.keys.address)
    assert mailbox is not None
    assert mailbox.waiting_since is None


def test_an_answer_that_crossed_a_message_leaves_it_waiting(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    here = type(source)(as_world(ends, workstation), source.keys)
    here.is_answered("an answer to the first")
    source.writes("one thing more")

    ends.sync(workstation)

    for store in (workstation.replica, ends.world.store):
        with store.reading() as session:
            mailbox = mailboxes.find(session, source.keys.address)
        assert mailbox is not None
        assert mailbox.waiting_since == TODAY
