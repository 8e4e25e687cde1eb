"""Tallies (anonymous facts about a mailbox) in a pouch (sync bundle), which replace earlier ones."""

from sqlalchemy.orm import Session

from protocol.identifiers import Address
from protocol.pouch.pouch_items import TalliesItem
from store import mailbox_tallies, mailboxes, outbox
from sync.items.contexts import ApplyContext


def pack(session: Session, address: Address) -> TalliesItem:
    """Return the sync item with all tallies (anonymous facts for the yearly report) of a mailbox.

    If the mailbox has no tallies, the receiver deletes the tallies that it has of the mailbox.
    """
    return TalliesItem(address, mailbox_tallies.find(session, address))


def apply(context: ApplyContext, session: Session, item: TalliesItem) -> bool:
    """Replace the tallies (anonymous facts) of a mailbox by the received ones.

    A workstation that has changed the tallies itself ignores received tallies until the server has confirmed
    the change.
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
