"""What the desk keeps for itself, sealed: one revision under each kind and name.

A record named after a mailbox, its address alone or in front of more, goes when the mailbox is purged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_rows
from store.database.prepared_statements import PreparedStatement
from store.database.schema import RecordRow, SealedRow
from store.database.sealed_rows import KEPT, insert_sealed
from store.errors import RecordMovedError
from store.outbox import OutboxKind, dequeue_for_excluded, enqueue, record_name


@dataclass(frozen=True, slots=True)
class Record:
    """One sealed record as it lies in the store."""

    kind: str
    name: bytes = field(repr=False)
    revision: int
    sealed: bytes = field(repr=False)
    base: int  # the revision that the other side is known to have; 0: none


_RECORD = select(RecordRow.kind, RecordRow.name, RecordRow.revision, KEPT, RecordRow.base).join(
    SealedRow, SealedRow.id == RecordRow.id
)
_IS_IT = (RecordRow.kind == bindparam("of")) & (RecordRow.name == bindparam("called"))
_GET = PreparedStatement(_RECORD.where(_IS_IT))
_ALL_OF = PreparedStatement(_RECORD.where(RecordRow.kind == bindparam("of")).order_by(RecordRow.name))
_REVISIONS = PreparedStatement(
    select(RecordRow.name, RecordRow.revision).where(RecordRow.kind == bindparam("of"))
)
_WHOLE = select(RecordRow.id, RecordRow.kind, RecordRow.name, RecordRow.goes_to_peers)
_FIND = PreparedStatement(_WHOLE.where(_IS_IT))
_OF_MAILBOX = PreparedStatement(
    _WHOLE.where(func.substr(RecordRow.name, 1, bindparam("length")) == bindparam("begins"))
)
_SHARE = PreparedStatement(update(RecordRow).where(_IS_IT).values(base=RecordRow.revision))
_ADD = PreparedStatement(insert(RecordRow))
_DELETE = PreparedStatement(delete(RecordRow).where(RecordRow.id == bindparam("row")))


def put(  # noqa: PLR0913  # the columns
    session: Session, kind: str, name: bytes, revision: int, sealed: bytes, *, goes_to_peers: bool
) -> None:  # the columns
    """Compare and set: write a record's next revision in the place of the one before.

    `revision` is one more than the one that is stored, and 1 where there is none; so nothing that was dropped
    comes back from a form that was still open. One that `travels` goes to every peer.

    Raises:
        RecordMovedError: another revision is stored. Nothing has changed.
    """
    before = find(session, kind, name)
    if revision != (1 if before is None else before.revision + 1):
        raise RecordMovedError("the record has another revision than this one was built upon")
    record = Record(kind, name, revision, sealed, base=0 if before is None else before.base)
    _replace(session, record, goes_to_peers=goes_to_peers)
    if goes_to_peers:
        enqueue(session, OutboxKind.RECORD, name=record_name(kind, name))


def apply_from_peer(  # noqa: PLR0913  # the columns
    session: Session, kind: str, name: bytes, revision: int, sealed: bytes, *, base: int
) -> None:
    """Keep a record that a peer brought, whatever lies here in its place; `base` is the revision it has.

    That peer need not be told of what lay here any more; every other one is.
    """
    _replace(session, Record(kind, name, revision, sealed, base=base), goes_to_peers=True)
    dequeue_for_excluded(session, OutboxKind.RECORD, record_name(kind, name))
    enqueue(session, OutboxKind.RECORD, name=record_name(kind, name))


def mark_shared(session: Session, kind: str, name: bytes) -> None:
    """Note that the other side has a record as it is here."""
    _SHARE.run(session, {"of": kind, "called": name})


def find(session: Session, kind: str, name: bytes) -> Record | None:
    """Return the record of a kind and name, if there is one."""
    row = _GET.first(session, {"of": kind, "called": name})
    return None if row is None else Record(*row)


def all_records(session: Session, kind: str) -> Sequence[Record]:
    """Return every record of a kind, by name."""
    return [Record(*row) for row in _ALL_OF.all(session, {"of": kind})]


def revisions(session: Session, kind: str) -> Sequence[tuple[bytes, int]]:
    """Return name and revision of every record of a kind: what is sealed stays where it is."""
    return [(name, revision) for name, revision in _REVISIONS.all(session, {"of": kind})]


def drop(session: Session, kind: str, name: bytes) -> None:
    """Give up a record; where there is none there is nothing to do."""
    _drop(session, _FIND.all(session, {"of": kind, "called": name}))


def drop_of_mailbox(session: Session, address: bytes) -> None:
    """Give up every record whose name is an address, or begins with it."""
    _drop(session, _OF_MAILBOX.all(session, {"length": len(address), "begins": address}))


def _drop(session: Session, found: Iterable[tuple[Any, ...]]) -> None:
    for row, kind, name, goes_to_peers in list(found):
        _give_up(session, row)
        if goes_to_peers:
            enqueue(session, OutboxKind.RECORD, name=record_name(kind, name))


def _replace(session: Session, record: Record, *, goes_to_peers: bool) -> None:
    before = _FIND.first(session, {"of": record.kind, "called": record.name})
    if before is not None:
        _give_up(session, before[0])
    _ADD.run(
        session,
        {
            "id": insert_sealed(session, header=record.sealed),
            "kind": record.kind,
            "name": record.name,
            "revision": record.revision,
            "base": record.base,
            "goes_to_peers": goes_to_peers,
        },
    )


def _give_up(session: Session, row: int) -> None:
    queue_rows(session, [row])
    _DELETE.run(session, {"row": row})
