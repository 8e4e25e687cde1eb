"""Read receipts of the desk, which tell the source what an adviser was shown."""

import secrets
from contextlib import suppress
from datetime import date

from journalist_app.desk import verification
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, OpenedEntry, unconfirmed
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

    Call this function after the page was made. If the receipt cannot be written now, the next visit to the
    page tries again.
    """
    if not conversation.may_answer:
        return
    desk.to_count.add(conversation.address)
    # Each workstation confirms a removal itself, because each may have had a copy of the removed entry.
    if not any(unconfirmed(desk, conversation, opened, by_us=by_us) for by_us in (False, True)):
        return
    writer = desk.keyring.desk_writer
    heads, unseen = verification.heads_shown(desk, conversation, opened)
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
    attempts = iter([PreparedAppend(conversation.mailbox, [new])])
    with suppress(StoreError, MailboxNotFoundError):
        if append_entries(desk.store, lambda: next(attempts, None)):
            verification.conversation_of(desk, conversation.address)  # remembers the receipt
            desk.save()
