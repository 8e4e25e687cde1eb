"""The server deletes the mailboxes that the desk closed, and nothing else."""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from nacl.signing import SigningKey
from sqlalchemy import text

from deploy.cleanup.retention import (
    RetentionResult,
    apply_retention,
    log_retention,
    purge_if_due,
    refresh_hints,
)
from deploy.cleanup.server_cleanup import ServerSweeper
from deploy.settings.load_settings import load_config
from protocol import letterhead
from protocol.content import ClosingNote, Content, Kind
from protocol.entry import SignedEntry, seal_words, sign_entry
from protocol.envelope import EntryClass, Envelope
from protocol.identifiers import Address, Digest, EntryId
from protocol.letterhead import Letterhead, Strand
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import DeskWriter, EntryWriter, SourceWriter
from protocol.transcript.ending import proof_from_bytes
from source_app.config import SourceConfig
from store import cleanup, letterheads, mailbox_tallies, mailboxes
from store.database.engine import Store, create_store
from store.sessions import open_sessions
from stored_mailbox.appending import NewEntry, PreparedAppend, append_entries
from stored_mailbox.reading import StoredTranscript, read_stored
from tests.protocol.desk_factories import DESK_KEY, FINGERPRINT, a_letterhead
from tests.protocol.mailbox_factories import DAY, LAPTOP, WORKSTATION, a_mailbox
from tests.source_app.desks import TODAY, make_desk
from tests.store.factories import NOW, a_record, all_tallies, files_of, rows, usage

DUE = DAY + timedelta(days=7)
TALLIES = tuple(sorted(os.urandom(600) for _ in range(8)))
EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def a_strand(writer: DeskWriter, until: date | None = None) -> Strand:
    key = bytes(SigningKey(writer.seed).verify_key)
    return Strand(id=writer.strand, name="one", verify_key=key, since=DAY, until=until)


LETTERHEAD = a_letterhead(strands=(a_strand(WORKSTATION), a_strand(LAPTOP)), abandoned_months=12)


