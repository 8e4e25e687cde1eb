"""Ledger: encrypted tallies (anonymous facts about deleted mailboxes), all of one size.

No row shows which mailbox it is about, or when it was added.
"""

import hashlib
from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from store import outbox
from store.database.prepared_statements import PlainQuery, PreparedChange, insert
from store.database.schema import LedgerTallyRow, SealedRow
from store.database.sealed_rows import WHOLE, insert_sealed
from store.outbox import OutboxKind

_HAS_DIGEST = LedgerTallyRow.digest == bindparam("digest")
_SEALED = select(WHOLE).join(LedgerTallyRow, LedgerTallyRow.id == SealedRow.id)
_FIND = PlainQuery(_SEALED.where(_HAS_DIGEST))
_TALLIES_BY_ID = PlainQuery(
    select(LedgerTallyRow.id, WHOLE)
    .join(SealedRow, SealedRow.id == LedgerTallyRow.id)
    .where(LedgerTallyRow.id.in_(bindparam("ids", expanding=True)))
    .order_by(LedgerTallyRow.id)  # or else PostgreSQL returns them in the order in which they arrived
)
_TALLY_IDS = PlainQuery(select(LedgerTallyRow.id).order_by(LedgerTallyRow.id))
_TALLY_ID = PlainQuery(select(LedgerTallyRow.id).where(_HAS_DIGEST))
_ADD = PreparedChange(insert(LedgerTallyRow))


def add(session: Session, tallies: Sequence[bytes]) -> None:
    """Add encrypted tallies (anonymous facts about deleted mailboxes) to the ledger, with new random ids.

    A tally that the ledger already has is not added again. The tallies must be of one size.
    """
    if len({len(tally) for tally in tallies}) > 1:
        raise ValueError("the tallies are not of one size")
    for tally in tallies:
        apply_from_peer(session, tally)


def apply_from_peer(session: Session, tally: bytes) -> bool:
    """Add one encrypted tally (anonymous fact) that arrived by sync to the ledger.

    Return False if the ledger already has this tally.
    """
    digest = tally_digest(tally)
    if _TALLY_ID.first(session, digest=digest) is not None:
        return False
    _ADD.run(session, id=insert_sealed(session, header=tally), digest=digest)
    outbox.enqueue(session, OutboxKind.TALLY, name=digest)
    return True


def tally_digest(tally: bytes) -> bytes:
    """Return the SHA-256 digest of an encrypted tally (anonymous fact), by which syncs name the tally."""
    return hashlib.sha256(tally).digest()


def find(session: Session, digest: bytes) -> bytes | None:
    """Return the encrypted tally with this SHA-256 digest, or None if the ledger has no such tally.

    A tally is one anonymous fact about a mailbox.
    """
    return _FIND.first(session, digest=digest)


def tally_ids(session: Session) -> Sequence[int]:
    """Return the row ids of all tallies (anonymous facts) in the ledger."""
    return _TALLY_IDS.all(session)


def tallies_by_id(session: Session, ids: Sequence[int]) -> Sequence[tuple[int, bytes]]:
    """Return the tallies (anonymous facts) of the ledger that have these row ids.

    Each result is a pair: the row id and the encrypted tally. Ask for at most a few hundred row ids. Ids of
    deleted rows are left out.
    """
    return _TALLIES_BY_ID.all(session, ids=ids)
