"""Read receipts of the desk, which tell the source that an adviser has read each new message."""

import secrets
from contextlib import suppress
from datetime import date

from protocol.chain import seen_by

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, OpenedEntry
from journalist_app.errors import RecordUnsoundError
from journalist_app.services.mailbox import order_deletion
from protocol import entry
from protocol.content import Content, Kind
from protocol.envelope import Author
from protocol.identifiers import ENTRY_ID_BYTES, NO_DIGEST, EntryId
from store import entries
from store.errors import StoreError


def append_desk_read_receipt(
    desk: OpenDesk, conversation: Conversation, opened: tuple[OpenedEntry, ...], *, today: date
) -> None:
    """Append a read receipt for all entries of this mailbox, if the source wrote something new.

    A mailbox that failed verification gets no receipt. If the store cannot be written, or another window
    appended an entry first, this function does nothing. The receipt is then appended when an adviser opens
    the mailbox again.
    """
    if conversation.faults or not _has_news(opened):
        return
    writer = desk.keyring.desk_writer
    number, previous = conversation.heads.get(writer.strand, (0, NO_DIGEST))
    mark = entry.seal_entry(
        Content(kind=Kind.SEEN, text=""),
        address=conversation.address,
        mailbox_recipient=conversation.mailbox.recipient,
        letterhead=desk.letterhead,
        by=writer,
        entry_id=EntryId(secrets.token_bytes(ENTRY_ID_BYTES)),
        number=number + 1,
        previous=previous,
        seen=seen_by(Author.DESK, conversation.heads),
        day=today,
    )
    heads = {**conversation.heads, writer.strand: (number + 1, mark.digest)}
    with suppress(StoreError):
        with desk.store.writing() as session:
            entries.append(session, **mark.to_stored())
            with suppress(RecordUnsoundError):  # the next check of the store reports the casefile
                order_deletion.renew_order(desk, session, conversation, heads, opened, today=today)
        desk.remember(conversation.address, heads, is_answered=conversation.unanswered_since is None)


def _has_news(opened: tuple[OpenedEntry, ...]) -> bool:
    """Return True if the source wrote a readable message that no adviser has seen yet."""
    if any(each.fault for each in opened):
        return False
    seen = {
        digest
        for each in opened
        if each.signed.envelope.author is Author.DESK
        for digest in each.signed.envelope.seen
    }
    source = [each for each in opened if each.signed.envelope.author is Author.SOURCE]
    read_up_to = max(
        (each.signed.envelope.number for each in source if each.signed.digest in seen), default=0
    )
    return any(
        each.content is not None and each.signed.envelope.speaks and each.signed.envelope.number > read_up_to
        for each in source
    )
