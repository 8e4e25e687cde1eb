"""Encrypted tally of the ledger in a pouch."""

from sqlalchemy.orm import Session

from protocol.pouch.pouch_items import TallyItem
from store import ledger_tallies
from store.outbox import OutboxItem
from sync.items.contexts import ApplyContext, BuildContext


def pack(_context: BuildContext, session: Session, row: OutboxItem) -> TallyItem | None:
    """Return the item with a tally, or None if the ledger does not have it any more."""
    sealed = ledger_tallies.find(session, row.name)
    return None if sealed is None else TallyItem(sealed)


def apply(_context: ApplyContext, session: Session, item: TallyItem) -> bool:
    """Store a tally, if this store does not have it yet."""
    return ledger_tallies.apply_from_peer(session, item.sealed)
