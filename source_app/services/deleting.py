"""Deleting: remove messages, or end the whole mailbox, with an entry that the source signs."""

from contextlib import suppress
from datetime import date

from protocol.envelope import REMOVED_AT_ONCE, EntryClass
from protocol.identifiers import Digest
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.ending import proof_to_bytes
from source_app.errors import MailboxGoneError, NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.form_context import FormContext
from source_app.services.login import MailboxSession, log_out
from source_app.services.own_entries import read_own_entries, sign_without_content
from source_app.services.verified_mailbox import read_words
from store import mailboxes
from store.errors import EntryMissingError, NoSuchMailboxError
from stored_mailbox.appending import NewEntry, PreparedAppend, append_entries


def delete_words(
    desk: PublicDesk, keys: MailboxKeys, entry_id: bytes, form_context: FormContext, *, today: date
) -> None:
    """Make all words with an entry id, and their files, unreadable for everyone, also for the desk.

    If the same form is sent twice, only one removal is appended.

    Raises:
        NotFoundError: this mailbox has no such words, or they were removed before.
        MailboxGoneError: the mailbox has ended.
    """

    def prepare() -> PreparedAppend | None:
        with desk.store.reading() as reading:
            own = read_own_entries(reading, keys, form_context)
        if own.sent:
            return None
        named: list[Digest] = [entry.digest for entry, _ in read_words(desk, keys, entry_id)]
        removal = sign_without_content(
            desk,
            keys,
            EntryClass.REMOVAL,
            entry_id=own.entry_id,
            heads=own.heads,
            unseen=own.unseen,
            day=today,
            removes=tuple(sorted(named)[:REMOVED_AT_ONCE]),
        )
        return PreparedAppend(keys.address, own.mailbox.version, [NewEntry(removal)])

    try:
        append_entries(desk.store, prepare)
    except EntryMissingError as why:
        raise NotFoundError from why
    except NoSuchMailboxError as why:
        raise MailboxGoneError from why


def end_mailbox(
    desk: PublicDesk, opened: MailboxSession, keys: MailboxKeys, form_context: FormContext, *, today: date
) -> None:
    """Make everything in a mailbox unreadable, and log the source out. A second call changes nothing."""

    def prepare() -> PreparedAppend:
        with desk.store.reading() as reading:
            own = read_own_entries(reading, keys, form_context)
        end = sign_without_content(
            desk, keys, EntryClass.END, entry_id=own.entry_id, heads=own.heads, unseen=own.unseen, day=today
        )
        proof = proof_to_bytes([end])
        return PreparedAppend(
            keys.address,
            own.mailbox.version,
            [],
            lambda writing: mailboxes.end_for_good(writing, keys.address, proof=proof, day=today),
        )

    with suppress(MailboxGoneError, NoSuchMailboxError):  # another tab may have ended it
        append_entries(desk.store, prepare)
    log_out(desk, opened.token)
