"""A mailbox that its source ended does not come back: not from a backup of the server, and not row by row."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from sqlite3 import connect

import pytest

from journalist_app.errors import MailboxNotFoundError
from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk import background_check
from protocol.sealed_record import RecordKind
from store import mailboxes, records
from store.database.engine import Store
from store.sync_findings import FindingKind, all_findings
from tests.journalist_app.desk_factories import ASource
from tests.sync.desks import AtDesk, an_adviser, an_answered_source, the_server_cleans_up
from tests.sync.ends import Ends, all_of, copy_of, restore


@pytest.fixture
def adviser(ends: Ends) -> AtDesk:
    return an_adviser(ends)


@pytest.fixture
def source(ends: Ends, adviser: AtDesk) -> ASource:
    """A source who wrote, and about whom the desk has notes."""
    made = an_answered_source(ends, adviser)
    casefiles.set_in_casefile(adviser.desk, made.keys.address, handover="who the source is")
    adviser.syncs()
    return made


def syncs(ends: Ends, adviser: AtDesk) -> None:
    """Sync until everything was confirmed, and let both sides delete what they need not keep."""
    for _ in range(3):
        adviser.syncs()
        background_check.check_store(adviser.desk, ends.clock.day)
        the_server_cleans_up(ends)


def the_end_is_seen(ends: Ends, adviser: AtDesk, source: ASource) -> None:
    source.ends()
    adviser.syncs()
    adviser.counts(source)
    syncs(ends, adviser)
    assert is_gone(ends.world.store, source)


def is_gone(store: Store, source: ASource) -> bool:
    """Return True if a store has neither the mailbox, nor an entry, nor notes about the mailbox."""
    with store.reading() as session:
        notes = records.find(session, RecordKind.CASEFILE, source.keys.address)
        is_here = mailboxes.find(session, source.keys.address) is not None
    return not is_here and not all_of(store)["entry"] and (notes is None or notes.is_dropped)


def put_back(store: Store, backup: Path, source: ASource) -> None:
    """Copy the rows of one mailbox from a backup into a store, as the server's operator can."""
    address = (source.keys.address,)
    with closing(connect(store.path)) as driver, driver:
        driver.execute("ATTACH ? AS backup", (str(backup),))
        driver.execute("INSERT INTO mailbox SELECT * FROM backup.mailbox WHERE address = ?", address)
        driver.execute("INSERT INTO entry SELECT * FROM backup.entry WHERE address = ?", address)
        driver.execute(
            "INSERT OR REPLACE INTO sealed SELECT * FROM backup.sealed"
            " WHERE id IN (SELECT id FROM backup.entry WHERE address = ?)",
            address,
        )


@pytest.mark.parametrize("days", [0, 40])
def test_an_end_that_was_seen_holds_after_the_server_is_restored(
    ends: Ends, adviser: AtDesk, source: ASource, tmp_path: Path, days: int
) -> None:
    """The proof is gone at the server after 30 days. The backup has the notes, which were dropped since."""
    backup = copy_of(ends.world.store, tmp_path / "backup.db")
    the_end_is_seen(ends, adviser, source)
    ends.clock.day += timedelta(days=days)
    syncs(ends, adviser)
    restore(ends.world.store, backup)
    assert not is_gone(ends.world.store, source)

    syncs(ends, adviser)

    later = an_adviser(ends, ends.second_keyring())
    syncs(ends, later)
    for store in (ends.world.store, adviser.store, later.store):
        assert is_gone(store, source)
    assert adviser.desk.unsound == later.desk.unsound == {}
    with pytest.raises(MailboxNotFoundError):
        later.reads(source)
    assert casefiles.read_casefile(later.desk, source.keys.address).handover == ""


@pytest.mark.parametrize("days", [0, 31])
def test_an_ended_mailbox_whose_rows_are_put_back_ends_again(
    ends: Ends, adviser: AtDesk, source: ASource, tmp_path: Path, days: int
) -> None:
    """Attack: the operator puts rows back, beside the proof or after the proof is gone."""
    backup = copy_of(ends.world.store, tmp_path / "backup.db")
    the_end_is_seen(ends, adviser, source)
    ends.clock.day += timedelta(days=days)
    syncs(ends, adviser)
    assert len(all_of(ends.world.store)["ended"]) == (0 if days else 1)
    put_back(ends.world.store, backup, source)
    later = an_adviser(ends, ends.second_keyring())
    later.syncs()

    syncs(ends, adviser)

    syncs(ends, later)
    found = set()
    for store in (adviser.store, later.store):
        with store.reading() as session:
            found |= {each.kind for each in all_findings(session)}
    assert found == {FindingKind.COME_BACK}
    for store in (ends.world.store, adviser.store, later.store):
        assert is_gone(store, source)


def test_a_proof_that_was_seen_is_dropped_after_400_days(
    ends: Ends, adviser: AtDesk, source: ASource
) -> None:
    the_end_is_seen(ends, adviser, source)
    ends.clock.day += timedelta(days=399)
    syncs(ends, adviser)
    assert len(all_of(adviser.store)["ended"]) == 1
    ends.clock.day += timedelta(days=1)

    syncs(ends, adviser)

    assert all_of(adviser.store)["ended"] == set()
    assert all_of(adviser.store)["record"] == set()
