"""Deletion orders: signed instructions to delete a mailbox on a day and to keep its anonymous counts."""

import secrets
from collections.abc import Sequence
from datetime import date, timedelta

from protocol.statements.deletion_order import DeletionOrder, is_order_void, sign_order, verify_order
from protocol.statements.heads import Heads
from sqlalchemy.orm import Session

from crypto.errors import ForgedError, MalformedError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, OpenedEntry
from journalist_app.services.mailbox import count_for_report
from journalist_app.services.records import casefiles
from protocol.entry import EntryContent
from protocol.envelope import Author
from protocol.identifiers import Address
from protocol.ledger import seal_tallies, tallies_of
from protocol.transcript.thread_state import thread_state
from store import deletion_orders


def choose_deletion_day(desk: OpenDesk, today: date) -> date:
    """Return the day on which a mailbox that is closed today will be deleted.

    A few random days are added, so that the day of a deletion does not reveal the day of the closing.
    """
    return today + timedelta(days=desk.letterhead.deletes_after_days + random_days(desk))


def choose_early_deletion_day(desk: OpenDesk, today: date) -> date:
    """Return a random early day of deletion, from tomorrow on, for a spam or abandoned mailbox."""
    return today + timedelta(days=1 + random_days(desk))


def random_days(desk: OpenDesk) -> int:
    """Return a random number of days, from 0 up to the setting `retention_spread_days`."""
    return secrets.randbelow(desk.config.retention_spread_days + 1)


def order_deletion(  # noqa: PLR0913  # an order has many parts
    desk: OpenDesk,
    session: Session,
    address: Address,
    heads: Heads,
    opened: Sequence[EntryContent],
    *,
    due: date,
    today: date,
) -> None:
    """Sign and store an order to delete a mailbox on the day `due`, in the caller's transaction.

    The order names the newest entry of each writer, so that a later message or step can make the order void.
    """
    writer = desk.keyring.desk_writer
    casefile = count_for_report.add_facts(casefiles.read_casefile(desk, address), opened, desk.letterhead)
    counted = tallies_of(casefile, desk.letterhead, closed=today, is_read=_is_read(opened))
    tallies = seal_tallies(counted, desk.letterhead, writer)
    due = max(due, today)
    statement = sign_order(address, heads, due=due, tallies=tallies, by=writer, day=today)
    deletion_orders.put(session, address, statement, due, tallies)


def update_order(  # noqa: PLR0913  # as `order_deletion`
    desk: OpenDesk,
    session: Session,
    address: Address,
    heads: Heads,
    opened: Sequence[EntryContent],
    *,
    today: date,
) -> None:
    """Renew a mailbox's deletion order after a new message or step of the desk, which makes the order void.

    If the mailbox is no longer closed, the order is dropped. If the mailbox has no order, this function does
    nothing.
    """
    if deletion_orders.find(session, address) is None:
        return
    closed = thread_state(address, opened).closing
    if closed is None or closed.by is None:
        deletion_orders.drop(session, address)
    else:  # the day in the signed closing, not the day in the unsigned row
        order_deletion(desk, session, address, heads, opened, due=closed.by, today=today)


def renew_order(  # noqa: PLR0913  # as `order_deletion`
    desk: OpenDesk,
    session: Session,
    conversation: Conversation,
    heads: Heads,
    opened: Sequence[OpenedEntry],
    *,
    today: date,
) -> None:
    """Sign a mailbox's deletion order again, so that the desk's new read receipt does not withdraw it.

    An order is valid only while it names the desk's newest entry: any later entry of the desk withdraws the
    order. A read receipt is an entry too. So the new order names the read receipt, with the same day of
    deletion. An order that is already void is not signed again.
    """
    stored = deletion_orders.find(session, conversation.address)
    ordered = verify_stored_order(desk, stored) if stored is not None else None
    if ordered is not None and not is_order_void(ordered, conversation.entries):
        thread = [(each.signed, each.content) for each in opened]
        order_deletion(desk, session, conversation.address, heads, thread, due=ordered.due, today=today)


def verify_stored_order(desk: OpenDesk, stored: deletion_orders.StoredOrder) -> DeletionOrder | None:
    """Verify a stored deletion order. Return None if the order is forged or differs from its row."""
    try:
        found = verify_order(stored.statement, strands=desk.letterhead.strand_keys)
    except (ForgedError, MalformedError):
        return None
    is_whole = (found.address, found.due) == (stored.address, stored.due)
    return found if is_whole else None


def _is_read(opened: Sequence[EntryContent]) -> bool:
    return any(signed.envelope.author is Author.DESK for signed, _ in opened)