@dataclass
class Shelf:
    """Store with mailboxes in which the tests let sources and workstations write."""

    store: Store
    letterhead: Letterhead = LETTERHEAD
    sealed: dict[Address, list[bytes]] = field(default_factory=dict)

    def open(self, seed: int, day: date = DAY) -> MailboxKeys:
        keys = a_mailbox(seed)
        with self.store.writing() as session:
            mailboxes.create_mailbox(
                session,
                address=keys.address,
                recipient=keys.recipient,
                verify_key=keys.verify_key,
                opened_day=day,
            )
        return keys

    def write(
        self,
        keys: MailboxKeys,
        by: EntryWriter | None = None,
        *,
        due: date | None = None,
        shown: Collection[Digest] | None = None,
        letterhead: Letterhead | None = None,
    ) -> SignedEntry:
        """Append an encrypted entry of the source or the desk. With `due`, the entry closes the mailbox.

        `shown` has the entries that the writer had read, if not all.
        """
        by = by or SourceWriter(keys)
        stored = self.read(keys, letterhead)
        known = stored.transcript.authentic.keys() if shown is None else shown
        heads, unseen = stored.transcript.heads_for(by.strand, known)
        closing = Content(kind=Kind.CLOSING, text="goodbye", closing=ClosingNote())
        made = seal_words(
            closing if due else Content(kind=Kind.MESSAGE, text="words"),
            address=keys.address,
            mailbox_recipient=keys.recipient,
            letterhead=self.letterhead,
            by=by,
            entry_id=EntryId(os.urandom(16)),
            heads=heads,
            unseen=unseen,
            day=DAY,
            due=due,
        )
        assert made.header is not None
        assert made.payload is not None
        self.sealed.setdefault(keys.address, []).extend([made.header, made.payload])
        return self.append(made, stored)

    def sign(
        self, keys: MailboxKeys, by: EntryWriter, entry_class: EntryClass, removes: tuple[Digest, ...] = ()
    ) -> SignedEntry:
        stored = self.read(keys)
        heads, unseen = stored.transcript.heads_for(by.strand, stored.transcript.authentic.keys())
        envelope = Envelope(
            address=keys.address,
            entry_id=EntryId(os.urandom(16)),
            entry_class=entry_class,
            strand=by.strand,
            heads=heads,
            unseen=unseen,
            day=DAY,
            letterhead_serial=1,
            removes=removes,
        )
        return self.append(sign_entry(envelope, by=by), stored)

    def append(self, made: SignedEntry, stored: StoredTranscript) -> SignedEntry:
        version = stored.mailbox.version
        append_entries(self.store, lambda: PreparedAppend(made.envelope.address, version, [NewEntry(made)]))
        return made

    def read(self, keys: MailboxKeys, letterhead: Letterhead | None = None) -> StoredTranscript:
        with self.store.reading() as session:
            stored = read_stored(session, keys.address, (letterhead or self.letterhead).strand_keys)
        assert stored is not None
        return stored

    def close(
        self,
        keys: MailboxKeys,
        by: DeskWriter = WORKSTATION,
        *,
        due: date = DUE,
        tallies: Collection[bytes] = TALLIES,
    ) -> SignedEntry:
        with self.store.writing(durable=False) as session:
            mailbox_tallies.put(session, keys.address, tuple(tallies))
        return self.write(keys, by, due=due)

    def execute(self, statement: str, **values: object) -> None:
        """Change the store as someone who can write to it, without our own checks."""
        with self.store.writing() as session:
            session.execute(text(statement), values)

    def says_due(self, day: date = DUE) -> None:
        """Change the store so that it calls every mailbox due.

        An attacker can do so: this day is not signed.
        """
        self.execute("UPDATE mailbox SET due = :day", day=day.isoformat())

    def retain(self, today: date = DUE) -> RetentionResult:
        return apply_retention(self.store, self.letterhead, today)

    def holds(self, keys: MailboxKeys) -> bool:
        with self.store.reading() as session:
            return mailboxes.find(session, keys.address) is not None

    def tallies(self) -> list[bytes]:
        with self.store.reading() as session:
            return sorted(all_tallies(session))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    store = create_store(tmp_path / "var" / "store.db")
    yield Shelf(store)
    store.close()


@pytest.fixture
def keys(shelf: Shelf) -> MailboxKeys:
    """Return a mailbox with a question and an answer."""
    keys = shelf.open(1)
    shelf.write(keys)
    shelf.write(keys, WORKSTATION)
    return keys


# ---- what the desk closed is deleted ----------------------------------------------------------------


