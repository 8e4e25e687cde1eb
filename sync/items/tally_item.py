"""Tally in a pouch (sync bundle): one encrypted anonymous fact about a deleted mailbox."""

from sqlalchemy.orm import Session

from protocol.pouch.pouch_items import TallyItem
from store import ledger_tallies, outbox
from store.outbox import OutboxItem, OutboxKind
from sync.items.contexts import ApplyContext, BuildContext


def pack(_context: BuildContext, session: Session, row: OutboxItem) -> TallyItem | None:
    """Return the sync item with a tally (anonymous fact), or None if the ledger no longer has the tally."""
    sealed = ledger_tallies.find(session, row.name)
    return None if sealed is None else TallyItem(sealed)


def apply(context: ApplyContext, session: Session, item: TallyItem) -> bool:
    """Store a received tally (anonymous fact about a deleted mailbox), if this store does not have it yet."""
    outbox.dequeue(session, context.peer, OutboxKind.TALLY, name=ledger_tallies.tally_digest(item.sealed))
    return ledger_tallies.apply_from_peer(session, item.sealed)
