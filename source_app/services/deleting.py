"""Deleting: remove one entry, or end the whole mailbox, with a statement that the source signs."""

from contextlib import suppress
from datetime import date

from protocol.statements.removal import sign_ending, sign_removal

from protocol.identifiers import Digest, StrandId
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import SourceWriter
from source_app.public_desk import PublicDesk
from source_app.services.login import MailboxSession, log_out
from source_app.services.verified_mailbox import find_entry
from store import entries, mailboxes
from store.errors import NoSuchMailboxError


def delete_entry(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes, *, today: date) -> None:
    """Make one entry of a mailbox, and the entry's files, unreadable for everyone, also for the desk.

    Raises:
        NotFoundError: this mailbox has no such entry.
    """
    signed = find_entry(desk, keys, entry_id)
    statement = sign_removal(signed.digest, address=keys.address, by=SourceWriter(keys), day=today)
    with desk.store.writing() as writing:
        entries.remove_entry(writing, keys.address, entry_id, removal=statement)


def end_mailbox(desk: PublicDesk, opened: MailboxSession, keys: MailboxKeys, *, today: date) -> None:
    """Make everything in a mailbox unreadable, and log the source out. A second call changes nothing."""
    with desk.store.reading() as reading:
        heads = {
            StrandId(head.strand): (head.number, Digest(head.digest))
            for head in entries.strand_heads(reading, keys.address)
        }
    statement = sign_ending(keys.address, heads, day=today, by=SourceWriter(keys))
    with suppress(NoSuchMailboxError), desk.store.writing() as writing:  # another tab may have ended it
        mailboxes.end_for_good(writing, keys.address, statement=statement, day=today)
    log_out(desk, opened.token)
