"""The server deletes the mailboxes that the desk closed, and nothing else."""

import contextlib
import logging
import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from nacl.signing import SigningKey
from sqlalchemy import text
from sqlalchemy.orm import Session

from deploy.settings.load_settings import load_config
from deploy.sweeping import retention
from deploy.sweeping.retention import (
    RetentionResult,
    apply_retention,
    forget_known,
    log_retention,
    purge_if_due,
    refresh_hints,
)
from deploy.sweeping.server_cleanup import ServerSweeper
from protocol import letterhead
from protocol.content import ClosingNote, Content, Kind
from protocol.entry import SignedEntry, seal_words, sign_entry
from protocol.envelope import EntryClass, Envelope
from protocol.identifiers import Address, Digest, EntryId
from protocol.letterhead import Letterhead, Strand
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import DeskWriter, EntryWriter, SourceWriter
from protocol.transcript.check import FaultKind
from protocol.transcript.ending import proof_from_bytes, proof_to_bytes
from source_app.config import SourceConfig
from store import cleanup, entries, letterheads, mailbox_tallies, mailboxes, outbox, peers, records
from store.database.engine import Store, create_store
from store.sessions import open_sessions
from stored_mailbox.appending import NewEntry, PreparedAppend, append_entries
from stored_mailbox.reading import StoredTranscript, read_stored
from stored_mailbox.whole_store import verify_store
from tests.protocol.desk_factories import DESK_KEY, FINGERPRINT, a_letterhead
from tests.protocol.mailbox_factories import DAY, LAPTOP, WORKSTATION, a_mailbox
from tests.source_app.desks import TODAY, make_desk
from tests.store.factories import NOW, a_record, all_tallies, files_of, rows, usage
from tests.store_work import work_of

DUE = DAY + timedelta(days=7)
TALLIES = tuple(sorted(os.urandom(600) for _ in range(8)))
EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def a_strand(writer: DeskWriter, until: date | None = None) -> Strand:
    key = bytes(SigningKey(writer.seed).verify_key)
    return Strand(id=writer.strand, name="one", verify_key=key, since=DAY, until=until)


LETTERHEAD = a_letterhead(strands=(a_strand(WORKSTATION), a_strand(LAPTOP)), abandoned_months=12)


@dataclass
class RetentionStore:
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
            mailbox_recipient=keys.identity.recipient,
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
        append_entries(self.store, lambda: PreparedAppend(stored.mailbox, [NewEntry(made)]))
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
def stored(tmp_path: Path) -> Iterator[RetentionStore]:
    store = create_store(tmp_path / "var" / "store.db")
    yield RetentionStore(store)
    store.close()


@pytest.fixture
def keys(stored: RetentionStore) -> MailboxKeys:
    """Return a mailbox with a question and an answer."""
    keys = stored.open(1)
    stored.write(keys)
    stored.write(keys, WORKSTATION)
    return keys


# ---- what the desk closed is deleted ----------------------------------------------------------------


