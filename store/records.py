"""What the desk keeps for itself, sealed: one revision under each kind and name.

A record named after a mailbox, its address alone or in front of more, goes when the mailbox is purged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.orm import Session

from store.doom import doom_rows
from store.errors import RecordMovedError
from store.schema import RecordRow, SealedRow
from store.sealing import KEPT, keep


@dataclass(frozen=True, slots=True)
class Record:
    """One sealed record as it lies in the store."""

    kind: str
    name: bytes = field(repr=False)
    revision: int
    sealed: bytes = field(repr=False)


_RECORD = select(RecordRow.kind, RecordRow.name, RecordRow.revision, KEPT).join(
    SealedRow, SealedRow.id == RecordRow.id
)
_GET = _RECORD.where(RecordRow.kind == bindparam("kind"), RecordRow.name == bindparam("name"))
_ALL_OF = _RECORD.where(RecordRow.kind == bindparam("kind")).order_by(RecordRow.name)


def put(session: Session, kind: str, name: bytes, revision: int, sealed: bytes) -> None:
    """Compare and set: write a record's next revision in the place of the one before.

    `revision` is one more than the one that is stored, and 1 where there is none; so nothing that was dropped
    comes back from a form that was still open.

    Raises:
        RecordMovedError: another revision is stored. Nothing has changed.
    """
    here = (RecordRow.kind == kind) & (RecordRow.name == name)
    before = session.connection().execute(select(RecordRow.id, RecordRow.revision).where(here)).one_or_none()
    if revision != (1 if before is None else before.revision + 1):
        raise RecordMovedError("the record has another revision than this one was built upon")
    if before is not None:
        _drop(session, [before.id])
    session.connection().execute(
        insert(RecordRow),
        {"id": keep(session, header=sealed), "kind": kind, "name": name, "revision": revision},
    )


def get(session: Session, kind: str, name: bytes) -> Record | None:
    """Return the record of a kind and name, if there is one."""
    row = session.connection().execute(_GET, {"kind": kind, "name": name}).one_or_none()
    return None if row is None else Record(*row)


def all_of(session: Session, kind: str) -> Sequence[Record]:
    """Return every record of a kind, by name."""
    return [Record(*row) for row in session.connection().execute(_ALL_OF, {"kind": kind})]


def revisions(session: Session, kind: str) -> Sequence[tuple[bytes, int]]:
    """Return name and revision of every record of a kind: what is sealed stays where it is."""
    query = select(RecordRow.name, RecordRow.revision).where(RecordRow.kind == kind)
    return [(name, revision) for name, revision in session.execute(query)]


def drop(session: Session, kind: str, name: bytes) -> None:
    """Give up a record; where there is none there is nothing to do."""
    which = select(RecordRow.id).where(RecordRow.kind == kind, RecordRow.name == name)
    _drop(session, session.scalars(which).all())


def drop_of_mailbox(session: Session, address: bytes) -> None:
    """Give up every record whose name is an address, or begins with it."""
    which = select(RecordRow.id).where(func.substr(RecordRow.name, 1, len(address)) == address)
    _drop(session, session.scalars(which).all())


def _drop(session: Session, ids: Sequence[int]) -> None:
    doom_rows(session, ids)
    for row in ids:
        session.connection().execute(delete(RecordRow).where(RecordRow.id == row))