def test_a_mailbox_that_the_desk_closed_leaves_no_byte_but_its_tallies(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    other = shelf.open(2)
    shelf.write(other)
    a_record(shelf.store, keys.address, b"what the desk noted about it" * 100)
    closing = shelf.close(keys)
    assert RetentionResult(purged=1) == shelf.retain()
    assert cleanup.destroy_deleted(shelf.store, NOW).is_clean
    raw = files_of(shelf.store)
    gone = [
        sealed[at : at + 24]
        for sealed in shelf.sealed[keys.address]
        for at in range(64, len(sealed) - 24, 24)  # after the bytes that every age file begins with
    ]
    assert len(gone) > 500
    assert [] == [piece for piece in gone if piece in raw]
    assert b"what the desk noted" not in raw
    kept = [sealed[-24:] for sealed in shelf.sealed[other.address]]
    assert [True] * 2 == [piece in raw for piece in kept]
    assert list(TALLIES) == shelf.tallies()
    with shelf.store.reading() as session:
        (ended,) = mailboxes.ended_mailboxes(session)
    assert (keys.address, keys.verify_key, DUE) == (ended.address, ended.verify_key, ended.day)
    assert [closing.digest] == [entry.digest for entry in proof_from_bytes(ended.proof)]


def test_a_closed_mailbox_is_also_deleted_late(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.close(keys)
    assert RetentionResult(purged=1) == shelf.retain(DUE + timedelta(days=400))


def test_read_receipts_of_either_side_do_not_keep_a_mailbox(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.close(keys)
    shelf.sign(keys, SourceWriter(keys), EntryClass.RECEIPT)
    shelf.sign(keys, WORKSTATION, EntryClass.RECEIPT)
    assert RetentionResult(purged=1) == shelf.retain()


def test_a_removal_after_the_closing_does_not_keep_a_mailbox(shelf: Shelf, keys: MailboxKeys) -> None:
    said = shelf.write(keys)
    shelf.close(keys)
    shelf.sign(keys, SourceWriter(keys), EntryClass.REMOVAL, (said.digest,))
    assert RetentionResult(purged=1) == shelf.retain()


def test_a_later_closing_of_another_workstation_counts(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.close(keys)
    shelf.close(keys, LAPTOP, due=DUE + timedelta(days=3))
    assert RetentionResult() == shelf.retain()
    assert RetentionResult(purged=1) == shelf.retain(DUE + timedelta(days=3))


# ---- what is not closed is kept ---------------------------------------------------------------------


def test_a_closing_that_is_due_tomorrow_waits_whatever_the_row_says(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.close(keys, due=DUE + timedelta(days=1))
    assert RetentionResult() == shelf.retain()
    shelf.says_due()
    assert RetentionResult(kept=1) == shelf.retain()
    assert shelf.holds(keys)
    assert RetentionResult(purged=1) == shelf.retain(DUE + timedelta(days=1))


def test_a_clock_that_is_set_back_deletes_nothing_and_brings_nothing_back(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    shelf.close(keys)
    shelf.open(2, day=DUE)
    for today in (DAY - timedelta(days=1), date(1970, 1, 1), date.min):
        assert RetentionResult() == shelf.retain(today)
    assert RetentionResult(purged=1) == shelf.retain()
    assert RetentionResult() == shelf.retain(DAY)
    assert not shelf.holds(keys)


@pytest.mark.parametrize("by", [None, WORKSTATION, LAPTOP], ids=["the source", "the desk", "another strand"])
def test_later_words_of_either_side_keep_a_mailbox(
    shelf: Shelf, keys: MailboxKeys, by: DeskWriter | None
) -> None:
    shelf.close(keys)
    shelf.write(keys, by)
    assert RetentionResult() == shelf.retain()
    shelf.says_due()
    assert RetentionResult(kept=1) == shelf.retain()
    assert shelf.holds(keys)


def test_words_between_the_decision_and_the_deletion_count(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.close(keys)
    shelf.write(keys)
    with shelf.store.writing() as session:
        assert not purge_if_due(session, keys.address, LETTERHEAD, DUE)
    assert shelf.holds(keys)


def test_words_that_the_closing_lists_as_unseen_keep_a_mailbox(shelf: Shelf, keys: MailboxKeys) -> None:
    shown = shelf.read(keys).transcript.authentic.keys()
    shelf.write(keys)
    with shelf.store.writing(durable=False) as session:
        mailbox_tallies.put(session, keys.address, TALLIES)
    shelf.write(keys, WORKSTATION, due=DUE, shown=shown)
    shelf.says_due()
    assert RetentionResult(kept=1) == shelf.retain()


def test_an_empty_mailbox_that_the_store_calls_due_is_kept(shelf: Shelf) -> None:
    empty = shelf.open(3)
    shelf.says_due()
    assert RetentionResult(kept=1) == shelf.retain()
    assert shelf.holds(empty)


# ---- what the desk did not write --------------------------------------------------------------------


def test_a_forged_closing_deletes_nothing(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.close(keys, DeskWriter(WORKSTATION.strand, os.urandom(32)))
    assert RetentionResult(kept=1) == shelf.retain()
    assert shelf.holds(keys)


def test_the_closing_of_another_mailbox_deletes_nothing(shelf: Shelf, keys: MailboxKeys) -> None:
    other = shelf.open(2)
    shelf.write(other)
    closing = shelf.close(other)
    shelf.execute(
        "UPDATE entry SET address = :address WHERE digest = :digest",
        address=keys.address,
        digest=closing.digest,
    )
    shelf.says_due()
    assert RetentionResult(kept=2) == shelf.retain()


def test_a_closing_of_a_workstation_that_was_retired_since_waits_for_another(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    shelf.close(keys, LAPTOP)
    shelf.letterhead = a_letterhead(strands=(a_strand(WORKSTATION), a_strand(LAPTOP, DUE - timedelta(1))))
    assert RetentionResult(kept=1) == shelf.retain()
    shelf.letterhead = a_letterhead(strands=(a_strand(WORKSTATION),))
    assert RetentionResult(kept=1) == shelf.retain()
    shelf.letterhead = a_letterhead(strands=(a_strand(WORKSTATION), a_strand(LAPTOP, DUE - timedelta(1))))
    shelf.close(keys)
    assert RetentionResult(purged=1) == shelf.retain()


def test_an_earlier_day_that_is_put_back_deletes_nothing(shelf: Shelf, keys: MailboxKeys) -> None:
    """Attack: the operator drops the second closing.

    A later receipt of the desk names this closing, so it is missing.
    """
    shelf.close(keys)
    later = shelf.close(keys, due=DUE + timedelta(days=90))
    shelf.sign(keys, WORKSTATION, EntryClass.RECEIPT)
    shelf.execute("DELETE FROM entry WHERE digest = :digest", digest=later.digest)
    shelf.says_due()
    assert RetentionResult(kept=1) == shelf.retain()


def test_a_closing_after_the_mailbox_was_opened_again_deletes_nothing(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    closing = shelf.close(keys)
    assert RetentionResult(purged=1) == shelf.retain()
    with shelf.store.writing() as session:
        mailboxes.mark_ending_counted(session, keys.address)
    assert keys.address == shelf.open(1).address
    shelf.write(keys)
    with shelf.store.writing() as session:
        mailbox_tallies.put(session, keys.address, TALLIES)
    shelf.append(closing, shelf.read(keys))
    shelf.says_due()
    assert RetentionResult(kept=1) == shelf.retain()
    assert shelf.holds(keys)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET envelope = x'00' WHERE author = 1",
        "UPDATE entry SET signature = zeroblob(64) WHERE author = 0",
        "UPDATE entry SET number = 7 WHERE author = 0",
        "UPDATE entry SET author = 'x' WHERE author = 0",
        "UPDATE entry SET envelope = CAST(x'ff' AS TEXT) WHERE author = 0",
        "UPDATE mailbox SET verify_key = zeroblob(32)",
    ],
)
def test_a_damaged_mailbox_is_left_for_the_desk_to_see(
    shelf: Shelf, keys: MailboxKeys, statement: str
) -> None:
    shelf.close(keys)
    shelf.execute(statement)
    assert RetentionResult(kept=1) == shelf.retain()
    assert shelf.holds(keys)


def test_words_that_the_source_wrote_and_the_operator_dropped_keep_a_mailbox_once_they_are_named(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    shelf.close(keys)
    shelf.write(keys)
    shelf.sign(keys, SourceWriter(keys), EntryClass.RECEIPT)
    shelf.execute("DELETE FROM entry WHERE author = 0 AND number = 2")
    shelf.says_due()
    assert RetentionResult(kept=1) == shelf.retain()


@pytest.mark.parametrize("tallies", [(), TALLIES[1:]], ids=["none", "one is hidden"])
def test_without_all_tallies_nothing_is_deleted(
    shelf: Shelf, keys: MailboxKeys, tallies: tuple[bytes, ...]
) -> None:
    shelf.close(keys, tallies=tallies)
    assert RetentionResult(kept=1) == shelf.retain()
    assert (True, []) == (shelf.holds(keys), shelf.tallies())


def test_tallies_of_different_sizes_do_not_enter_the_ledger(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.close(keys, tallies=[*TALLIES, b"short"])
    assert RetentionResult(kept=1) == shelf.retain()
    assert shelf.holds(keys)


def test_a_hint_that_the_operator_cleared_only_delays(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.close(keys)
    shelf.execute("UPDATE mailbox SET due = NULL")
    assert RetentionResult() == shelf.retain()
    refresh_hints(shelf.store)
    assert RetentionResult(purged=1) == shelf.retain()


# ---- as its source sees it -------------------------------------------------------------------------


def test_a_source_whose_mailbox_was_purged_gets_the_same_page_as_after_a_wrong_passphrase(
    tmp_path: Path,
) -> None:
    place = make_desk(tmp_path)
    browser, still_open = place.browser(), place.browser()
    browser.start()
    browser.write("please help")
    keys = place.keys_of(browser)
    place.answer(keys, "we have helped")
    still_open.get("/en/log-in")
    still_open.log_in(browser.passphrase)
    assert "we have helped" in still_open.get("/en/mailbox").text
    with place.store.writing() as session:
        mailbox_tallies.put(session, keys.address, TALLIES)
    place.close(keys, "goodbye", TODAY)
    assert RetentionResult(purged=1) == apply_retention(place.store, place.letterhead, TODAY)
    cleanup.destroy_deleted(place.store, NOW)
    stranger = place.browser()
    refused, unknown = (
        each.log_in(words)
        for each, words in ((place.browser(), browser.passphrase), (stranger, "seven other"))
    )
    assert 200 != refused.status_code == unknown.status_code
    assert len(unknown.data) == len(refused.data)
    for page in (still_open.get("/en/mailbox"), still_open.write("are you there?", form_context={})):
        assert "we have helped" not in page.text
        assert page.status_code < 500
    place.store.close()


# ---- mailboxes that were never used -----------------------------------------------------------------


def test_an_unused_mailbox_is_dropped_after_the_months_in_the_letterhead(shelf: Shelf) -> None:
    opened = date(2026, 3, 31)
    unused, used = shelf.open(1, opened), shelf.open(2, opened)
    shelf.write(used)
    assert RetentionResult() == shelf.retain(date(2027, 3, 31))
    assert RetentionResult(never_used=1) == shelf.retain(date(2027, 4, 1))
    assert (False, True) == (shelf.holds(unused), shelf.holds(used))
    assert 0 == rows(shelf.store, "ended_mailbox")  # there is nothing that the desk could miss


# ---- in the sweeper ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_at_any_moment_each_mailbox_is_complete_or_purged(shelf: Shelf) -> None:
    made = [shelf.open(seed) for seed in range(1, 41)]
    for keys in made:
        shelf.write(keys)
        shelf.close(keys, tallies=[os.urandom(600) for _ in range(8)])
    fork = multiprocessing.get_context("fork")
    for wait in (0.0, 0.01, 0.03, 0.05):
        retaining = fork.Process(target=shelf.retain)
        retaining.start()
        time.sleep(wait)  # no condition to wait for: any moment is the right one
        os.kill(retaining.pid or 0, signal.SIGKILL)
        retaining.join()
        held = sum(map(shelf.holds, made))
        tables = ("entry", "ended_mailbox", "ledger_tally", "mailbox_tally")
        count = {table: rows(shelf.store, table) for table in tables}
        assert count == {
            "entry": 2 * held,
            "ended_mailbox": 40 - held,
            "ledger_tally": 8 * (40 - held),
            "mailbox_tally": 8 * held,
        }
    left = sum(map(shelf.holds, made))
    assert RetentionResult(purged=left) == shelf.retain()
    assert 320 == len(set(shelf.tallies()))
    cleanup.destroy_deleted(shelf.store, NOW)
    assert 320 * 600 == usage(shelf.store)


@pytest.fixture
def sweeper(shelf: Shelf, tmp_path: Path) -> ServerSweeper:
    example = load_config(EXAMPLE, "source", SourceConfig)
    config = replace(example, fingerprint=FINGERPRINT, letterhead_serial_path=tmp_path / "serial")
    return ServerSweeper(shelf.store, open_sessions(tmp_path / "sessions.db", allow_disk=True), config)


def publish(store: Store, one: Letterhead = LETTERHEAD) -> None:
    with store.writing() as session:
        letterheads.add(session, one.serial, *letterhead.sign_letterhead(one, DESK_KEY))


def at_noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def test_a_sweep_deletes_what_is_due_and_leaves_no_byte(
    shelf: Shelf, keys: MailboxKeys, sweeper: ServerSweeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shelf.close(keys)
    publish(shelf.store)
    sweeper.sweep_once(at_noon(DUE - timedelta(days=1)))
    assert shelf.holds(keys)
    assert sweeper.sweep_once(at_noon(DUE)).is_clean
    raw = files_of(shelf.store)
    assert [False] * 6 == [sealed[-24:] in raw for sealed in shelf.sealed[keys.address]]
    assert ["mailboxes deleted that the desk closed: 1"] == caplog.messages


def test_without_a_letterhead_no_closed_mailbox_is_deleted_and_all_else_is_swept(
    shelf: Shelf, keys: MailboxKeys, sweeper: ServerSweeper, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.close(keys)
    other = shelf.open(2)
    shelf.sign(other, SourceWriter(other), EntryClass.REMOVAL, (shelf.write(other).digest,))
    assert [1, 0] == [sweeper.sweep_once(at_noon(DUE)).rows for _ in range(2)]
    assert shelf.holds(keys)
    (said,) = caplog.messages  # once, not with every sweep
    assert said.startswith("No closed mailbox is deleted. The store holds no letterhead")
    publish(shelf.store)
    sweeper.sweep_once(at_noon(DUE))
    assert not shelf.holds(keys)


def test_the_log_has_numbers_and_points_at_no_mailbox(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    forged, reopened, closed = (shelf.open(seed) for seed in (1, 2, 3))
    shelf.open(4, day=DAY - timedelta(days=500))
    for keys in (forged, reopened, closed):
        shelf.write(keys)
        shelf.close(keys, DeskWriter(LAPTOP.strand, bytes(32)) if keys is forged else WORKSTATION)
    shelf.write(reopened)
    first = shelf.retain()
    log_retention(first, RetentionResult())
    log_retention(shelf.retain(), first)
    assert [
        "mailboxes deleted that the desk closed: 1",
        "mailboxes dropped in which no one ever wrote: 1",
        "mailboxes kept, although the store calls them due: 1; tell the desk",
    ] == caplog.messages


def test_a_false_row_of_an_ended_mailbox_stops_no_deletion(
    shelf: Shelf, keys: MailboxKeys, sweeper: ServerSweeper
) -> None:
    shelf.close(keys)
    shelf.execute(
        "INSERT INTO ended_mailbox (id, address, recipient, verify_key, proof, day, is_counted) "
        "SELECT 1, address, x'', x'', x'', '2026-01-01', 1 FROM mailbox"
    )
    publish(shelf.store)
    sweeper.sweep_once(at_noon(DUE))
    assert not shelf.holds(keys)
    with shelf.store.reading() as session:
        (ended,) = mailboxes.ended_mailboxes(session)
    assert proof_from_bytes(ended.proof)
    assert not ended.is_counted


def test_a_mailbox_whose_deletion_breaks_a_constraint_stops_no_other(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.close(keys)
    other = shelf.open(2)
    shelf.write(other)
    shelf.close(other)
    unused = shelf.open(3, day=DAY - timedelta(days=500))
    shelf.execute(
        "CREATE TRIGGER fault BEFORE DELETE ON mailbox WHEN old.address = x'"
        + keys.address.hex()
        + "' BEGIN SELECT RAISE(ABORT, 'as if a constraint were broken'); END"
    )
    assert RetentionResult(1, 1, 1) == shelf.retain()
    assert [True, False, False] == [shelf.holds(each) for each in (keys, other, unused)]
