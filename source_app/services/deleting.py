"""Deletion by the source: remove messages, or end the whole mailbox, with an entry that the source signs."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.orm import Session

from crypto.errors import MalformedError
from protocol.entry import SignedEntry
from protocol.envelope import REMOVED_AT_ONCE, EntryClass
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.ending import proof_from_bytes, proof_to_bytes
from source_app.errors import NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.login import MailboxSession, log_out
from source_app.services.new_entry import draft_entry, is_authentic
from source_app.services.verified_mailbox import read_sent_words
from store import mailboxes
from store.errors import EntryMissingError, NoSuchMailboxError
from stored_mailbox.appending import PreparedAppend, append_entries
from stored_mailbox.entry_form import FormContext


def delete_words(
    desk: PublicDesk, keys: MailboxKeys, entry_id: bytes, form_context: FormContext, *, today: date
) -> Sequence[SignedEntry]:
    """Delete the entries with this id and their files, so that not even the desk can read them any more.

    Return the signed entry that records the removal. If the same form was sent before, the result is empty.

    Raises:
        NotFoundError: this mailbox has no such entry, or it was removed before.
        NoSuchMailboxError: the mailbox has ended.
    """

    def prepare() -> PreparedAppend | None:
        draft = draft_entry(desk, keys, form_context, today)
        if draft.sent:
            return None
        named = sorted(entry.digest for entry, _ in read_sent_words(desk, keys, entry_id))
        return draft.append(draft.sign(EntryClass.REMOVAL, tuple(named[:REMOVED_AT_ONCE])))

    try:
        return append_entries(desk.store, prepare)
    except EntryMissingError as why:
        raise NotFoundError from why


def end_mailbox(
    desk: PublicDesk, opened: MailboxSession, keys: MailboxKeys, form_context: FormContext, *, today: date
) -> None:
    """Make everything in a mailbox unreadable for good, and log the source out.

    A second call changes nothing.

    Raises:
        NoSuchMailboxError: the store has neither the mailbox nor a proof that this source ended it.
    """

    def prepare() -> PreparedAppend:
        draft = draft_entry(desk, keys, form_context, today)
        proof = proof_to_bytes([draft.sign(EntryClass.END)])

        def end(writing: Session) -> None:
            own = keys.recipient, keys.verify_key  # the row could have others for a moment
            mailboxes.end_for_good(writing, keys.address, proof=proof, day=today, keys=own)

        return PreparedAppend(draft.row, [], end)

    try:
        append_entries(desk.store, prepare)
    except NoSuchMailboxError:
        if not _has_ended(desk, keys):  # someone may hide the mailbox for a moment
            raise
    log_out(desk, opened.token)


def _has_ended(desk: PublicDesk, keys: MailboxKeys) -> bool:
    with desk.store.reading(mailbox=keys.address) as reading:
        ended = mailboxes.find_ended(reading, keys.address)
    try:
        entries = () if ended is None else proof_from_bytes(ended.proof)
    except MalformedError:
        return False
    return any(
        entry.envelope.entry_class is EntryClass.END and is_authentic(entry, keys) for entry in entries
    )
