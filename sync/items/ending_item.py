"""Ending of a mailbox in a pouch: the statement that the source signed, or the desk's deletion order."""

from datetime import timedelta
from typing import Final

from sqlalchemy.orm import Session

from crypto.errors import ForgedError
from protocol.envelope import Author, Envelope
from protocol.identifiers import Address
from protocol.mailbox_keys import check_mailbox_keys
from protocol.pouch.pouch_items import EndedItem
from protocol.statements.deletion_order import DeletionOrder, verify_order
from protocol.statements.removal import is_ended_by_source
from store import mailboxes, outbox, records
from store.sync_findings import FindingKind
from sync.endpoint import Endpoint
from sync.items.contexts import ApplyContext, BuildContext, VerifyContext
from sync.items.damaged_item import NO_ENTRY
from sync.items.entry_item import stored_envelopes

_CLOCK_DIFFERENCE: Final = timedelta(days=1)  # the most by which the clocks of two endpoints may differ
_NO_HEAD: Final = (0, b"")


def pack(_context: BuildContext, session: Session, row: outbox.OutboxItem) -> EndedItem | None:
    """Return the item for an ended mailbox, or None if the store has no statement about its end any more."""
    line = mailboxes.find_ended(session, row.address)
    if line is None:
        return None
    return EndedItem(line.address, line.recipient, line.verify_key, line.statement, line.day)


def verify(context: VerifyContext, item: EndedItem) -> None:
    """Check that the source ended this mailbox, or that the desk ordered its deletion and the day has come.

    Raises:
        ForgedError: the source signed no such statement, and the desk no such order. An order for another
            mailbox or a later day is refused too.
    """
    if _is_by_source(item):
        return
    check_mailbox_keys(Address(item.address), item.recipient, item.verify_key)
    order = verify_order(item.statement, strands=context.strands)
    if order.address != item.address or order.due > context.endpoint.today() + _CLOCK_DIFFERENCE:
        raise ForgedError
    if _is_void(context.endpoint, order):
        context.deleted_wrongly.add(order.address)


def _is_void(endpoint: Endpoint, order: DeletionOrder) -> bool:
    """Return whether the peer should have ignored an order, because the mailbox had entries after the order.

    A workstation decides this from its own replica. The server has sent the workstation all entries of the
    source. Entries of the desk that are still in the outbox do not count: the server was right to delete the
    mailbox, because these entries had not arrived there.
    """
    with endpoint.store.reading() as session:
        parts = [part for part, _ in stored_envelopes(session, order.address)]
        return any(
            part.speaks
            and part.number > order.heads.get(part.strand, _NO_HEAD)[0]
            and (part.author is Author.SOURCE or not _is_queued(session, part))
            for part in parts
        )


def apply(context: ApplyContext, session: Session, item: EndedItem) -> bool:
    """End a mailbox in this store. If the mailbox was ended by a void order, report the damage instead."""
    if mailboxes.find_ended(session, item.address) is not None:
        return False
    is_order = not _is_by_source(item)
    if context.endpoint.is_server and is_order:
        return False  # the server's cleanup carries out orders, and checks them itself
    if item.address in context.deleted_wrongly:
        return context.report(session, item.address, NO_ENTRY, FindingKind.DAMAGED)
    if is_order:
        _report_crossed(context, session, item)
    mailboxes.apply_end_from_peer(
        session,
        address=item.address,
        recipient=item.recipient,
        verify_key=item.verify_key,
        statement=item.statement,
        day=item.day,
    )
    if is_order:
        records.drop_of_mailbox(session, item.address)
    return True


def _report_crossed(context: ApplyContext, session: Session, item: EndedItem) -> None:
    """Report that the server deleted a mailbox before newer entries of this workstation had arrived there.

    Newer entries are entries that this workstation wrote after the desk had signed the deletion order. The
    report is made only if none of these entries had reached the server. If an entry had reached the server,
    either the order was void or the desk has signed a newer order. A deletion by a void order is reported as
    another fault. The report names the first entry with text. If there is no such entry, the report is about
    the whole mailbox.
    """
    endpoint = context.endpoint
    order = verify_order(item.statement, strands=endpoint.letterhead().strand_keys)
    number, _ = order.heads.get(endpoint.name, _NO_HEAD)
    parts = [part for part, _ in stored_envelopes(session, Address(item.address))]
    since = [part for part in parts if part.strand == endpoint.name and part.number > number]
    if since and all(_is_queued(session, part) for part in since):
        spoken = [part.entry_id for part in since if part.speaks]
        context.report(session, item.address, spoken[0] if spoken else b"", FindingKind.CROSSED)


def _is_queued(session: Session, part: Envelope) -> bool:
    return outbox.is_queued(session, outbox.OutboxKind.ENTRY, address=part.address, name=part.entry_id)


def _is_by_source(item: EndedItem) -> bool:
    """Return whether the source signed the ending. If not, the ending is a deletion order."""
    return is_ended_by_source(
        item.statement, address=Address(item.address), recipient=item.recipient, verify_key=item.verify_key
    )
