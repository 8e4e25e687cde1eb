"""Records: encrypted notes of the desk, by kind and name. Only the newest revision is stored.

The name of a record about a mailbox begins with the mailbox's address. Such a record is deleted when the
mailbox is deleted because the desk closed it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session

from store import outbox
from store.database.deletion_queue import queue_rows
from store.database.prepared_statements import PlainQuery, PreparedChange, PreparedQuery, insert
from store.database.schema import RecordRow, SealedRow
from store.database.sealed_rows import WHOLE, insert_sealed
from store.dialect.differing_sql import summed_of_any
from store.errors import RecordMovedError
from store.outbox import OutboxKind, enqueue, record_name

_NAME_BYTES: Final = 64  # of the longest name of a record


@dataclass(frozen=True, slots=True)
class Record:
    """Encrypted record (note of the desk), as read from the store.

    `is_dropped` is True if the desk dropped the record. Other stores may not know that yet.
    """

    kind: str
    name: bytes = field(repr=False)
    revision: int
    sealed: bytes = field(repr=False)
    is_dropped: bool = False


_HAS_KIND = RecordRow.kind == bindparam("kind")
_HAS_NAME = _HAS_KIND & (RecordRow.name == bindparam("name"))
_RECORDS = select(RecordRow.kind, RecordRow.name, RecordRow.revision, WHOLE, RecordRow.is_dropped).join(
    SealedRow, SealedRow.id == RecordRow.id
)
_FIND = PreparedQuery(_RECORDS.where(_HAS_NAME), Record)
_ALL_RECORDS = PreparedQuery(_RECORDS.where(_HAS_KIND).order_by(RecordRow.name), Record)
_REVISIONS = PlainQuery(select(RecordRow.name, RecordRow.revision).where(_HAS_KIND))
_LISTED = PreparedQuery(
    select(RecordRow.kind, RecordRow.name, RecordRow.revision).where(
        RecordRow.goes_to_peers, ~RecordRow.is_dropped
    ),
    lambda kind, name, revision: (record_name(kind, name), max(revision, 0)),
)
_COUNT = PlainQuery(
    select(func.count(), summed_of_any(SealedRow.size))
    .join(RecordRow, RecordRow.id == SealedRow.id)
    .where(_HAS_KIND)
)
_FIND_ROW = PlainQuery(select(RecordRow.id).where(_HAS_NAME))
# The kinds that the store has, each found with one step in the index of kind and name: reading the names of
# all records would make the deletion of many mailboxes take quadratic time.
_FIRST_KIND = select(func.min(RecordRow.kind).label("kind")).cte("kinds", recursive=True)
_KINDS = _FIRST_KIND.union_all(
    select(
        select(func.min(RecordRow.kind)).where(RecordRow.kind > _FIRST_KIND.c.kind).scalar_subquery()
    ).where(_FIRST_KIND.c.kind.is_not(None))
)
_ROWS_OF_MAILBOX = PlainQuery(
    select(RecordRow.id, RecordRow.kind, RecordRow.name).where(
        RecordRow.kind.in_(select(_KINDS.c.kind)),
        RecordRow.name >= bindparam("address"),
        RecordRow.name < bindparam("after"),
    )
)
_DROPPED = PreparedQuery(_RECORDS.where(RecordRow.is_dropped), Record)
_ADD = PreparedChange(insert(RecordRow))
_DELETE = PreparedChange(delete(RecordRow).where(RecordRow.id == bindparam("row")))


def put(  # noqa: PLR0913  # the columns
    session: Session,
    kind: str,
    name: bytes,
    revision: int,
    sealed: bytes,
    *,
    goes_to_peers: bool,
    is_dropped: bool = False,
) -> None:
    """Write the next revision of a record (encrypted note of the desk) by compare-and-set.

    `revision` is the stored revision plus 1, or 1 for a new record. With `goes_to_peers`, the record is sent
    to all other stores.

    Raises:
        RecordMovedError: another revision is stored. Nothing was written.
    """
    before = find(session, kind, name)
    # So an old form cannot bring back a record that was deleted in the meantime.
    if revision != (1 if before is None else before.revision + 1):
        raise RecordMovedError("the stored record has another revision than the writer saw")
    record = Record(kind, name, revision, sealed, is_dropped)
    replace(session, record, goes_to_peers=goes_to_peers)


def replace(session: Session, record: Record, *, goes_to_peers: bool = True) -> None:
    """Write a received or merged record (encrypted note), and replace the stored record of this name, if any.

    With `goes_to_peers`, the record is sent to all other stores except the one that `outbox.exclude_peer`
    excluded.
    """
    drop(session, record.kind, record.name)
    row = insert_sealed(session, header=record.sealed)
    _ADD.run(session, id=row, goes_to_peers=goes_to_peers, **asdict(record))  # `sealed` is not a column
    if goes_to_peers:
        enqueue(session, OutboxKind.RECORD, name=record_name(record.kind, record.name))


def find(session: Session, kind: str, name: bytes) -> Record | None:
    """Return the record (encrypted note of the desk) of this kind and name, or None."""
    return _FIND.first(session, kind=kind, name=name)


def all_records(session: Session, kind: str) -> Sequence[Record]:
    """Return every record (encrypted note of the desk) of a kind, sorted by name."""
    return _ALL_RECORDS.all(session, kind=kind)


def revisions(session: Session, kind: str) -> Sequence[tuple[bytes, int]]:
    """Return name and revision of every record (encrypted note) of a kind, without reading ciphertext."""
    return _REVISIONS.all(session, kind=kind)


def listed(session: Session) -> tuple[tuple[bytes, int], ...]:
    """Return name and revision of every record that goes to peers (other stores) and was not dropped, sorted.

    A name has the form "kind:name". A name that is too long for a record is left out: only damage makes one.
    """
    return tuple(sorted(each for each in _LISTED.all(session) if len(each[0]) <= 2 * _NAME_BYTES))


def count(session: Session, kind: str) -> tuple[int, int]:
    """Return the number of records (encrypted notes) of a kind, and the sum of their bytes."""
    return _COUNT.first(session, kind=kind) or (0, 0)


def drop(session: Session, kind: str, name: bytes) -> None:
    """Delete a record (encrypted note of the desk) in this store only: no other store is told.

    If there is no such record, the function does nothing.
    """
    _delete(session, _FIND_ROW.all(session, kind=kind, name=name))


def drop_of_mailbox(session: Session, address: bytes) -> None:
    """Delete the desk's records about a mailbox in this store only: no other store is told.

    The names of these records begin with the mailbox's address.
    """
    after = address + b"\xff" * _NAME_BYTES
    for row, kind, name in _ROWS_OF_MAILBOX.all(session, address=address, after=after):
        _delete(session, [row])
        outbox.dequeue_record(session, kind, name)


def delete_dropped(
    session: Session, peers: Collection[bytes], is_empty: Callable[[Record], bool] = lambda _: True
) -> None:
    """Delete the records that the desk dropped, if each of these peers (other stores) knows that.

    On a workstation, `is_empty` verifies that the desk signed the record with an empty body.
    """
    # `is_dropped` is not signed. The server cannot decrypt a record, so it does not check the body.
    for record in _DROPPED.all(session):
        name = record_name(record.kind, record.name)
        if outbox.have_confirmed(session, peers, OutboxKind.RECORD, name=name) and is_empty(record):
            drop(session, record.kind, record.name)


def _delete(session: Session, rows: Iterable[int]) -> None:
    for row in rows:
        queue_rows(session, [row])
        _DELETE.run(session, row=row)
