"""Rows that the operator of the server hides or deletes for a moment arrive in the end all the same."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from journalist_app.errors import MailboxNotFoundError
from journalist_app.services.whole_desk import unlocking
from protocol.ledger import ROWS
from protocol.pouch.pouch_file import SERVER
from store import mailboxes, outbox
from store.database.engine import Store
from store.outbox import OutboxKind
from tests.journalist_app.desk_factories import PASSPHRASE, ASource, a_source
from tests.stores import as_operator
from tests.sync.desks import AtDesk, an_adviser, an_answered_source, the_server_cleans_up
from tests.sync.ends import Ends, all_of, all_tallies, copy_of, restore

EVERYTHING = "1 = 1"


@pytest.fixture
def adviser(ends: Ends) -> AtDesk:
    return an_adviser(ends)


@pytest.fixture
def source(ends: Ends, adviser: AtDesk) -> ASource:
    return an_answered_source(ends, adviser)


@contextmanager
def hidden(store: Store, table: str, where: str = EVERYTHING) -> Iterator[None]:
    """Remove rows of a table during the block, as an operator can."""
    with as_operator(store) as operator:
        rows = operator.execute(f"SELECT * FROM {table} WHERE {where}")  # noqa: S608  # a test's words
        operator.execute(f"DELETE FROM {table} WHERE {where}")  # noqa: S608
    assert rows
    yield
    with as_operator(store) as operator:
        places = ",".join("?" * len(rows[0]))
        for row in rows:
            operator.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", row)  # noqa: S608


def has_ended(store: Store, source: ASource) -> bool:
    with store.reading() as session:
        is_there = mailboxes.find(session, source.keys.address) is not None
        return not is_there and mailboxes.find_ended(session, source.keys.address) is not None


def proofs(ends: Ends) -> int:
    return len(all_of(ends.world.store)["ended"])


# ---- the end of a mailbox


def test_an_end_arrives_although_its_row_of_the_outbox_was_deleted(
    ends: Ends, adviser: AtDesk, source: ASource
) -> None:
    source.ends()
    ends.world.execute("DELETE FROM outbox WHERE kind = 'ended'")
    the_server_cleans_up(ends)
    adviser.syncs()
    assert has_ended(adviser.store, source)


@pytest.mark.parametrize("table", ["ended_mailbox", "outbox"])
def test_an_end_that_was_hidden_during_a_sync_arrives_in_the_next(
    ends: Ends, adviser: AtDesk, source: ASource, table: str
) -> None:
    source.ends()
    with hidden(ends.world.store, table):
        adviser.syncs()
    the_server_cleans_up(ends)
    adviser.syncs()
    assert has_ended(adviser.store, source)


def test_an_end_arrives_although_the_workstation_was_hidden_when_the_source_ended(
    ends: Ends, adviser: AtDesk, source: ASource
) -> None:
    with hidden(ends.world.store, "peer"):
        source.ends()
    the_server_cleans_up(ends)
    adviser.syncs()
    assert has_ended(adviser.store, source)


@pytest.mark.parametrize("days_late", [0, 31])
def test_a_closed_mailbox_is_deleted_and_counted_although_the_workstation_was_hidden_when_it_was_due(
    ends: Ends, adviser: AtDesk, source: ASource, days_late: int
) -> None:
    adviser.closes(source)
    adviser.syncs()
    with adviser.store.reading() as session:
        closed = mailboxes.find(session, source.keys.address)
    assert closed is not None
    assert closed.due is not None
    ends.clock.day = closed.due + timedelta(days=days_late)
    with hidden(ends.world.store, "peer"):
        the_server_cleans_up(ends)
    the_server_cleans_up(ends)
    adviser.syncs()
    with adviser.store.reading() as session:
        assert mailboxes.find(session, source.keys.address) is None
    tallies = all_tallies(ends.world.store)
    assert len(tallies) == ROWS
    assert set(all_tallies(adviser.store)) == set(tallies)


def test_a_confirmed_proof_stays_for_thirty_days(ends: Ends, adviser: AtDesk, source: ASource) -> None:
    source.ends()
    adviser.syncs()
    adviser.counts(source)
    adviser.syncs()
    ends.clock.day += timedelta(days=29)
    the_server_cleans_up(ends)
    assert proofs(ends) == 1
    ends.clock.day += timedelta(days=1)
    the_server_cleans_up(ends)
    assert proofs(ends) == 0


def test_a_counted_end_is_not_sent_again(ends: Ends, adviser: AtDesk, source: ASource) -> None:
    source.ends()
    adviser.syncs()
    adviser.counts(source)
    adviser.syncs()
    adviser.syncs()
    assert ends.left(ends.world.store, adviser.endpoint.name) == 0
    assert ends.left(adviser.store, SERVER) == 0
    assert len(all_of(adviser.store)["ended"]) == 1  # for a server that is restored


def test_a_workstation_that_was_restored_is_told_of_the_end_again(
    ends: Ends, adviser: AtDesk, source: ASource, tmp_path: Path
) -> None:
    adviser.desk.save()
    backup = copy_of(adviser.store, tmp_path / "backup.db")
    remembered = adviser.desk.config.trusted_state_path.read_bytes()
    source.ends()
    adviser.syncs()
    adviser.counts(source)
    adviser.syncs()
    the_server_cleans_up(ends)
    restore(adviser.store, backup)
    adviser.desk.config.trusted_state_path.write_bytes(remembered)
    adviser.desk = unlocking.unlock_desk(adviser.desk.config, adviser.store, PASSPHRASE)
    adviser.answers(source, "are you there?")

    adviser.syncs()

    assert has_ended(adviser.store, source)
    assert all_of(ends.world.store)["mailbox"] == set()
    with pytest.raises(MailboxNotFoundError):
        adviser.reads(source)


# ---- entries


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("entry", "digest = x'{digest}'"),
        ("sealed", "id IN (SELECT id FROM entry WHERE digest = x'{digest}')"),
        ("mailbox", EVERYTHING),
        ("outbox", "kind = 'entry'"),
    ],
)
def test_a_message_that_was_hidden_during_a_sync_arrives_in_the_next(
    ends: Ends, adviser: AtDesk, source: ASource, table: str, where: str
) -> None:
    digest = source.writes("urgent").digest.hex()
    with hidden(ends.world.store, table, where.format(digest=digest)):
        adviser.syncs()
    adviser.syncs()
    assert "urgent" in adviser.sees(source)


def test_a_removal_that_was_hidden_during_a_sync_removes_in_the_next(
    ends: Ends, adviser: AtDesk, source: ASource
) -> None:
    entry = source.writes("please delete this")
    adviser.syncs()
    removal = source.removes(entry)
    with hidden(ends.world.store, "entry", f"digest = x'{removal.digest.hex()}'"):
        adviser.syncs()
    adviser.syncs()
    assert "please delete this" not in adviser.sees(source)


def test_a_message_of_a_mailbox_that_the_workstation_does_not_have_arrives(
    ends: Ends, adviser: AtDesk, source: ASource
) -> None:
    another = a_source(ends.world)
    another.writes("hello")
    ends.world.execute("DELETE FROM outbox")
    adviser.syncs()
    assert adviser.sees(another) == ["hello"]
    assert len(adviser.sees(source)) == 2


# ---- rows that name nothing


def test_a_row_of_the_outbox_whose_item_is_hidden_stays(ends: Ends, adviser: AtDesk) -> None:
    """A record, a tally or a public file is in no comparison: its row stays until the item was packed."""
    adviser.syncs()
    with ends.world.store.writing() as session:
        outbox.enqueue_for(session, adviser.endpoint.name, OutboxKind.TALLY, name=os.urandom(32))
    adviser.syncs()
    adviser.syncs()
    assert ends.left(ends.world.store, adviser.endpoint.name) == 1
