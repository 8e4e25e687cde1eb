"""The desk's orders to purge a mailbox on a day: at most one for each, with what the ledger gets by it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_rows
from store.database.prepared_statements import PreparedStatement
from store.database.schema import DeletionOrderRow, DeletionOrderTallyRow, MailboxRow, SealedRow
from store.database.sealed_rows import KEPT, insert_sealed
from store.errors import NoSuchMailboxError
from store.outbox import OutboxKind, enqueue


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as it lies in the store: nobody has verified it, and `due` is the writer's word for it."""

    address: bytes
    statement: bytes = field(repr=False)
    due: date
    tallies: tuple[bytes, ...] = field(repr=False)


_ORDER = (
    select(DeletionOrderRow.id, DeletionOrderRow.address, KEPT, DeletionOrderRow.due)
    .join(SealedRow, SealedRow.id == DeletionOrderRow.id)
    .order_by(DeletionOrderRow.due, DeletionOrderRow.address)
)
_OF_MAILBOX = PreparedStatement(_ORDER.where(DeletionOrderRow.address == bindparam("address")))
_DUE = PreparedStatement(_ORDER.where(DeletionOrderRow.due <= bindparam("day")))
_TALLIES = PreparedStatement(
    select(KEPT)
    .join(DeletionOrderTallyRow, DeletionOrderTallyRow.id == SealedRow.id)
    .where(DeletionOrderTallyRow.order_row == bindparam("row"))
    .order_by(DeletionOrderTallyRow.number)
)
_TALLY_IDS = PreparedStatement(
    select(DeletionOrderTallyRow.id).where(DeletionOrderTallyRow.order_row == bindparam("row"))
)
_MAILBOX = PreparedStatement(select(MailboxRow.id).where(MailboxRow.address == bindparam("address")))
_ADD = PreparedStatement(insert(DeletionOrderRow))
_ADD_TALLY = PreparedStatement(insert(DeletionOrderTallyRow))
_DELETE = PreparedStatement(delete(DeletionOrderRow).where(DeletionOrderRow.id == bindparam("row")))
_DELETE_TALLIES = PreparedStatement(
    delete(DeletionOrderTallyRow).where(DeletionOrderTallyRow.order_row == bindparam("row"))
)
_IS_UNDER_ORDER = PreparedStatement(
    select(DeletionOrderRow.id).where(DeletionOrderRow.address == bindparam("address"))
)


def put(session: Session, address: bytes, statement: bytes, due: date, tallies: Sequence[bytes]) -> None:
    """Keep an order in the place of the one before, if there was one.

    Raises:
        MailboxMissingError: there is no such mailbox.
    """
    if _MAILBOX.first(session, {"address": address}) is None:
        raise NoSuchMailboxError("there is no such mailbox")
    _give_up(session, address)
    row = insert_sealed(session, header=statement)
    _ADD.run(session, {"id": row, "address": address, "due": due})
    for number, tally in enumerate(tallies):
        sealed = insert_sealed(session, header=tally)
        _ADD_TALLY.run(session, {"id": sealed, "order_row": row, "number": number})
    enqueue(session, OutboxKind.ORDER, address=address)


def find(session: Session, address: bytes) -> StoredOrder | None:
    """Return the order that a mailbox is under, if it is."""
    row = _OF_MAILBOX.first(session, {"address": address})
    return None if row is None else _read(session, *row)


def is_under_order(session: Session, address: bytes) -> bool:
    """Say whether there is an order for a mailbox: pages that everybody waits for ask no more than this."""
    return _IS_UNDER_ORDER.first(session, {"address": address}) is not None


def all_due(session: Session, day: date) -> Sequence[StoredOrder]:
    """Return the orders whose day has come, the oldest first."""
    return [_read(session, *row) for row in list(_DUE.all(session, {"day": day}))]


def drop(session: Session, address: bytes) -> None:
    """Give up the order of a mailbox and its tallies; where there is none there is nothing to do."""
    if _give_up(session, address):
        enqueue(session, OutboxKind.ORDER, address=address)


def _give_up(session: Session, address: bytes) -> bool:
    found = _IS_UNDER_ORDER.first(session, {"address": address})
    if found is None:
        return False
    (row,) = found
    queue_rows(session, [row, *(tally for (tally,) in _TALLY_IDS.all(session, {"row": row}))])
    _DELETE_TALLIES.run(session, {"row": row})
    _DELETE.run(session, {"row": row})
    return True


def _read(session: Session, row: int, address: bytes, statement: bytes, due: date) -> StoredOrder:
    tallies = tuple(tally for (tally,) in _TALLIES.all(session, {"row": row}))
    return StoredOrder(address, statement, due, tallies)
