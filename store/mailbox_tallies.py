"""Tallies (anonymous facts) beside a mailbox, which go into the ledger when the mailbox is deleted.

The desk replaces the tallies of a mailbox whenever its notes about the mailbox change. A mailbox without
tallies is not deleted.
"""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_rows
from store.database.prepared_statements import PlainQuery, PreparedChange, insert
from store.database.schema import MailboxRow, MailboxTallyRow, SealedRow
from store.database.sealed_rows import WHOLE, insert_sealed
from store.errors import NoSuchMailboxError
from store.outbox import OutboxKind, enqueue

_OF_MAILBOX = MailboxTallyRow.address == bindparam("address")
_FIND = PlainQuery(
    select(WHOLE).join(MailboxTallyRow, MailboxTallyRow.id == SealedRow.id).where(_OF_MAILBOX).order_by(WHOLE)
)
_IDS = PlainQuery(select(MailboxTallyRow.id).where(_OF_MAILBOX))
_ALL_IDS = PlainQuery(select(MailboxTallyRow.address, MailboxTallyRow.id))
_MAILBOX = PlainQuery(select(MailboxRow.id).where(MailboxRow.address == bindparam("address")))
_ADD = PreparedChange(insert(MailboxTallyRow))
_DELETE = PreparedChange(delete(MailboxTallyRow).where(_OF_MAILBOX))


def put(session: Session, address: bytes, tallies: Sequence[bytes]) -> None:
    """Replace all encrypted tallies (anonymous facts) of a mailbox. Without new tallies, delete the old ones.

    Raises:
        NoSuchMailboxError: there is no such mailbox.
    """
    if _MAILBOX.first(session, address=address) is None:
        raise NoSuchMailboxError("there is no such mailbox")
    drop(session, address)
    for tally in tallies:
        _ADD.run(session, id=insert_sealed(session, header=tally), address=address)
    enqueue(session, OutboxKind.TALLIES, address=address)


def find(session: Session, address: bytes) -> tuple[bytes, ...]:
    """Return the encrypted tallies (anonymous facts) of a mailbox, sorted by their ciphertext."""
    return tuple(_FIND.all(session, address=address))


def all_rows(session: Session) -> dict[bytes, set[int]]:
    """Return the row ids of each mailbox's tallies (anonymous facts), without reading ciphertext.

    If a tally is replaced, the new tally has a new row id.
    """
    found: defaultdict[bytes, set[int]] = defaultdict(set)
    for address, row in _ALL_IDS.each(session):
        found[address].add(row)
    return found


def drop(session: Session, address: bytes) -> None:
    """Delete the tallies (anonymous facts) of a mailbox, because the mailbox is deleted."""
    queue_rows(session, _IDS.all(session, address=address))
    _DELETE.run(session, address=address)
