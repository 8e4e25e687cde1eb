"""Closing a mailbox, with a last message or as spam. Closing orders the mailbox's deletion on a later day."""

from datetime import date

import msgspec
from protocol.statements.heads import Heads
from sqlalchemy.orm import Session

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of, open_all
from journalist_app.errors import AdviserError
from journalist_app.services.mailbox import order_deletion
from journalist_app.services.mailbox.send_entries import AdviserFormContext, EntrySender, message_text
from journalist_app.services.records import casefiles
from protocol.content import ClosingNote, Content, Kind
from protocol.entry import EntryContent
from protocol.identifiers import Address


def close_mailbox(
    desk: OpenDesk, form_context: AdviserFormContext, last_message: str, *, today: date
) -> None:
    """Close a mailbox with a last message, and order its deletion after the retention period.

    Submitting the same form a second time has no effect.

    Raises:
        SendRefusedError: the last message is missing or too long. FORM_REUSED: the form was used before for
            another entry. SOURCE_WROTE: the source wrote after the page with the form was shown.
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox failed verification.
        RecordUnsoundError: the casefile is not the one that this desk wrote last, so the mailbox cannot be
            counted.
    """
    text = message_text(last_message)
    _close(desk, form_context, text, order_deletion.choose_deletion_day(desk, today), today)


def close_as_spam(desk: OpenDesk, form_context: AdviserFormContext, *, today: date) -> None:
    """Close a mailbox as spam. The mailbox is deleted within days, and counted only as spam.

    Raises:
        SendRefusedError: FORM_REUSED: the form was used before for another entry. SOURCE_WROTE: the source
            wrote after the page with the form was shown.
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox failed verification.
        RecordUnsoundError: the casefile is not the one that this desk wrote last.
    """
    was_spam = casefiles.read_casefile(desk, form_context.address).is_spam
    _mark_spam(desk, form_context.address, is_spam=True)
    try:
        _close(desk, form_context, "", order_deletion.choose_early_deletion_day(desk, today), today)
    except AdviserError:
        _mark_spam(desk, form_context.address, is_spam=was_spam)
        raise


def _mark_spam(desk: OpenDesk, address: Address, *, is_spam: bool) -> None:
    casefiles.update_casefile(desk, address, lambda now: msgspec.structs.replace(now, is_spam=is_spam))


def _close(desk: OpenDesk, form_context: AdviserFormContext, text: str, due: date, today: date) -> None:
    address = form_context.address
    if _was_closed(desk, form_context):
        return
    # Write the casefile first. If the app stops before the order is written, the next check of the store sees
    # `keep_until` and adds the missing order.
    casefiles.update_casefile(desk, address, lambda now: msgspec.structs.replace(now, keep_until=due))
    content = Content(kind=Kind.CLOSING, text=text, closing=ClosingNote(delete_on=due))

    def order(session: Session, heads: Heads, thread: tuple[EntryContent, ...]) -> None:
        order_deletion.order_deletion(desk, session, address, heads, thread, due=due, today=today)

    EntrySender(desk, form_context, [(form_context.entry_id, content)], today=today, hook=order).send()


def _was_closed(desk: OpenDesk, form_context: AdviserFormContext) -> bool:
    """Return True if this form closed the mailbox already: an entry with the form's entry id exists.

    The contents cannot be compared, because each attempt draws another, partly random day of deletion.
    """
    return any(
        each.signed.envelope.entry_id == form_context.entry_id
        for each in open_all(desk, conversation_of(desk, form_context.address))
    )
