"""Append loop: the only code that adds new entries of a source or of the desk to a mailbox."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from protocol.entry import SignedEntry
from protocol.envelope import Author, Envelope
from protocol.identifiers import Address, AttachmentId
from protocol.transcript.check import read_transcript
from protocol.transcript.closing import closed_until
from protocol.transcript.waiting import waiting_since, waiting_since_with
from store import entries, mailboxes
from store.database.engine import Store
from store.errors import EntryMissingError, MailboxChangedError, StoreConflictError
from stored_mailbox.lost_entries import CheckedEnvelopes
from stored_mailbox.reading import read_envelopes, read_stored

_TRIES = 20  # attempts, because other tabs and the other side may append at the same time


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A signed entry to append to a mailbox, with the ids of its uploaded attachments."""

    signed: SignedEntry
    attachment_ids: Sequence[AttachmentId] = ()


@dataclass(frozen=True, slots=True)
class PreparedAppend:
    """Signed entries that are ready to be appended to a mailbox, and the row of the verified mailbox.

    If the mailbox has another version now, no entry is appended. `hook` is called in the same transaction,
    after the entries were added.
    """

    mailbox: mailboxes.StoredMailbox
    new: Sequence[NewEntry]
    hook: Callable[[Session], None] | None = None


def append_entries(store: Store, prepare: Callable[[], PreparedAppend | None]) -> Sequence[SignedEntry]:
    """Append the entries that `prepare` returns, all or none. Return these entries.

    `prepare` verifies the mailbox and signs the entries. If someone else changes the mailbox in between,
    `prepare` is called again. If `prepare` returns None, the result is empty.

    Raises:
        MailboxChangedError: someone else changed the mailbox at every attempt.
        NoSuchMailboxError: the mailbox has ended.
        EntryMissingError: everything that a new entry removes is missing or already unreadable.
        AttachmentMissingError: an attachment does not exist or was not uploaded completely.
    """
    for _ in range(_TRIES):
        prepared = prepare()
        if prepared is None:
            return ()
        try:
            mailbox = prepared.mailbox
            with store.writing(mailbox=mailbox.address) as session:
                entries.claim(session, mailbox.address, mailbox.version)
                for new in prepared.new:
                    _add(session, new)
                _update_state(session, mailbox, [new.signed.envelope for new in prepared.new])
                if prepared.hook is not None:
                    prepared.hook(session)
        except (MailboxChangedError, StoreConflictError):
            continue
        return [new.signed for new in prepared.new]
    raise MailboxChangedError("the mailbox changed at every attempt")


def store_entry(session: Session, signed: SignedEntry, attachment_ids: Sequence[bytes] = ()) -> int:
    """Write a verified entry in its mailbox. If the entry is a removal, destroy the entries that it names.

    Return the number of bytes that the removal freed. The caller must then update the mailbox's state
    (`update_state`).
    """
    part = signed.envelope
    row = entries.StoredEntry(
        address=part.address,
        author=int(part.author),
        strand=part.strand,
        number=part.number,
        entry_id=part.entry_id,
        digest=signed.digest,
        envelope=part.to_bytes(),
        signature=signed.signature,
        epoch=signed.epoch,
        day=part.day,
        header=signed.header,
        payload=signed.payload,
    )
    entries.add(session, row, attachment_ids)
    return entries.destroy(session, part.address, part.removes) if part.removes else 0


def recompute_state(session: Session, address: Address) -> None:
    """Compute the state of a mailbox again, and write it in the mailbox's row. Do not verify the entries.

    The state is the day since which the source waits, and the day from which the mailbox may be deleted.
    """
    signed = [entry for entry, _ in read_envelopes(session, address)]
    digests = {entry.digest for entry in signed}
    transcript = read_transcript(address, None, {}, signed, has_content=False, verified=digests)
    entries.set_state(session, address, waiting_since=waiting_since(transcript), due=closed_until(transcript))


def state_of(checked: CheckedEnvelopes) -> mailboxes.StoredMailbox:
    """Return a mailbox's row with the state that its verified entries show.

    The state is the day since which the source waits, and the day from which the mailbox may be deleted.
    """
    transcript = checked.transcript
    return replace(checked.mailbox, waiting_since=waiting_since(transcript), due=closed_until(transcript))


def update_state(session: Session, state: mailboxes.StoredMailbox) -> None:
    """Write the state of a mailbox. If the mailbox has changed since it was read, compute the state again."""
    now = mailboxes.find(session, state.address)
    if now is not None and now.version == state.version:
        entries.set_state(session, state.address, waiting_since=state.waiting_since, due=state.due)
    else:
        recompute_state(session, Address(state.address))


def destroy_restored(session: Session, address: Address) -> int:
    """Destroy removed entries of a mailbox again if someone restored them.

    Return the number of bytes that were freed.
    """
    if not any(entry.envelope.removes for entry, _ in read_envelopes(session, address)):
        return 0  # so far, nothing was verified, and no ciphertext was read
    found = read_stored(session, address, {}, has_content=False)
    return 0 if found is None else entries.destroy(session, address, sorted(found.transcript.removed))


def _add(session: Session, new: NewEntry) -> None:
    freed = store_entry(session, new.signed, new.attachment_ids)
    if new.signed.envelope.removes and not freed:
        raise EntryMissingError("nothing is left to remove")


def _update_state(session: Session, mailbox: mailboxes.StoredMailbox, parts: Sequence[Envelope]) -> None:
    """Update what new entries change: since when the source waits, and when the mailbox may be deleted."""
    if any(part.removes or (part.is_words and part.author is Author.DESK) for part in parts):
        recompute_state(session, Address(mailbox.address))
        return
    since = mailbox.waiting_since
    for part in parts:  # of the source: quick, also in a long mailbox
        if part.is_words:
            since = waiting_since_with(part, since)
            if (since, None) != (mailbox.waiting_since, mailbox.due):
                entries.set_state(session, mailbox.address, waiting_since=since, due=None)
