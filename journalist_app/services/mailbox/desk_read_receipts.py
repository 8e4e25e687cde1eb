"""Read receipts of the desk, which tell the source what an adviser was shown."""

import secrets
from contextlib import suppress
from datetime import date

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import (
    Conversation,
    OpenedEntry,
    conversation_of,
    heads_shown,
    is_from_source,
    unconfirmed,
)
from journalist_app.errors import MailboxNotFoundError
from protocol.entry import sign_entry
from protocol.envelope import EntryClass, Envelope
from protocol.identifiers import ENTRY_ID_BYTES, EntryId
from store.errors import StoreError
from stored_mailbox.appending import NewEntry, PreparedAppend, append_entries


def append_desk_read_receipt(
    desk: OpenDesk, conversation: Conversation, opened: tuple[OpenedEntry, ...], *, today: date
) -> None:
    """Append a read receipt for everything that a page showed, if the source wrote or removed something new.

    Call this function after the page was made. A mailbox with a fault that forbids answers gets no receipt.
    If the store cannot be written, or someone else changed the mailbox, this function does nothing. The
    receipt is then appended when an adviser opens the mailbox again.
    """
    if not conversation.may_answer:
        return
    desk.to_count.add(conversation.address)
    if not _has_news(desk, conversation, opened):
        return
    writer = desk.keyring.desk_writer
    heads, unseen = heads_shown(desk, conversation, opened)
    envelope = Envelope(
        address=conversation.address,
        entry_id=EntryId(secrets.token_bytes(ENTRY_ID_BYTES)),
        entry_class=EntryClass.RECEIPT,
        strand=writer.strand,
        heads=heads,
        unseen=unseen,
        day=today,
        letterhead_serial=desk.letterhead.serial,
    )
    new = NewEntry(sign_entry(envelope, by=writer))
    attempts = iter([PreparedAppend(conversation.address, conversation.mailbox.version, [new])])
    with suppress(StoreError, MailboxNotFoundError):
        if append_entries(desk.store, lambda: next(attempts, None)):
            conversation_of(desk, conversation.address)  # remembers the receipt
            desk.save()


def _has_news(desk: OpenDesk, conversation: Conversation, opened: tuple[OpenedEntry, ...]) -> bool:
    """Return True if the page showed something of the source that the desk must confirm with a receipt.

    This is a message that no workstation confirmed, or a removal that this workstation did not confirm. Each
    workstation confirms a removal itself, because each may have had a copy of the removed entry.
    """
    own = [each.signed.digest for each in opened if each.signed.envelope.strand == desk.keyring.strand.id]
    removals = [each.signed.digest for each in opened if is_from_source(each.signed, EntryClass.REMOVAL)]
    return bool(
        unconfirmed(conversation, opened) or conversation.transcript.knowledge.unknown_to_all(removals, own)
    )