def test_a_mailbox_that_the_desk_closed_leaves_no_byte_but_its_tallies(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    other = stored.open(2)
    stored.write(other)
    a_record(stored.store, keys.address, b"what the desk noted about it" * 100)
    closing = stored.close(keys)
    assert RetentionResult(purged=1) == stored.retain()
    cleanup.destroy_deleted(stored.store, NOW)
    raw = files_of(stored.store)
    gone = [
        sealed[at : at + 24]
        for sealed in stored.sealed[keys.address]
        for at in range(64, len(sealed) - 24, 24)  # after the bytes that every age file begins with
    ]
    assert len(gone) > 500
    assert [] == [piece for piece in gone if piece in raw]
    assert b"what the desk noted" not in raw
    kept = [sealed[-24:] for sealed in stored.sealed[other.address]]
    assert [True] * 2 == [piece in raw for piece in kept]
    assert list(TALLIES) == stored.tallies()
    with stored.store.reading() as session:
        (ended,) = mailboxes.ended_mailboxes(session)
    assert (keys.address, keys.verify_key, DUE) == (ended.address, ended.verify_key, ended.day)
    assert [closing.digest] == [entry.digest for entry in proof_from_bytes(ended.proof)]


def test_each_of_many_mailboxes_is_deleted_with_the_same_work(
    stored: RetentionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: someone made very many mailboxes, and the desk closed them all in one step."""
    found = []
    for seed in range(0, 80, 20):
        for each in range(seed, seed + 20):
            keys = stored.open(each)
            stored.write(keys)
            a_record(stored.store, keys.address)
            stored.close(keys)
            a_record(stored.store, os.urandom(20))  # about another mailbox
        found.append(work_of(stored.store, monkeypatch, stored.retain))
    assert (80, 80) == (rows(stored.store, "ended_mailbox"), rows(stored.store, "record"))
    assert found[-1].statements <= 1.1 * found[0].statements
    assert found[-1].steps < 1.3 * found[0].steps


def test_a_closed_mailbox_is_also_deleted_late(stored: RetentionStore, keys: MailboxKeys) -> None:
    stored.close(keys)
    assert RetentionResult(purged=1) == stored.retain(DUE + timedelta(days=400))


def test_read_receipts_of_either_side_do_not_keep_a_mailbox(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    stored.close(keys)
    stored.sign(keys, SourceWriter(keys), EntryClass.RECEIPT)
    stored.sign(keys, WORKSTATION, EntryClass.RECEIPT)
    assert RetentionResult(purged=1) == stored.retain()


def test_a_removal_after_the_closing_does_not_keep_a_mailbox(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    said = stored.write(keys)
    stored.close(keys)
    stored.sign(keys, SourceWriter(keys), EntryClass.REMOVAL, (said.digest,))
    assert RetentionResult(purged=1) == stored.retain()


def test_a_later_closing_of_another_workstation_counts(stored: RetentionStore, keys: MailboxKeys) -> None:
    stored.close(keys)
    stored.close(keys, LAPTOP, due=DUE + timedelta(days=3))
    assert RetentionResult() == stored.retain()
    assert RetentionResult(purged=1) == stored.retain(DUE + timedelta(days=3))


# ---- what is not closed is kept ---------------------------------------------------------------------


def test_a_closing_that_is_due_tomorrow_waits_whatever_the_row_says(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    stored.close(keys, due=DUE + timedelta(days=1))
    assert RetentionResult() == stored.retain()
    stored.says_due()
    assert RetentionResult(kept=1) == stored.retain()
    assert stored.holds(keys)
    assert RetentionResult(purged=1) == stored.retain(DUE + timedelta(days=1))


def test_a_clock_that_is_set_back_deletes_nothing_and_brings_nothing_back(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    stored.close(keys)
    stored.open(2, day=DUE)
    for today in (DAY - timedelta(days=1), date(1970, 1, 1), date.min):
        assert RetentionResult() == stored.retain(today)
    assert RetentionResult(purged=1) == stored.retain()
    assert RetentionResult() == stored.retain(DAY)
    assert not stored.holds(keys)


@pytest.mark.parametrize("by", [None, WORKSTATION, LAPTOP], ids=["the source", "the desk", "another strand"])
def test_later_words_of_either_side_keep_a_mailbox(
    stored: RetentionStore, keys: MailboxKeys, by: DeskWriter | None
) -> None:
    stored.close(keys)
    stored.write(keys, by)
    assert RetentionResult() == stored.retain()
    stored.says_due()
    assert RetentionResult(kept=1) == stored.retain()
    assert stored.holds(keys)


def test_words_between_the_decision_and_the_deletion_count(stored: RetentionStore, keys: MailboxKeys) -> None:
    stored.close(keys)
    stored.write(keys)
    with stored.store.writing() as session:
        assert not purge_if_due(session, keys.address, LETTERHEAD, DUE)
    assert stored.holds(keys)


def test_words_that_the_closing_lists_as_unseen_keep_a_mailbox(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    shown = stored.read(keys).transcript.authentic.keys()
    stored.write(keys)
    with stored.store.writing(durable=False) as session:
        mailbox_tallies.put(session, keys.address, TALLIES)
    stored.write(keys, WORKSTATION, due=DUE, shown=shown)
    stored.says_due()
    assert RetentionResult(kept=1) == stored.retain()


def test_an_empty_mailbox_that_the_store_calls_due_is_kept(stored: RetentionStore) -> None:
    empty = stored.open(3)
    stored.says_due()
    assert RetentionResult(kept=1) == stored.retain()
    assert stored.holds(empty)


# ---- what the desk did not write --------------------------------------------------------------------


def test_a_forged_closing_deletes_nothing(stored: RetentionStore, keys: MailboxKeys) -> None:
    stored.close(keys, DeskWriter(WORKSTATION.strand, os.urandom(32)))
    assert RetentionResult(kept=1) == stored.retain()
    assert stored.holds(keys)


def test_the_closing_of_another_mailbox_deletes_nothing(stored: RetentionStore, keys: MailboxKeys) -> None:
    other = stored.open(2)
    stored.write(other)
    closing = stored.close(other)
    stored.execute(
        "UPDATE entry SET address = :address WHERE digest = :digest",
        address=keys.address,
        digest=closing.digest,
    )
    stored.says_due()
    assert RetentionResult(kept=2) == stored.retain()


def test_a_closing_of_a_workstation_that_was_retired_since_waits_for_another(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    stored.close(keys, LAPTOP)
    stored.letterhead = a_letterhead(strands=(a_strand(WORKSTATION), a_strand(LAPTOP, DUE - timedelta(1))))
    assert RetentionResult(kept=1) == stored.retain()
    stored.letterhead = a_letterhead(strands=(a_strand(WORKSTATION),))
    assert RetentionResult(kept=1) == stored.retain()
    stored.letterhead = a_letterhead(strands=(a_strand(WORKSTATION), a_strand(LAPTOP, DUE - timedelta(1))))
    stored.close(keys)
    assert RetentionResult(purged=1) == stored.retain()


def test_an_earlier_day_that_is_put_back_deletes_nothing(stored: RetentionStore, keys: MailboxKeys) -> None:
    """Attack: the operator drops the second closing.

    A later receipt of the desk names this closing, so it is missing.
    """
    stored.close(keys)
    later = stored.close(keys, due=DUE + timedelta(days=90))
    stored.sign(keys, WORKSTATION, EntryClass.RECEIPT)
    stored.execute("DELETE FROM entry WHERE digest = :digest", digest=later.digest)
    stored.says_due()
    assert RetentionResult(kept=1) == stored.retain()


def test_a_closing_after_the_mailbox_was_opened_again_deletes_nothing(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    closing = stored.close(keys)
    assert RetentionResult(purged=1) == stored.retain()
    with stored.store.writing() as session:
        mailboxes.drop_ended(session, keys.address, ())
    assert keys.address == stored.open(1).address
    stored.write(keys)
    with stored.store.writing() as session:
        mailbox_tallies.put(session, keys.address, TALLIES)
    stored.append(closing, stored.read(keys))
    stored.says_due()
    assert RetentionResult(kept=1) == stored.retain()
    assert stored.holds(keys)


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
    stored: RetentionStore, keys: MailboxKeys, statement: str
) -> None:
    stored.close(keys)
    stored.execute(statement)
    assert RetentionResult(kept=1) == stored.retain()
    assert stored.holds(keys)


def test_words_that_the_source_wrote_and_the_operator_dropped_keep_a_mailbox_once_they_are_named(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    stored.close(keys)
    stored.write(keys)
    stored.sign(keys, SourceWriter(keys), EntryClass.RECEIPT)
    stored.execute("DELETE FROM entry WHERE author = 0 AND number = 2")
    stored.says_due()
    assert RetentionResult(kept=1) == stored.retain()


@pytest.mark.parametrize("tallies", [(), TALLIES[1:]], ids=["none", "one is hidden"])
def test_without_all_tallies_nothing_is_deleted(
    stored: RetentionStore, keys: MailboxKeys, tallies: tuple[bytes, ...]
) -> None:
    stored.close(keys, tallies=tallies)
    assert RetentionResult(kept=1) == stored.retain()
    assert (True, []) == (stored.holds(keys), stored.tallies())


def test_tallies_of_different_sizes_do_not_enter_the_ledger(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    stored.close(keys, tallies=[*TALLIES, b"short"])
    assert RetentionResult(kept=1) == stored.retain()
    assert stored.holds(keys)


def test_a_hint_that_the_operator_cleared_only_delays(stored: RetentionStore, keys: MailboxKeys) -> None:
    stored.close(keys)
    stored.execute("UPDATE mailbox SET due = NULL")
    assert RetentionResult() == stored.retain()
    refresh_hints(stored.store)
    assert RetentionResult(purged=1) == stored.retain()


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


def test_an_unused_mailbox_is_dropped_after_the_months_in_the_letterhead(stored: RetentionStore) -> None:
    opened = date(2026, 3, 31)
    unused, used = stored.open(1, opened), stored.open(2, opened)
    stored.write(used)
    assert RetentionResult() == stored.retain(date(2027, 3, 31))
    assert RetentionResult(never_used=1) == stored.retain(date(2027, 4, 1))
    assert (False, True) == (stored.holds(unused), stored.holds(used))
    assert 0 == rows(stored.store, "ended_mailbox")  # there is nothing that the desk could miss


# ---- in the sweeper ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_at_any_moment_each_mailbox_is_complete_or_purged(stored: RetentionStore) -> None:
    made = [stored.open(seed) for seed in range(1, 41)]
    for keys in made:
        stored.write(keys)
        stored.close(keys, tallies=[os.urandom(600) for _ in range(8)])
    fork = multiprocessing.get_context("fork")
    for wait in (0.0, 0.01, 0.03, 0.05):
        retaining = fork.Process(target=stored.retain)
        retaining.start()
        time.sleep(wait)  # no condition to wait for: any moment is the right one
        os.kill(retaining.pid or 0, signal.SIGKILL)
        retaining.join()
        held = sum(map(stored.holds, made))
        tables = ("entry", "ended_mailbox", "ledger_tally", "mailbox_tally")
        count = {table: rows(stored.store, table) for table in tables}
        assert count == {
            "entry": 2 * held,
            "ended_mailbox": 40 - held,
            "ledger_tally": 8 * (40 - held),
            "mailbox_tally": 8 * held,
        }
    left = sum(map(stored.holds, made))
    assert RetentionResult(purged=left) == stored.retain()
    assert 320 == len(set(stored.tallies()))
    cleanup.destroy_deleted(stored.store, NOW)
    assert 320 * 600 == usage(stored.store)


# ---- what a source removed


_RESTORE = (
    "INSERT OR REPLACE INTO sealed (id, size, shield, header, payload)"
    " SELECT id, :size, zeroblob(4096), :header, :payload FROM entry WHERE digest = :digest"
)


@pytest.fixture
def gone(stored: RetentionStore, keys: MailboxKeys) -> SignedEntry:
    """Return words that their source removed, and that the clean-up destroyed."""
    made = stored.write(keys)
    stored.sign(keys, SourceWriter(keys), EntryClass.REMOVAL, (made.digest,))
    cleanup.destroy_deleted(stored.store, NOW)
    return made


def restore(stored: RetentionStore, made: SignedEntry) -> None:
    """Put the encrypted part of an entry back, as an operator can who kept a copy."""
    stored.execute(
        _RESTORE, digest=made.digest, size=len(made.payload or b""), header=made.header, payload=made.payload
    )


def is_restored(stored: RetentionStore, keys: MailboxKeys) -> bool:
    return any(fault.kind is FaultKind.RESTORED for fault in stored.read(keys).transcript.faults)


def test_removed_words_that_the_operator_restores_are_destroyed_again_and_reported(
    stored: RetentionStore, keys: MailboxKeys, gone: SignedEntry, caplog: pytest.LogCaptureFixture
) -> None:
    refresh_hints(stored.store)
    assert caplog.messages == []
    restore(stored, gone)
    assert is_restored(stored, keys)

    refresh_hints(stored.store)
    cleanup.destroy_deleted(stored.store, NOW)

    assert not is_restored(stored, keys)
    raw = files_of(stored.store)
    assert [False] * 2 == [sealed[-24:] in raw for sealed in stored.sealed[keys.address][-2:]]
    assert caplog.messages == ["mailboxes whose removed words had contents again: 1; tell the desk"]


def test_a_forged_removal_destroys_nothing(stored: RetentionStore, keys: MailboxKeys) -> None:
    """Attack: a removal that the source did not sign makes the clean-up destroy the words of the source."""
    made = stored.write(keys)
    stored.sign(keys, SourceWriter(a_mailbox(9)), EntryClass.REMOVAL, (made.digest,))
    cleanup.destroy_deleted(stored.store, NOW)
    restore(stored, made)

    refresh_hints(stored.store)

    with stored.store.reading() as session:
        found = entries.find_digest(session, keys.address, made.digest)
    assert found is not None
    assert found.header == made.header


def test_the_check_of_the_store_names_restored_words(stored: RetentionStore, gone: SignedEntry) -> None:
    restore(stored, gone)
    (verdict,) = verify_store(stored.store, stored.letterhead.strand_keys)
    assert verdict.describe() == "restored"


# ---- what is kept until every workstation was told


def left(stored: RetentionStore) -> tuple[int, int]:
    """Let the server forget what is known everywhere. Return how many proofs and dropped records are left."""
    forget_known(stored.store, stored.letterhead, DUE)
    return rows(stored.store, "ended_mailbox"), rows(stored.store, "record")


@pytest.fixture
def kept(stored: RetentionStore, keys: MailboxKeys) -> RetentionStore:
    """Return a server with the proof of an ended mailbox and a dropped record, and without workstations."""
    envelope = Envelope(
        address=keys.address,
        entry_id=EntryId(os.urandom(16)),
        entry_class=EntryClass.END,
        strand=SourceWriter(keys).strand,
        heads=(),
        unseen=(),
        day=DUE - timedelta(days=30),
        letterhead_serial=1,
        removes=(),
    )
    end = sign_entry(envelope, by=SourceWriter(keys))
    with stored.store.writing() as session:
        mailboxes.end_for_good(session, keys.address, proof=proof_to_bytes([end]), day=envelope.day)
        records.put(session, "casefile", keys.address, 1, b"", goes_to_peers=True, is_dropped=True)
    return stored


def confirms(stored: RetentionStore, by: DeskWriter) -> None:
    with stored.store.writing() as session:
        peers.add(session, by.strand, b"")
        outbox.enqueue_all(session, by.strand)
        for kind in outbox.OutboxKind:
            outbox.mark_packed(session, [each.id for each in outbox.of_kind(session, by.strand, kind)], 1)
        outbox.acknowledge_pouch(session, by.strand, 1)


def test_a_list_without_workstations_shortens_no_wait(kept: RetentionStore) -> None:
    """Attack: the operator deletes the rows of the workstations, so that no one waits for them."""
    confirms(kept, WORKSTATION)
    kept.execute("DELETE FROM peer WHERE name = :name", name=WORKSTATION.strand)
    confirms(kept, LAPTOP)
    assert left(kept) == (1, 1)
    confirms(kept, WORKSTATION)
    assert left(kept) == (0, 0)


def test_a_proof_stays_for_thirty_days_whatever_the_outbox_says(kept: RetentionStore) -> None:
    """Attack: the operator deletes rows of the outbox, so that each workstation seems to know of the end."""
    confirms(kept, WORKSTATION)
    confirms(kept, LAPTOP)
    forget_known(kept.store, kept.letterhead, DUE - timedelta(days=1))
    assert rows(kept.store, "ended_mailbox") == 1
    assert left(kept) == (0, 0)


@pytest.mark.parametrize("day", ["2020-01-01", "x"])
def test_an_earlier_day_in_the_row_of_a_proof_shortens_nothing(kept: RetentionStore, day: str) -> None:
    confirms(kept, WORKSTATION)
    confirms(kept, LAPTOP)
    kept.execute("UPDATE ended_mailbox SET day = :day", day=day)
    forget_known(kept.store, kept.letterhead, DUE - timedelta(days=1))
    assert rows(kept.store, "ended_mailbox") == 1


def test_a_proof_of_a_late_deletion_stays_for_thirty_days_after_the_deletion(kept: RetentionStore) -> None:
    """The server was off on the day of deletion. So its workstations are told as late as it deletes."""
    confirms(kept, WORKSTATION)
    confirms(kept, LAPTOP)
    kept.execute("UPDATE ended_mailbox SET day = :day", day=(DUE - timedelta(days=29)).isoformat())
    assert left(kept) == (1, 0)
    forget_known(kept.store, kept.letterhead, DUE + timedelta(days=1))
    assert left(kept) == (0, 0)


def test_a_proof_that_does_not_parse_stays(kept: RetentionStore) -> None:
    """Attack: the operator damages the proof for a moment, while the server forgets what is known."""
    confirms(kept, WORKSTATION)
    confirms(kept, LAPTOP)
    kept.execute("UPDATE ended_mailbox SET proof = :proof", proof=b"proof")
    assert left(kept) == (1, 0)


def test_a_flood_of_ended_mailboxes_keeps_no_one_from_writing(
    kept: RetentionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: sources make and end mailboxes without end. Each sweep read all proofs while writers waited."""
    confirms(kept, WORKSTATION)
    confirms(kept, LAPTOP)
    parsed: list[bytes] = []

    def parse_while_another_writes(proof: bytes) -> tuple[SignedEntry, ...]:
        with contextlib.closing(sqlite3.connect(kept.store.path, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
        parsed.append(proof)
        return proof_from_bytes(proof)

    monkeypatch.setattr(retention, "proof_from_bytes", parse_while_another_writes)
    forget_known(kept.store, kept.letterhead, DUE - timedelta(days=1))
    assert parsed == []
    assert left(kept) == (0, 0)
    assert len(parsed) == 1


def test_an_invented_workstation_shortens_no_wait(kept: RetentionStore) -> None:
    confirms(kept, WORKSTATION)
    with kept.store.writing() as session:
        peers.add(session, LAPTOP.strand, b"")  # its outbox is empty, but it has confirmed nothing
    assert left(kept) == (1, 1)


def test_no_one_waits_for_a_workstation_that_was_taken_out_of_use(
    kept: RetentionStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    confirms(kept, WORKSTATION)
    with kept.store.writing() as session:
        peers.add(session, LAPTOP.strand, b"")
    kept.letterhead = a_letterhead(strands=(a_strand(WORKSTATION), a_strand(LAPTOP, DUE)))
    assert left(kept) == (1, 1)
    kept.letterhead = a_letterhead(strands=(a_strand(WORKSTATION), a_strand(LAPTOP, DUE - timedelta(1))))
    assert left(kept) == (0, 0)
    with kept.store.reading() as session:
        assert [each.name for each in peers.all_peers(session)] == [WORKSTATION.strand]
    assert caplog.messages == ["a workstation that the desk does not use is forgotten"]


def test_invented_workstations_are_forgotten(kept: RetentionStore) -> None:
    """Attack: the operator adds workstations, so that each message adds a row to the outbox for each."""
    with kept.store.writing() as session:
        for number in range(200):
            peers.add(session, number.to_bytes(8), b"")
    left(kept)
    with kept.store.reading() as session:
        assert peers.all_peers(session) == []


@pytest.fixture
def sweeper(stored: RetentionStore, tmp_path: Path) -> ServerSweeper:
    example = load_config(EXAMPLE, "source", SourceConfig)
    config = replace(example, fingerprint=FINGERPRINT, letterhead_serial_path=tmp_path / "serial")
    return ServerSweeper(stored.store, open_sessions(tmp_path / "sessions.db", allow_disk=True), config)


def publish(store: Store, one: Letterhead = LETTERHEAD) -> None:
    with store.writing() as session:
        letterheads.add(session, one.serial, *letterhead.sign_letterhead(one, DESK_KEY))


def at_noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def test_a_sweep_deletes_what_is_due_and_leaves_no_byte(
    stored: RetentionStore, keys: MailboxKeys, sweeper: ServerSweeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stored.close(keys)
    publish(stored.store)
    sweeper.sweep_once(at_noon(DUE - timedelta(days=1)))
    assert stored.holds(keys)
    sweeper.sweep_once(at_noon(DUE))
    raw = files_of(stored.store)
    assert [False] * 6 == [sealed[-24:] in raw for sealed in stored.sealed[keys.address]]
    assert ["mailboxes deleted that the desk closed: 1"] == caplog.messages


@pytest.mark.parametrize("off", [-40, 365], ids=["behind", "ahead"])
def test_a_clock_that_jumps_while_the_sweeper_runs_deletes_no_mailbox(
    stored: RetentionStore,
    keys: MailboxKeys,
    sweeper: ServerSweeper,
    caplog: pytest.LogCaptureFixture,
    off: int,
) -> None:
    """Attack: a false time server. All closed mailboxes would be gone at the next sweep."""
    stored.close(keys)
    publish(stored.store)
    unused = stored.open(2, day=DUE)
    sweeper.look_at_clock(DUE - timedelta(days=1))
    assert sweeper.trusts_clock

    for _ in range(2):
        sweeper.look_at_clock(DUE + timedelta(days=off))
        sweeper.sweep_once(at_noon(DUE + timedelta(days=off)))

    assert [True, True] == [stored.holds(keys), stored.holds(unused)]
    (said,) = caplog.messages  # once, not with every sweep
    assert said.startswith("a clock is wrong")
    sweeper.look_at_clock(DUE)
    sweeper.sweep_once(at_noon(DUE))
    assert not stored.holds(keys)


def test_a_workstation_admitted_between_two_sweeps_is_not_forgotten(
    stored: RetentionStore, sweeper: ServerSweeper
) -> None:
    """Fault: the forgotten workstation told the adviser that someone restored an older copy of the server."""
    first = a_letterhead(strands=(a_strand(WORKSTATION),))
    publish(stored.store, first)
    sweeper.sweep_once(at_noon(DAY))
    publish(stored.store, first.successor(strands=(a_strand(WORKSTATION), a_strand(LAPTOP))))
    with stored.store.writing() as session:
        peers.add(session, LAPTOP.strand, b"")
    sweeper.sweep_once(at_noon(DAY))
    with stored.store.reading() as session:
        assert peers.find(session, LAPTOP.strand) is not None


def test_without_a_letterhead_no_closed_mailbox_is_deleted_and_all_else_is_swept(
    stored: RetentionStore, keys: MailboxKeys, sweeper: ServerSweeper, caplog: pytest.LogCaptureFixture
) -> None:
    stored.close(keys)
    other = stored.open(2)
    stored.sign(other, SourceWriter(other), EntryClass.REMOVAL, (stored.write(other).digest,))
    assert [1, 0] == [sweeper.sweep_once(at_noon(DUE)) for _ in range(2)]
    assert stored.holds(keys)
    (said,) = caplog.messages  # once, not with every sweep
    assert said.startswith("No closed mailbox is deleted. The store holds no letterhead")
    publish(stored.store)
    sweeper.sweep_once(at_noon(DUE))
    assert not stored.holds(keys)


def test_the_log_has_numbers_and_points_at_no_mailbox(
    stored: RetentionStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    forged, reopened, closed = (stored.open(seed) for seed in (1, 2, 3))
    stored.open(4, day=DAY - timedelta(days=500))
    for keys in (forged, reopened, closed):
        stored.write(keys)
        stored.close(keys, DeskWriter(LAPTOP.strand, bytes(32)) if keys is forged else WORKSTATION)
    stored.write(reopened)
    first = stored.retain()
    log_retention(first, RetentionResult())
    log_retention(stored.retain(), first)
    assert [
        "mailboxes deleted that the desk closed: 1",
        "mailboxes dropped in which no one ever wrote: 1",
        "mailboxes kept, although the store calls them due: 1; tell the desk",
    ] == caplog.messages


def test_a_false_row_of_an_ended_mailbox_stops_no_deletion(
    stored: RetentionStore, keys: MailboxKeys, sweeper: ServerSweeper
) -> None:
    stored.close(keys)
    stored.execute(
        "INSERT INTO ended_mailbox (id, address, recipient, verify_key, proof, day) "
        "SELECT 1, address, x'', x'', x'', '2026-01-01' FROM mailbox"
    )
    publish(stored.store)
    sweeper.sweep_once(at_noon(DUE))
    assert not stored.holds(keys)
    with stored.store.reading() as session:
        (ended,) = mailboxes.ended_mailboxes(session)
    assert proof_from_bytes(ended.proof)


def test_a_mailbox_whose_deletion_breaks_a_constraint_stops_no_other(
    stored: RetentionStore, keys: MailboxKeys
) -> None:
    stored.close(keys)
    other = stored.open(2)
    stored.write(other)
    stored.close(other)
    unused = stored.open(3, day=DAY - timedelta(days=500))
    stored.execute(
        "CREATE TRIGGER fault BEFORE DELETE ON mailbox WHEN old.address = x'"
        + keys.address.hex()
        + "' BEGIN SELECT RAISE(ABORT, 'as if a constraint were broken'); END"
    )
    assert RetentionResult(1, 1, 1) == stored.retain()
    assert [True, False, False] == [stored.holds(each) for each in (keys, other, unused)]


# ---- one mailbox's fault


def fails_in(monkeypatch: pytest.MonkeyPatch, keys: MailboxKeys, name: str) -> None:
    """Plant a fault in a function of the clean-up, which then divides by zero in one mailbox."""
    real = getattr(retention, name)

    def faulty(session: Session, address: Address, *args: object, **options: object) -> object:
        if address == keys.address:
            raise ZeroDivisionError
        return real(session, address, *args, **options)

    monkeypatch.setattr(retention, name, faulty)


def test_an_unexpected_fault_in_one_mailbox_keeps_no_other_from_being_deleted(
    stored: RetentionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = [*map(stored.open, range(2, 8))]
    for each in everyone:
        stored.write(each)
        stored.close(each)
    fails_in(monkeypatch, everyone[3], "read_stored")

    assert RetentionResult(purged=5, kept=1) == stored.retain()
    assert [each for each in everyone if stored.holds(each)] == [everyone[3]]


def test_an_unexpected_fault_in_one_mailbox_keeps_no_other_from_being_tidied(
    stored: RetentionStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    everyone = [*map(stored.open, range(2, 8))]
    for each in everyone:
        stored.write(each)
    stored.execute("UPDATE mailbox SET waiting_since = NULL")
    fails_in(monkeypatch, everyone[3], "recompute_state")

    refresh_hints(stored.store)

    waiting = [each for each in everyone if stored.read(each).mailbox.waiting_since is not None]
    assert len(waiting) == 5
    assert caplog.messages == ["mailboxes whose days were not computed again: 1; tell the desk"]
