"""Background work on deletion orders: each check of the store adds, renews and drops orders."""

from contextlib import suppress
from datetime import date

import msgspec

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, conversation_of, entry_contents, open_all
from journalist_app.errors import MailboxNotFoundError, RecordUnsoundError
from journalist_app.services.closing.ended_mailboxes import evidence_alone, forget_deleted_mailboxes
from journalist_app.services.mailbox import order_deletion
from journalist_app.services.records import casefiles
from protocol.casefile import Casefile
from protocol.identifiers import Address, Digest, StrandId
from protocol.statements.deletion_order import is_order_void
from protocol.statements.heads import Head
from protocol.thread_state import thread_state
from store import deletion_orders, entries, mailboxes
from web.dates import add_months


def maintain_deletions(desk: OpenDesk, today: date) -> None:
    """Add, renew and drop deletion orders, and drop all traces of deleted mailboxes.

    A void order is dropped. A closed or abandoned mailbox without an order gets an order. After a source
    ended a mailbox, the desk keeps the evidence that the source agreed to pass on texts and files until a
    fixed day, and this function then deletes the evidence.
    """
    forget_deleted_mailboxes(desk, today)
    with desk.store.reading() as session:
        stored = deletion_orders.all_due(session, date.max)
    for each in stored:
        if desk.stopping.is_set():
            return
        with suppress(RecordUnsoundError):  # no casefile, no count; the inbox shows the fault
            _maintain_order(desk, each, today)
    ordered = {Address(each.address) for each in stored}
    _maintain_closed(desk, ordered, today)
    _order_abandoned(desk, ordered, today)


def _maintain_order(desk: OpenDesk, stored: deletion_orders.StoredOrder, today: date) -> None:
    address = Address(stored.address)
    ordered = order_deletion.verify_stored_order(desk, stored)
    if ordered is not None and _stored_heads(desk, address) == dict(ordered.heads):
        return
    try:
        conversation = conversation_of(desk, address)
    except MailboxNotFoundError:
        return  # since the reading above, the mailbox was deleted or ended
    if conversation.faults:
        return  # the server does not delete a faulty mailbox; the adviser must look
    if ordered is None or is_order_void(ordered, conversation.entries):
        with desk.store.writing() as session:
            deletion_orders.drop(session, address)
    else:  # there are new read receipts, which the report counts
        _order(desk, conversation, ordered.due, today)


def _maintain_closed(desk: OpenDesk, ordered: set[Address], today: date) -> None:
    """Check each mailbox that its casefile calls closed, but that has no deletion order.

    If the mailbox is still closed, its missing order is written. If the mailbox is open again, the casefile
    is corrected. If the mailbox is gone, the casefile keeps only the evidence that the source agreed to pass
    on a proposal, until the evidence's last day.
    """
    for address, (_, casefile) in list(desk.casefiles.items()):
        if address in desk.trusted_state.ended and casefile != evidence_alone(casefile):
            with suppress(RecordUnsoundError):  # written by a workstation that did not know of the end
                _keep_evidence_alone(desk, address, today)
            continue
        if casefile.keep_until is None or address in ordered:
            continue
        try:
            conversation = conversation_of(desk, address)
        except MailboxNotFoundError:
            if casefile.keep_until < today:  # the last day of evidence of an ended mailbox is over
                with suppress(RecordUnsoundError), desk.store.writing() as session:
                    casefiles.drop_casefile(desk, session, address)
            continue
        if not conversation.faults:
            with suppress(RecordUnsoundError):
                _order_again(desk, conversation, today)


def _keep_evidence_alone(desk: OpenDesk, address: Address, today: date) -> None:
    """Delete the casefile of a mailbox that is gone, except the evidence of consent to pass on a proposal.

    The evidence stays until `keep_until`.
    """
    if casefiles.has_mailbox(desk, address):
        return  # someone restored the mailbox; the inbox reports that
    casefile = casefiles.read_casefile(desk, address)
    if casefile.evidence:
        keep_until = casefile.keep_until or order_deletion.choose_deletion_day(desk, today)
        casefiles.update_casefile(
            desk, address, lambda now: evidence_alone(msgspec.structs.replace(now, keep_until=keep_until))
        )
    else:
        with desk.store.writing() as session:
            casefiles.drop_casefile(desk, session, address)


def _order_again(desk: OpenDesk, conversation: Conversation, today: date) -> None:
    closed = thread_state(conversation.address, entry_contents(open_all(desk, conversation))).closing
    if closed is None or closed.by is None:
        casefiles.update_casefile(desk, conversation.address, _reopen)
    else:
        _order(desk, conversation, closed.by, today)


def _reopen(casefile: Casefile) -> Casefile:
    return msgspec.structs.replace(casefile, keep_until=None, is_spam=False)


def _order_abandoned(desk: OpenDesk, ordered: set[Address], today: date) -> None:
    """Order the deletion of abandoned mailboxes, in which no one wrote for `abandoned_months`.

    This function does its work once a day, because verifying every old mailbox takes time. A mailbox without
    any entry needs no order, because the server itself ends such a mailbox.
    """
    if desk.last_check == today:
        return
    before = add_months(today, -desk.letterhead.abandoned_months)
    with desk.store.reading() as session:
        old = mailboxes.opened_before(session, before)
    for raw in old:
        if desk.stopping.is_set():
            return
        if Address(raw) not in ordered:
            with suppress(RecordUnsoundError):
                _order_if_abandoned(desk, Address(raw), before, today)


def _order_if_abandoned(desk: OpenDesk, address: Address, before: date, today: date) -> None:
    try:
        conversation = conversation_of(desk, address)
    except MailboxNotFoundError:
        return
    days = [entry.envelope.day for entry in conversation.entries if entry.envelope.speaks]
    if not conversation.faults and days and max(days) < before:
        _order(desk, conversation, order_deletion.choose_early_deletion_day(desk, today), today)


def _order(desk: OpenDesk, conversation: Conversation, due: date, today: date) -> None:
    thread = entry_contents(open_all(desk, conversation))
    with desk.store.writing() as session:
        order_deletion.order_deletion(
            desk, session, conversation.address, conversation.heads, thread, due=due, today=today
        )


def _stored_heads(desk: OpenDesk, address: Address) -> dict[StrandId, Head]:
    with desk.store.reading() as session:
        return {
            StrandId(head.strand): (head.number, Digest(head.digest))
            for head in entries.strand_heads(session, address)
        }
