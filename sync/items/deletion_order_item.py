"""Deletion order of a mailbox in a pouch. An item with an empty statement withdraws the order."""

import hashlib
from datetime import date

from protocol.statements.deletion_order import verify_order
from sqlalchemy.orm import Session

from crypto.errors import ForgedError
from protocol.identifiers import Address
from protocol.pouch.pouch_items import OrderItem
from store import deletion_orders, mailboxes
from sync.items.contexts import ApplyContext, VerifyContext


def pack(session: Session, address: Address) -> OrderItem:
    """Return the item with a mailbox's deletion order.

    If there is no order, the item has an empty statement.
    """
    found = deletion_orders.find(session, address)
    if found is None:
        return OrderItem(address, b"", date.min, ())
    return OrderItem(address, found.statement, found.due, found.tallies)


def verify(context: VerifyContext, item: OrderItem) -> None:
    """Check that the desk signed the deletion order for this mailbox, this day and these tallies.

    Raises:
        ForgedError: the desk did not sign this order.
    """
    if not item.statement:
        return
    order = verify_order(item.statement, strands=context.strands)
    tallies = tuple(sorted(hashlib.sha256(tally).digest() for tally in item.tallies))
    if (order.address, order.due, order.tallies_sha256) != (item.address, item.due, tallies):
        raise ForgedError


def apply(_context: ApplyContext, session: Session, item: OrderItem) -> bool:
    """Store the deletion order of a mailbox, or delete the stored order if the item's statement is empty.

    Do nothing if this store does not have the mailbox.
    """
    if mailboxes.find(session, item.address) is None:
        return False
    stored = deletion_orders.find(session, item.address)
    if (stored.statement if stored else b"") == item.statement:
        return False
    if item.statement:
        deletion_orders.put(session, item.address, item.statement, item.due, item.tallies)
    else:
        deletion_orders.drop(session, item.address)
    return True
