"""Letterhead (the desk's signed statement) in a pouch (sync bundle): pack, verify, publish and merge."""

from sqlalchemy.orm import Session

from crypto.errors import ForgedError
from protocol.letterhead import verify_letterhead
from protocol.pouch.pouch_items import LetterheadItem
from store import letterheads, outbox, peers
from sync.items.contexts import ApplyContext, BuildContext, VerifyContext


def pack(
    context: BuildContext, session: Session, _row: outbox.OutboxItem | None = None
) -> LetterheadItem | None:
    """Return the sync item with the newest letterhead (the desk's public statement) that we verified."""
    found = letterheads.find(session, context.letterhead.serial)
    if found is None:
        return None
    known = peers.find(session, context.peer)
    return LetterheadItem(known.letterhead_serial if known else 0, *found)


def verify(context: VerifyContext, item: LetterheadItem) -> None:
    """Check the desk's signature on a received letterhead, whose keys then verify the rest of the pouch.

    A letterhead is the desk's public statement, with the keys of its workstations. A pouch is a sync bundle.

    Raises:
        ForgedError: the serial in the item is not that of the letterhead.
        LetterheadRefusedError: the letterhead must not be used.
    """
    newest, fingerprint = context.letterhead, context.endpoint.fingerprint
    found = verify_letterhead(item.body, item.signature, fingerprint, same_parameters_as=newest)
    if found.serial != item.serial:
        raise ForgedError
    older, context.letterhead = sorted((newest, found), key=lambda each: each.serial)
    context.strands = {**older.strand_keys, **context.strands, **context.letterhead.strand_keys}


def apply(context: ApplyContext, session: Session, item: LetterheadItem) -> bool:
    """Apply a received letterhead (desk's public statement). Return True if the store got a newer one.

    If both machines replaced the same older letterhead, a workstation merges the two new letterheads.
    """
    newest = letterheads.latest(session)
    merger = context.endpoint.merger
    if newest is not None and newest[1] == item.body:
        peers.set_shared_letterhead(session, context.peer, item.serial)
        return False
    if newest is None or (merger is None and item.base >= newest[0]):
        return _store(context, session, item)  # if the base is newer than ours, this store was restored
    if merger is None:  # the item's base is older than our letterhead: the sender must merge the two
        outbox.enqueue_for(session, context.peer, outbox.OutboxKind.LETTERHEAD)
        return False
    known = peers.find(session, context.peer)
    shared = known.letterhead_serial if known else 0
    if _is_rolled_back(session, item, shared):
        # The server was restored from a backup. A merge would sign again what the desk withdrew.
        outbox.enqueue_for(session, context.peer, outbox.OutboxKind.LETTERHEAD)
        return False
    if outbox.is_queued(session, outbox.OutboxKind.LETTERHEAD):
        base = letterheads.find(session, shared)
        merged = merger.letterheads(base[1] if base else item.body, newest[1], item.body)
        letterheads.put(session, item.serial, item.body, item.signature)  # the base of the next merge
        letterheads.add(session, *merged)
        outbox.enqueue_for(session, context.peer, outbox.OutboxKind.LETTERHEAD)
        peers.set_shared_letterhead(session, context.peer, item.serial)
        return True
    return item.serial > newest[0] and _store(context, session, item)


def _is_rolled_back(session: Session, item: LetterheadItem, shared: int) -> bool:
    """Return True if a received letterhead shows that the server was restored from a backup.

    A letterhead is the desk's signed public statement.
    """
    # The letterhead was replaced here, or is not newer than the last one that both machines had.
    before = letterheads.find(session, item.serial)
    return item.serial <= shared or (before is not None and before[1] == item.body)


def _store(context: ApplyContext, session: Session, item: LetterheadItem) -> bool:
    letterheads.add(session, item.serial, item.body, item.signature)
    peers.set_shared_letterhead(session, context.peer, item.serial)
    return True
