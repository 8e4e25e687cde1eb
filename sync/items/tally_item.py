"""One line of the ledger in a pouch: a sealed tally."""

from sqlalchemy.orm import Session

from protocol.pouch.pouch_items import TallyItem
from store import ledger_tallies
from store.outbox import OutboxItem
from sync.items.contexts import ApplyContext, BuildContext


def pack(context: BuildContext, session: Session, row: OutboxItem) -> TallyItem | None:
    """Return a tally, unless it travels with the ended mailbox that it counts.

    The server keeps such a tally only if no other workstation has counted the mailbox before.
    """
    if row.name in context.counted_tallies:
        return None
    sealed = ledger_tallies.find(session, row.name)
    return None if sealed is None else TallyItem(sealed)


def apply(_context: ApplyContext, session: Session, item: TallyItem) -> bool:
    """Store a tally that is new here."""
    return ledger_tallies.apply_from_peer(session, item.sealed)
