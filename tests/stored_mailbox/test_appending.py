"""The append loop appends all entries or none, only to the verified state of the mailbox, and never twice."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from protocol.entry import SignedEntry
from protocol.envelope import EntryClass
from protocol.transcript.closing import closed_until
from protocol.transcript.waiting import waiting_since
from store import entries, letterheads, mailboxes
from store.database.engine import Store
from store.errors import EntryMissingError, MailboxChangedError, NoSuchMailboxError
from stored_mailbox.appending import (
    NewEntry,
    PreparedAppend,
    append_entries,
    destroy_restored,
    recompute_state,
    state_of,
    store_entry,
    update_state,
)
from stored_mailbox.lost_entries import check_envelopes
from tests.protocol.mailbox_factories import DAY, DUE, LAPTOP, WORKSTATION, Talk, a_mailbox, the_strands

pytestmark = [pytest.mark.usefixtures("_on_database"), pytest.mark.databases("sqlite", "postgresql")]


def prepared(
    store: Store, talk: Talk, *new: SignedEntry, hook: Callable[[Session], None] | None = None
) -> PreparedAppend:
    """Return entries that were signed after the mailbox was read now."""
    with store.reading() as session:
        mailbox = mailboxes.find(session, talk.keys.address)
    assert mailbox is not None
    return PreparedAppend(mailbox, [NewEntry(each) for each in new], hook)


def append(store: Store, talk: Talk, *new: SignedEntry) -> None:
    assert append_entries(store, lambda: prepared(store, talk, *new))


def digests(store: Store, talk: Talk) -> set[bytes]:
    with store.reading() as session:
        return set(entries.digests(session, talk.keys.address))


def state(store: Store, talk: Talk) -> tuple[date | None, date | None]:
    with store.reading() as session:
        mailbox = mailboxes.find(session, talk.keys.address)
    assert mailbox is not None
    return mailbox.waiting_since, mailbox.due


def test_entries_are_appended_together(store: Store, talk: Talk) -> None:
    both = talk.write(talk.source), talk.write(WORKSTATION)

    append(store, talk, *both)

    assert {entry.digest for entry in both} == digests(store, talk)


def test_nothing_to_append_changes_nothing(store: Store, talk: Talk) -> None:
    assert not append_entries(store, lambda: None)
    assert set() == digests(store, talk)


def test_entries_are_signed_again_after_each_change_of_the_mailbox(store: Store, talk: Talk) -> None:
    attempts: list[int] = []

    def prepare() -> PreparedAppend:
        attempts.append(len(attempts))
        ready = prepared(store, talk, talk.write(talk.source))
        if len(attempts) < 3:
            append(store, talk, talk.write(WORKSTATION))
        return ready

    assert append_entries(store, prepare)
    assert len(attempts) == 3
    assert len(digests(store, talk)) == 3


def test_a_mailbox_that_changes_at_every_attempt_is_given_up(store: Store, talk: Talk) -> None:
    def prepare() -> PreparedAppend:
        ready = prepared(store, talk, talk.write(talk.source))
        append(store, talk, talk.write(WORKSTATION))
        return ready

    with pytest.raises(MailboxChangedError):
        append_entries(store, prepare)


def test_a_failed_hook_rolls_the_entries_back(store: Store, talk: Talk) -> None:
    def fail(session: Session) -> None:
        assert entries.digests(session, talk.keys.address)
        raise KeyError

    with pytest.raises(KeyError):
        append_entries(store, lambda: prepared(store, talk, talk.write(talk.source), hook=fail))
    assert set() == digests(store, talk)


def test_nothing_is_appended_to_a_mailbox_that_ended(store: Store, talk: Talk) -> None:
    ready = prepared(store, talk, talk.write(talk.source))
    with store.writing() as session:
        mailboxes.end_for_good(session, talk.keys.address, proof=b"proof", day=DAY)

    with pytest.raises(NoSuchMailboxError):
        append_entries(store, lambda: ready)


def test_a_removal_destroys_the_header_in_its_own_transaction(store: Store, talk: Talk) -> None:
    words = talk.write(talk.source)
    append(store, talk, words)

    append(store, talk, talk.remove(words))

    with store.reading() as session:
        row = entries.find_digest(session, talk.keys.address, words.digest)
    assert row is not None
    assert row.header is None
    assert state(store, talk) == (None, None)  # no one waits for an answer to removed words


def test_a_removal_that_removes_nothing_is_not_appended(store: Store, talk: Talk) -> None:
    words = talk.write(talk.source)
    append(store, talk, words)
    append(store, talk, talk.remove(words))
    before = digests(store, talk)

    with pytest.raises(EntryMissingError):
        append(store, talk, talk.remove(words))
    assert before == digests(store, talk)


def test_words_of_the_source_wait_until_words_of_the_desk(store: Store, talk: Talk) -> None:
    append(store, talk, talk.write(talk.source))
    append(store, talk, talk.write(talk.source, day=DAY + timedelta(1)))
    assert state(store, talk) == (DAY, None)
    append(store, talk, talk.read(WORKSTATION))
    assert state(store, talk) == (DAY, None)
    append(store, talk, talk.write(WORKSTATION))
    assert state(store, talk) == (None, None)


def test_a_closing_is_due_until_someone_writes(store: Store, talk: Talk) -> None:
    append(store, talk, talk.close())
    assert state(store, talk) == (None, DUE)
    append(store, talk, talk.read(talk.source))
    assert state(store, talk) == (None, DUE)
    append(store, talk, talk.write(talk.source))
    assert state(store, talk) == (DAY, None)


@pytest.mark.parametrize("how", ["not_shown", "hidden"])
def test_words_of_the_desk_answer_and_close_only_what_their_writer_knew(
    store: Store, talk: Talk, how: str
) -> None:
    question = talk.write(talk.source)
    append(store, talk, question)

    append(store, talk, talk.write(WORKSTATION, **{how: [question]}))
    assert state(store, talk) == (DAY, None)
    append(store, talk, talk.close(**{how: [question]}))
    assert state(store, talk) == (DAY, None)


@pytest.mark.parametrize("seed", range(30))
def test_after_every_entry_the_stored_state_is_what_the_rules_say(
    store: Store, talk: Talk, seed: int
) -> None:
    drawn = random.Random(seed)
    for turn in range(12):
        words = [entry for entry in talk.entries if entry.envelope.is_words and entry.header is not None]
        how = {drawn.choice(["not_shown", "hidden"]): drawn.sample(words, drawn.randint(0, len(words) // 2))}
        day = DAY + timedelta(drawn.choice([turn, 0]))
        make = drawn.choice([talk.write, talk.read, talk.close, talk.remove])
        if make == talk.remove:
            new = talk.remove(*words[:1], day=day) if words else talk.read(WORKSTATION)
        elif make == talk.close:
            new = talk.close(day=day, due=day + timedelta(30), **how)
        else:
            new = make(drawn.choice([talk.source, WORKSTATION, LAPTOP]), day=day, **how)

        append(store, talk, new)

        transcript = talk.check()
        assert state(store, talk) == (waiting_since(transcript), closed_until(transcript))


def test_the_state_is_computed_again_from_the_envelopes(store: Store, talk: Talk) -> None:
    append(store, talk, talk.write(talk.source))
    append(store, talk, talk.close())
    with store.writing() as session:
        entries.set_state(session, talk.keys.address, waiting_since=DAY, due=None)
        recompute_state(session, talk.keys.address)
    assert state(store, talk) == (None, DUE)


def test_a_state_that_was_read_before_a_change_is_computed_again(store: Store, talk: Talk) -> None:
    append(store, talk, talk.write(talk.source))
    with store.reading() as session:
        checked = check_envelopes(session, talk.keys.address, the_strands())
        assert check_envelopes(session, b"a" * 20, the_strands()) is None
    assert checked is not None
    waits = state_of(checked)
    assert (waits.waiting_since, waits.due) == (DAY, None)

    append(store, talk, talk.close())
    with store.writing() as session:
        update_state(session, waits)

    assert state(store, talk) == (None, DUE)


def test_a_row_that_differs_from_the_verified_entry_is_read_again(store: Store, talk: Talk) -> None:
    """Attack: the operator edits a row after a sync verified it, and keeps the digest in the row."""
    edited, kept = talk.write(talk.source), talk.write(talk.source)
    append(store, talk, edited)
    append(store, talk, kept)
    with store.writing() as session:
        sql = text("UPDATE entry SET signature = :other WHERE digest = :digest")
        session.execute(sql, {"other": kept.signature, "digest": edited.digest})

    with store.reading() as session:
        verified = {entry.digest: entry for entry in (edited, kept)}
        checked = check_envelopes(session, talk.keys.address, the_strands(), verified)

    assert checked is not None
    assert checked.transcript.authentic == {kept.digest: kept}
    assert edited.digest not in checked.rows


def test_a_removal_of_another_source_destroys_nothing(store: Store, talk: Talk) -> None:
    """Attack: a source signs a removal of words of another mailbox, and the operator moves it there."""
    other, kept = Talk(a_mailbox(2)), talk.write(talk.source)
    append(store, talk, kept)
    removal = other.add(other.source, EntryClass.REMOVAL, removes=(kept.digest,))
    with store.writing() as session:
        keys = other.keys
        mailboxes.create_mailbox(
            session,
            address=keys.address,
            recipient=keys.recipient,
            verify_key=keys.verify_key,
            opened_day=DAY,
        )
        store_entry(session, removal)
        session.execute(text("UPDATE entry SET address = :a"), {"a": talk.keys.address})

        assert destroy_restored(session, talk.keys.address) == 0

        found = entries.find_digest(session, talk.keys.address, kept.digest)
    assert found is not None
    assert found.header == kept.header


@pytest.mark.databases("sqlite")  # looks into the file
def test_what_was_restored_after_its_removal_is_destroyed_again(store: Store, talk: Talk) -> None:
    gone = talk.write(talk.source)
    append(store, talk, gone)
    append(store, talk, talk.remove(gone))
    with store.writing() as session:
        assert destroy_restored(session, talk.keys.address) == 0
        session.execute(text("DELETE FROM deletion_queue"))
        session.execute(text("UPDATE sealed SET header = x'01'"))

        assert destroy_restored(session, talk.keys.address) > 0

        found = entries.find_digest(session, talk.keys.address, gone.digest)
        assert destroy_restored(session, b"a" * 20) == 0
    assert found is not None
    assert found.header is None


@pytest.mark.databases("postgresql")
def test_an_entry_whose_transaction_met_a_deadlock_is_appended_in_the_next_one(
    store: Store, talk: Talk
) -> None:
    """An operator's session locks rows in another order than the store does."""
    from tests.postgresql_cluster import database_of, the_cluster  # noqa: PLC0415  # needs libpq

    operator = psycopg.connect(the_cluster().url(database_of(store)))
    meetings: list[None] = []
    waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    def goes_on() -> None:
        operator.execute("SELECT pg_advisory_xact_lock(5374283, 1)")
        operator.commit()

    def meets(session: Session) -> None:
        meetings.append(None)
        if len(meetings) == 1:
            thread.submit(goes_on)
            while the_cluster().run(waits) == []:
                pass
        session.execute(text("SELECT * FROM letterhead FOR UPDATE"))

    with store.writing() as session:
        letterheads.add(session, 1, b"body", b"signature")
    with operator, ThreadPoolExecutor(1) as thread:
        operator.execute("SET deadlock_timeout = '1h'")  # PostgreSQL ends the other one
        operator.execute("SELECT * FROM letterhead FOR UPDATE")
        entry = talk.write(talk.source)
        assert append_entries(store, lambda: prepared(store, talk, entry, hook=meets))
    assert {entry.digest} == digests(store, talk)
    assert 2 == len(meetings)
