"""Closing a mailbox, with a last message or as spam. The server deletes a closed mailbox on a later day."""

import secrets
from datetime import date, timedelta

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import AdviserError
from journalist_app.services.mailbox.send_entries import EntrySender, NewWords, Precondition, message_text
from journalist_app.services.records import casefiles
from protocol.content import ClosingNote, Content, Kind
from stored_mailbox.entry_form import FormContext


def close_mailbox(desk: OpenDesk, form_context: FormContext, last_message: str, *, today: date) -> None:
    """Close a mailbox with a last message, so that the mailbox is deleted after the retention period.

    Submitting the same form a second time has no effect.

    Raises:
        SendRefusedError: the last message is missing or too long, the form was used for another entry, or the
            source wrote in the meantime.
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox failed verification.
        RecordUnsoundError: the casefile is not the one that this desk wrote last.
    """
    text = message_text(last_message)
    close_until(desk, form_context, text, choose_deletion_day(desk, today), today=today)


def close_as_spam(desk: OpenDesk, form_context: FormContext, *, today: date) -> None:
    """Close a mailbox as spam, so that the mailbox is deleted within days and counted only as spam.

    Raises:
        SendRefusedError: the form was used for another entry, or the source wrote in the meantime.
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox failed verification.
        RecordUnsoundError: the casefile is not the one that this desk wrote last.
    """
    close_until(desk, form_context, "", choose_early_deletion_day(desk, today), today=today, is_spam=True)


def close_until(  # noqa: PLR0913  # each is a part of the closing
    desk: OpenDesk,
    form_context: FormContext,
    text: str,
    due: date,
    *,
    today: date,
    is_spam: bool = False,
    is_automatic: bool = False,
    precondition: Precondition | None = None,
) -> None:
    """Close a mailbox, so that it is deleted on the day `due`. Raise the exceptions of `close_mailbox`.

    `precondition` is called before every attempt to append the closing. If it raises an exception, nothing is
    appended.
    """
    content = Content(kind=Kind.CLOSING, text=text, closing=ClosingNote(automatic=is_automatic))
    new = [NewWords(form_context.entry_id, content, due)]
    sender = EntrySender(desk, form_context, new, today=today, precondition=precondition)
    if sender.is_sent:
        return
    address = form_context.address
    before = casefiles.read_casefile(desk, address)
    # The tallies come first, because the server deletes no mailbox without tallies.
    casefiles.set_in_casefile(desk, address, is_spam=is_spam or before.is_spam, keep_until=due)
    try:
        sender.send()
    except AdviserError:
        casefiles.set_in_casefile(desk, address, is_spam=before.is_spam, keep_until=before.keep_until)
        raise


def choose_deletion_day(desk: OpenDesk, today: date) -> date:
    """Return the day on which a mailbox that is closed today will be deleted.

    A few random days are added, to hide the day of the closing.
    """
    return today + timedelta(days=desk.letterhead.deletes_after_days + _random_days(desk))


def choose_early_deletion_day(desk: OpenDesk, today: date) -> date:
    """Return a random early day of deletion, from tomorrow on, for a spam or abandoned mailbox."""
    return today + timedelta(days=1 + _random_days(desk))


def _random_days(desk: OpenDesk) -> int:
    return secrets.randbelow(desk.config.retention_spread_days + 1)
