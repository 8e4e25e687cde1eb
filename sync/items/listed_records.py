"""List of the server's records in a pouch (sync bundle): a workstation sends again what the server has lost.

A record is an encrypted note of the desk. The first pouch of a sync has a digest of the workstation's list.
The server sends its own list only if the two lists differ.
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy.orm import Session

from protocol.pouch.pouch_items import RecordsItem
from store import outbox, records
from store.outbox import OutboxKind
from sync.items.contexts import ApplyContext
from sync.items.record_item import is_waiting

_LISTED: Final = 65_536  # records in one list


def digest(session: Session) -> bytes:
    """Return the SHA-256 of the list of this store's records (encrypted notes of the desk)."""
    return hashlib.sha256(msgspec.msgpack.encode(records.listed(session))).digest()


def is_other_list(context: ApplyContext) -> bool:
    """Return True if the pouch had the digest of a list of records, and this store has another list."""
    if context.listed_at_peer is None:
        return False
    with context.endpoint.store.reading() as session:
        return context.listed_at_peer != digest(session)


def pack(session: Session) -> RecordsItem:
    """Return the sync item with the list of this store's records (encrypted notes of the desk).

    If a list cannot have all of them, the list has a part. Each part is equally likely.
    """
    # Anyone who can write to the server's store can invent records. A part is in the order of the names, and
    # continues with the first record behind the last one.
    rows = records.listed(session)
    if len(rows) >= _LISTED:
        start = secrets.randbelow(len(rows))
        rows = (*rows[start:], *rows[:start])[:_LISTED]
    return RecordsItem(rows)


def apply(context: ApplyContext, session: Session, item: RecordsItem) -> bool:
    """On a workstation, queue the records that the server lacks, or has in an older revision.

    On the server, do nothing.
    """
    if context.endpoint.is_server:
        return False
    at_server = dict(item.records)
    for name, revision in records.listed(session):
        is_older = at_server.get(name, 0) < revision
        if is_older and _is_about(item.records, name) and not is_waiting(session, name):
            outbox.enqueue_for(session, context.peer, OutboxKind.RECORD, name=name)
    return False


def _is_about(listed: Sequence[tuple[bytes, int]], name: bytes) -> bool:
    """Return True if a list shows whether the server has a record of this name."""
    if len(listed) < _LISTED:
        return True
    first, last = listed[0][0], listed[-1][0]
    return first <= name <= last if first <= last else not last < name < first
