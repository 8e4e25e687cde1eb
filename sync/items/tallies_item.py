"""Tallies beside a mailbox in a pouch: the present set, which replaces the set that the receiver has."""

from sqlalchemy.orm import Session

from protocol.identifiers import Address
from protocol.pouch.pouch_items import TalliesItem
from store import mailbox_tallies, mailboxes, outbox
from sync.items.contexts import ApplyContext


def pack(session: Session, address: Address) -> TalliesItem:
    """Return the item with the tallies beside a mailbox. An empty set withdraws the tallies."""
    return TalliesItem(address, mailbox_tallies.find(session, address))


def apply(context: ApplyContext, session: Session, item: TalliesItem) -> bool:
    """Replace the tallies beside a mailbox. A workstation keeps a set that it has not sent yet.

    So the set that reaches the server last is everywhere in the end.
    """
    is_known = mailbox_tallies.find(session, item.address) == tuple(sorted(item.tallies))
    if is_known or mailboxes.find(session, item.address) is None:
        return False
    if not context.endpoint.is_server and outbox.is_queued(
        session, outbox.OutboxKind.TALLIES, address=item.address
    ):
        return False
    mailbox_tallies.put(session, item.address, item.tallies)
    return True
