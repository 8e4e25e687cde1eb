"""Records: the desk's own encrypted records, by kind and name. Only the newest revision is stored.

The name of a record about a mailbox begins with the mailbox's address. Such a record is deleted when the
mailbox is deleted by the desk's order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_rows
from store.database.prepared_statements import PreparedChange, PreparedQuery, as_tuple, insert
from store.database.schema import RecordRow, SealedRow
from store.database.sealed_rows import WHOLE, insert_sealed
from store.errors import RecordMovedError
from store.outbox import OutboxKind, dequeue_for_excluded, enqueue, record_name


@dataclass(frozen=True, slots=True)
class Record:
    """Encrypted record of the desk, from the store."""

    kind: str
    name: bytes = field(repr=False)
    revision: int
    sealed: bytes = field(repr=False)
    base: int  # the newest revision that the peer is known to have; 0: no revision


_HAS_KIND = RecordRow.kind == bindparam("kind")
_HAS_NAME = _HAS_KIND & (RecordRow.name == bindparam("name"))
_RECORDS = select(RecordRow.kind, RecordRow.name, RecordRow.revision, WHOLE, RecordRow.base).join(
    SealedRow, SealedRow.id == RecordRow.id
)
_FIND = PreparedQuery(_RECORDS.where(_HAS_NAME), Record)
_ALL_RECORDS = PreparedQuery(_RECORDS.where(_HAS_KIND).order_by(RecordRow.name), Record)
_REVISIONS = PreparedQuery(select(RecordRow.name, RecordRow.revision).where(_HAS_KIND), as_tuple)
_ROWS = select(RecordRow.id, RecordRow.kind, RecordRow.name, RecordRow.goes_to_peers)
_FIND_ROW = PreparedQuery(_ROWS.where(_HAS_NAME), as_tuple)
_ROWS_OF_MAILBOX = PreparedQuery(
    _ROWS.where(func.substr(RecordRow.name, 1, bindparam("length")) == bindparam("address")), as_tuple
)
_MARK_SHARED = PreparedChange(update(RecordRow).where(_HAS_NAME).values(base=RecordRow.revision))
_ADD = PreparedChange(insert(RecordRow))
_DELETE = PreparedChange(delete(RecordRow).where(RecordRow.id == bindparam("row")))


def put(  # noqa: PLR0913  # the columns
    session: Session, kind: str, name: bytes, revision: int, sealed: bytes, *, goes_to_peers: bool
) -> None:
    """Write the next revision of a record by compare-and-set, and replace the stored revision.

    `revision` must be one more than the stored revision, or 1 if there is no such record. So a form that was
    open before a record was deleted cannot bring the record back. With `goes_to_peers`, the record is sent to
    all peers.

    Raises:
        RecordMovedError: another revision is stored. Nothing was written.
    """
    before = find(session, kind, name)
    if revision != (1 if before is None else before.revision + 1):
        raise RecordMovedError("the stored record has another revision than the writer saw")
    record = Record(kind, name, revision, sealed, base=0 if before is None else before.base)
    _replace(session, record, goes_to_peers=goes_to_peers)
    if goes_to_peers:
        enqueue(session, OutboxKind.RECORD, name=record_name(kind, name))


def apply_from_peer(  # noqa: PLR0913  # the columns
    session: Session, kind: str, name: bytes, revision: int, sealed: bytes, *, base: int
) -> None:
    """Write a record that a peer sent, and replace the stored record with the same kind and name.

    `base` is the revision that this peer has. All other peers will receive the new record. The replaced
    record is removed from the outbox of the peer that sent the new record.
    """
    _replace(session, Record(kind, name, revision, sealed, base=base), goes_to_peers=True)
    dequeue_for_excluded(session, OutboxKind.RECORD, record_name(kind, name))
    enqueue(session, OutboxKind.RECORD, name=record_name(kind, name))


def mark_shared(session: Session, kind: str, name: bytes) -> None:
    """Record that the peer has the stored revision of a desk record (sets `base`)."""
    _MARK_SHARED.run(session, kind=kind, name=name)


def find(session: Session, kind: str, name: bytes) -> Record | None:
    """Return the record of this kind named `name`, or None if there is no such record."""
    return _FIND.first(session, kind=kind, name=name)


def all_records(session: Session, kind: str) -> Sequence[Record]:
    """Return every record of a kind, sorted by name."""
    return _ALL_RECORDS.all(session, kind=kind)


def revisions(session: Session, kind: str) -> Sequence[tuple[bytes, int]]:
    """Return name and revision of every record of a kind, without reading the records' ciphertext."""
    return _REVISIONS.all(session, kind=kind)


def drop(session: Session, kind: str, name: bytes) -> None:
    """Delete a record. Does nothing if there is no such record."""
    _drop(session, _FIND_ROW.all(session, kind=kind, name=name))


def drop_of_mailbox(session: Session, address: bytes) -> None:
    """Delete every record whose name begins with a mailbox's address."""
    _drop(session, _ROWS_OF_MAILBOX.all(session, length=len(address), address=address))


def _drop(session: Session, rows: Iterable[tuple[Any, ...]]) -> None:
    for row, kind, name, goes_to_peers in rows:
        _delete(session, row)
        if goes_to_peers:
            enqueue(session, OutboxKind.RECORD, name=record_name(kind, name))


def _replace(session: Session, record: Record, *, goes_to_peers: bool) -> None:
    before = _FIND_ROW.first(session, kind=record.kind, name=record.name)
    if before is not None:
        _delete(session, before[0])
    _ADD.run(
        session,
        id=insert_sealed(session, header=record.sealed),
        kind=record.kind,
        name=record.name,
        revision=record.revision,
        base=record.base,
        goes_to_peers=goes_to_peers,
    )


def _delete(session: Session, row: int) -> None:
    queue_rows(session, [row])
    _DELETE.run(session, row=row)
