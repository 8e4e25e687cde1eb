"""Acknowledgement of an ended mailbox in a pouch: the desk has counted the mailbox, with these tallies."""

from sqlalchemy.orm import Session

from protocol.pouch.pouch_items import CountedItem
from store import ledger_tallies, mailboxes, outbox
from sync.items.contexts import ApplyContext, BuildContext


def pack(context: BuildContext, session: Session, row: outbox.OutboxItem) -> CountedItem:
    """Return the item by which the desk acknowledges that a mailbox has ended.

    A workstation includes the mailbox's tallies in the item. The server includes no tallies.
    """
    if context.endpoint.is_server:
        return CountedItem(row.address, ())
    digests = outbox.split_digests(row.tally_digests)
    context.counted_tallies.update(digests)
    sealed = (ledger_tallies.find(session, digest) for digest in digests)
    return CountedItem(row.address, tuple(tally for tally in sealed if tally is not None))


def apply(context: ApplyContext, session: Session, item: CountedItem) -> bool:
    """Mark an ended mailbox as counted, and store its tallies, but only once.

    If two workstations counted the mailbox, the tallies of the pouch that arrives first are kept.
    """
    if context.endpoint.is_server:
        line = mailboxes.find_ended(session, item.address)
        if line is None or line.is_counted:
            return False  # another workstation counted first: these tallies are dropped
        mailboxes.mark_ending_counted(session, item.address, tallies=item.tallies)
        return True
    # Drop our own tallies even if the tombstone is already marked as counted, because the mailbox may have
    # ended here a second time since then.
    is_marked = mailboxes.mark_counted(session, item.address)
    ours = outbox.dequeue(session, context.peer, outbox.OutboxKind.ACKNOWLEDGED, address=item.address)
    ledger_tallies.drop_digests(session, outbox.split_digests(ours))
    return is_marked or bool(ours)
