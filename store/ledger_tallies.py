"""The ledger: sealed tallies, all alike. No row says of which mailbox it was or when it came."""

import hashlib
from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_rows
from store.database.prepared_statements import PreparedStatement
from store.database.schema import LedgerTallyRow, SealedRow
from store.database.sealed_rows import KEPT, insert_sealed
from store.outbox import OutboxKind, drop, enqueue

_ALL = (
    select(LedgerTallyRow.id, KEPT)
    .join(SealedRow, SealedRow.id == LedgerTallyRow.id)
    .order_by(LedgerTallyRow.id)  # which is random
)
_SOME = (
    select(LedgerTallyRow.id, KEPT)
    .join(SealedRow, SealedRow.id == LedgerTallyRow.id)
    .where(LedgerTallyRow.id.in_(bindparam("ids", expanding=True)))
)
_GET = PreparedStatement(
    select(KEPT)
    .join(LedgerTallyRow, LedgerTallyRow.id == SealedRow.id)
    .where(LedgerTallyRow.digest == bindparam("called"))
)
_ID_OF = PreparedStatement(select(LedgerTallyRow.id).where(LedgerTallyRow.digest == bindparam("called")))
_ADD = PreparedStatement(insert(LedgerTallyRow))


def add(session: Session, tallies: Sequence[bytes]) -> None:
    """Keep sealed tallies under new random ids. They are of one size, so that none tells what it counts.

    One that is there already stays as it is.
    """
    if len({len(tally) for tally in tallies}) > 1:
        raise ValueError("the tallies are not of one size")
    for tally in tallies:
        apply_from_peer(session, tally)


def apply_from_peer(session: Session, tally: bytes) -> bool:
    """Keep one sealed tally, and say so; one that is there already is kept once."""
    digest = tally_digest(tally)
    if _ID_OF.first(session, {"called": digest}) is not None:
        return False
    _ADD.run(session, {"id": insert_sealed(session, header=tally), "digest": digest})
    enqueue(session, OutboxKind.TALLY, name=digest)
    return True


def tally_digest(tally: bytes) -> bytes:
    """Return the name of a sealed tally: its SHA-256."""
    return hashlib.sha256(tally).digest()


def find(session: Session, digest: bytes) -> bytes | None:
    """Return the sealed tally of a digest, if it is there."""
    found = _GET.first(session, {"called": digest})
    return None if found is None else found[0]


def all_tallies(session: Session) -> Iterator[bytes]:
    """Yield every sealed tally, in the order of their random ids."""
    for _, tally in all_rows(session):
        yield tally


def all_rows(session: Session) -> Iterator[tuple[int, bytes]]:
    """Yield id and sealed tally of every row, for whoever seals them again for another epoch."""
    for row, tally in session.connection().execute(_ALL):  # noqa: UP028  # no rows
        yield row, tally


def tally_ids(session: Session) -> Sequence[int]:
    """Return the ids of all tallies."""
    return session.scalars(select(LedgerTallyRow.id)).all()


def tallies_by_id(session: Session, wanted: Sequence[int]) -> Sequence[tuple[int, bytes]]:
    """Return id and sealed tally of these, at most some hundreds at a time; one that is gone is left out."""
    rows = session.connection().execute(_SOME, {"ids": list(wanted)})
    return [(row, tally) for row, tally in rows]


def count(session: Session) -> int:
    """Return how many tallies there are."""
    return session.scalar(select(func.count()).select_from(LedgerTallyRow)) or 0


def drop_by_id(session: Session, ids: Sequence[int]) -> None:
    """Give up tallies by their ids."""
    queue_rows(session, ids)
    for row in ids:
        session.connection().execute(delete(LedgerTallyRow).where(LedgerTallyRow.id == row))


def drop_digests(session: Session, digests: Sequence[bytes]) -> None:
    """Give up tallies by their digests, and tell no peer of them; one that is not there is left out."""
    for digest in digests:
        drop_by_id(session, [row for (row,) in _ID_OF.all(session, {"called": digest})])
        drop(session, OutboxKind.TALLY, digest)
