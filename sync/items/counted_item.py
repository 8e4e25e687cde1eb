"""Notice in a pouch (sync bundle) that the desk has counted an ended mailbox for its yearly report."""

from sqlalchemy.orm import Session

from protocol.pouch.pouch_items import CountedItem
from store import mailboxes, outbox
from sync.items.contexts import ApplyContext, BuildContext


def pack(_context: BuildContext, _session: Session, row: outbox.OutboxItem) -> CountedItem:
    """Return the notice that the desk has counted an ended mailbox for its yearly report."""
    return CountedItem(row.address)


def apply(context: ApplyContext, session: Session, item: CountedItem) -> bool:
    """Mark an ended mailbox as counted by the desk. Its tallies (anonymous facts) are separate items."""
    if context.endpoint.is_server:
        ended = mailboxes.find_ended(session, item.address)
        if ended is None or ended.is_counted:
            return False
        mailboxes.mark_ending_counted(session, item.address)
        return True
    is_marked = mailboxes.mark_counted(session, item.address)
    kind = outbox.OutboxKind.ACKNOWLEDGED
    return outbox.dequeue(session, context.peer, kind, address=item.address) or is_marked
