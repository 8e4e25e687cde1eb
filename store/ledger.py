"""The ledger: sealed tallies, all alike. No row says of which mailbox it was or when it came."""

from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.orm import Session

from store.doom import doom_rows
from store.schema import LedgerRow, SealedRow
from store.sealing import KEPT, keep

_ALL = (
    select(LedgerRow.id, KEPT)
    .join(SealedRow, SealedRow.id == LedgerRow.id)
    .order_by(LedgerRow.id)  # which is random
)
_SOME = (
    select(LedgerRow.id, KEPT)
    .join(SealedRow, SealedRow.id == LedgerRow.id)
    .where(LedgerRow.id.in_(bindparam("ids", expanding=True)))
)


def add(session: Session, tallies: Sequence[bytes]) -> None:
    """Keep sealed tallies under new random ids. They are of one size, so that none tells what it counts."""
    if len({len(tally) for tally in tallies}) > 1:
        raise ValueError("the tallies are not of one size")
    for tally in tallies:
        session.connection().execute(insert(LedgerRow), {"id": keep(session, header=tally)})


def all_tallies(session: Session) -> Iterator[bytes]:
    """Yield every sealed tally, in the order of their random ids."""
    for _, tally in all_rows(session):
        yield tally


def all_rows(session: Session) -> Iterator[tuple[int, bytes]]:
    """Yield id and sealed tally of every row, for whoever seals them again for another epoch."""
    for row, tally in session.connection().execute(_ALL):  # noqa: UP028  # no rows
        yield row, tally


def ids(session: Session) -> Sequence[int]:
    """Return the ids of all tallies."""
    return session.scalars(select(LedgerRow.id)).all()


def some(session: Session, wanted: Sequence[int]) -> Sequence[tuple[int, bytes]]:
    """Return id and sealed tally of these, at most some hundreds at a time; one that is gone is left out."""
    rows = session.connection().execute(_SOME, {"ids": list(wanted)})
    return [(row, tally) for row, tally in rows]


def count(session: Session) -> int:
    """Return how many tallies there are."""
    return session.scalar(select(func.count()).select_from(LedgerRow)) or 0


def drop_all(session: Session, ids: Sequence[int]) -> None:
    """Give up tallies by their ids."""
    doom_rows(session, ids)
    for row in ids:
        session.connection().execute(delete(LedgerRow).where(LedgerRow.id == row))
