"""Sealed record of the desk in a pouch: workstations merge concurrent changes, and the server keeps one.

An item with revision 0 says that the sender dropped the record.
"""

from typing import Final

from sqlalchemy.orm import Session

from crypto.errors import MalformedError
from protocol.pouch.pouch_items import RecordItem
from store import outbox, records
from sync.items.contexts import ApplyContext, BuildContext, VerifyContext

_LOCAL_KINDS: Final = frozenset({"draft", "unsent"})  # kinds that stay on the workstation that wrote them


def pack(_context: BuildContext, session: Session, row: outbox.OutboxItem) -> RecordItem:
    """Return the item with the newest revision of a record, or with revision 0 if the record was dropped."""
    kind, _, name = row.name.partition(b":")
    record = records.find(session, kind.decode("ascii"), name)
    if record is None:
        return RecordItem(kind.decode("ascii"), name, 0, 0, b"")
    return RecordItem(record.kind, name, record.base, record.revision, record.sealed)


def verify(_context: VerifyContext, item: RecordItem) -> None:
    """Refuse a kind of record that no endpoint sends. The encrypted bytes are not opened here.

    Raises:
        MalformedError: the record is a draft or an unsent text. The adviser would believe that the text was
            typed on this workstation.
    """
    if item.kind in _LOCAL_KINDS:
        raise MalformedError


def apply(context: ApplyContext, session: Session, item: RecordItem) -> bool:
    """Store a newer revision of a record.

    A workstation merges the received revision with its own change to the same record.
    """
    stored = records.find(session, item.kind, item.name)
    row_name = outbox.record_name(item.kind, item.name)
    if stored is not None and stored.sealed == item.sealed:
        records.mark_shared(session, item.kind, item.name)
        return False
    if context.endpoint.merger is None:
        return _apply_at_server(context, session, item, stored)
    is_changed_here = outbox.is_queued(session, outbox.OutboxKind.RECORD, name=row_name)
    if item.revision == 0 or (stored is None and is_changed_here):
        return False
    if stored is not None and is_changed_here:
        revision = max(stored.revision, item.revision) + 1
        merged = context.endpoint.merger.records(item.kind, item.name, stored.sealed, item.sealed, revision)
        records.apply_from_peer(session, item.kind, item.name, revision, merged, base=item.revision)
        outbox.enqueue_for(session, context.peer, outbox.OutboxKind.RECORD, name=row_name)
        return True
    if stored is not None and item.revision <= stored.revision:
        return False
    _store(session, item)
    return True


def _apply_at_server(
    context: ApplyContext, session: Session, item: RecordItem, stored: records.Record | None
) -> bool:
    row_name = outbox.record_name(item.kind, item.name)
    if item.revision == 0:
        if outbox.peer_lacks(
            session, context.peer, outbox.OutboxKind.RECORD, row_name, taken=context.head.taken
        ):
            return False  # the sender dropped an older revision: the newer one of another workstation stays
        records.drop(session, item.kind, item.name)
        return stored is not None
    if stored is not None and stored.revision != item.base:
        outbox.enqueue_for(session, context.peer, outbox.OutboxKind.RECORD, name=row_name)
        return False
    _store(session, item)
    return True


def _store(session: Session, item: RecordItem) -> None:
    records.apply_from_peer(session, item.kind, item.name, item.revision, item.sealed, base=item.revision)
