"""Deletion orders: the desk's signed orders to delete a mailbox on a day.

An order is stored with the anonymous tallies that the ledger keeps after the deletion. A mailbox has at most
one order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_rows
from store.database.prepared_statements import PlainQuery, PreparedChange, insert
from store.database.schema import DeletionOrderRow, DeletionOrderTallyRow, MailboxRow, SealedRow
from store.database.sealed_rows import WHOLE, insert_sealed
from store.errors import NoSuchMailboxError
from store.outbox import OutboxKind, enqueue


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """Deletion order from the store, not verified. No signature covers the field `due`."""

    address: bytes
    statement: bytes = field(repr=False)
    due: date
    tallies: tuple[bytes, ...] = field(repr=False)


_OF_MAILBOX = DeletionOrderRow.address == bindparam("address")
_TALLY_OF_ORDER = DeletionOrderTallyRow.order_row == bindparam("row")
_ORDERS = (
    select(DeletionOrderRow.id, DeletionOrderRow.address, WHOLE, DeletionOrderRow.due)
    .join(SealedRow, SealedRow.id == DeletionOrderRow.id)
    .order_by(DeletionOrderRow.due, DeletionOrderRow.address)
)
_FIND = PlainQuery(_ORDERS.where(_OF_MAILBOX))
_DUE = PlainQuery(_ORDERS.where(DeletionOrderRow.due <= bindparam("day")))
_TALLIES = PlainQuery(
    select(WHOLE)
    .join(DeletionOrderTallyRow, DeletionOrderTallyRow.id == SealedRow.id)
    .where(_TALLY_OF_ORDER)
    .order_by(DeletionOrderTallyRow.number)
)
_TALLY_IDS = PlainQuery(select(DeletionOrderTallyRow.id).where(_TALLY_OF_ORDER))
_MAILBOX = PlainQuery(select(MailboxRow.id).where(MailboxRow.address == bindparam("address")))
_ORDER_ID = PlainQuery(select(DeletionOrderRow.id).where(_OF_MAILBOX))
_ADD = PreparedChange(insert(DeletionOrderRow))
_ADD_TALLY = PreparedChange(insert(DeletionOrderTallyRow))
_DELETE = PreparedChange(delete(DeletionOrderRow).where(DeletionOrderRow.id == bindparam("row")))
_DELETE_TALLIES = PreparedChange(delete(DeletionOrderTallyRow).where(_TALLY_OF_ORDER))


def put(session: Session, address: bytes, statement: bytes, due: date, tallies: Sequence[bytes]) -> None:
    """Write the deletion order of a mailbox. An existing order is replaced.

    Raises:
        NoSuchMailboxError: there is no such mailbox.
    """
    if _MAILBOX.first(session, address=address) is None:
        raise NoSuchMailboxError("there is no such mailbox")
    _delete(session, address)
    row = insert_sealed(session, header=statement)
    _ADD.run(session, id=row, address=address, due=due)
    for number, tally in enumerate(tallies):
        _ADD_TALLY.run(session, id=insert_sealed(session, header=tally), order_row=row, number=number)
    enqueue(session, OutboxKind.ORDER, address=address)


def find(session: Session, address: bytes) -> StoredOrder | None:
    """Return the deletion order of a mailbox, or None if the mailbox has no order."""
    row = _FIND.first(session, address=address)
    return None if row is None else _with_tallies(session, *row)


def is_under_order(session: Session, address: bytes) -> bool:
    """Return True if a mailbox has a deletion order. Reads no ciphertext, so it is cheaper than `find`."""
    return _ORDER_ID.first(session, address=address) is not None


def all_due(session: Session, day: date) -> Sequence[StoredOrder]:
    """Return the deletion orders that are due on a day or before it, the oldest first."""
    return [_with_tallies(session, *row) for row in _DUE.all(session, day=day)]


def drop(session: Session, address: bytes) -> None:
    """Delete a mailbox's deletion order and its tallies. Does nothing if the mailbox has no order."""
    if _delete(session, address):
        enqueue(session, OutboxKind.ORDER, address=address)


def _delete(session: Session, address: bytes) -> bool:
    row = _ORDER_ID.first(session, address=address)
    if row is None:
        return False
    queue_rows(session, [row, *_TALLY_IDS.all(session, row=row)])
    _DELETE_TALLIES.run(session, row=row)
    _DELETE.run(session, row=row)
    return True


def _with_tallies(session: Session, row: int, address: bytes, statement: bytes, due: date) -> StoredOrder:
    return StoredOrder(address, statement, due, tuple(_TALLIES.all(session, row=row)))
