"""The desk's orders to purge a mailbox on a day: at most one for each, with what the ledger gets by it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import ColumnElement, bindparam, delete, exists, insert, select
from sqlalchemy.orm import Session

from store.doom import doom_rows
from store.errors import MailboxMissingError
from store.prepared import Prepared
from store.schema import MailboxRow, OrderRow, OrderTallyRow, SealedRow
from store.sealing import KEPT, keep
from store.undelivered import What, note


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it lies in the store: nobody has verified it, and `due` is the writer's word for it."""

    address: bytes
    statement: bytes = field(repr=False)
    due: date
    tallies: tuple[bytes, ...] = field(repr=False)


_ORDER = select(OrderRow.id, OrderRow.address, KEPT.label("statement"), OrderRow.due).join(
    SealedRow, SealedRow.id == OrderRow.id
)
_IS_UNDER_ORDER = Prepared(select(OrderRow.id).where(OrderRow.address == bindparam("address")))


def put(session: Session, address: bytes, statement: bytes, due: date, tallies: Sequence[bytes]) -> None:
    """Keep an order in the place of the one before, if there was one.

    Raises:
        MailboxMissingError: there is no such mailbox.
    """
    if not session.scalar(select(exists().where(MailboxRow.address == address))):
        raise MailboxMissingError("there is no such mailbox")
    _give_up(session, address)
    row = keep(session, header=statement)
    session.connection().execute(insert(OrderRow), {"id": row, "address": address, "due": due})
    for number, tally in enumerate(tallies):
        place = {"id": keep(session, header=tally), "purge_order": row, "number": number}
        session.connection().execute(insert(OrderTallyRow), place)
    note(session, What.ORDER, address=address)


def of_mailbox(session: Session, address: bytes) -> Order | None:
    """Return the order that a mailbox is under, if it is."""
    found = _read(session, OrderRow.address == address)
    return found[0] if found else None


def is_under_order(session: Session, address: bytes) -> bool:
    """Say whether there is an order for a mailbox: pages that everybody waits for ask no more than this."""
    return _IS_UNDER_ORDER.first(session, {"address": address}) is not None


def all_due(session: Session, day: date) -> Sequence[Order]:
    """Return the orders whose day has come, the oldest first."""
    return _read(session, OrderRow.due <= day)


def drop(session: Session, address: bytes) -> None:
    """Give up the order of a mailbox and its tallies; where there is none there is nothing to do."""
    if _give_up(session, address):
        note(session, What.ORDER, address=address)


def _give_up(session: Session, address: bytes) -> bool:
    row = session.scalar(select(OrderRow.id).where(OrderRow.address == address))
    if row is None:
        return False
    ids = session.scalars(select(OrderTallyRow.id).where(OrderTallyRow.purge_order == row)).all()
    doom_rows(session, [row, *ids])
    session.connection().execute(delete(OrderTallyRow).where(OrderTallyRow.purge_order == row))
    session.connection().execute(delete(OrderRow).where(OrderRow.id == row))
    return True


def _read(session: Session, which: ColumnElement[bool]) -> list[Order]:
    rows = session.connection().execute(_ORDER.where(which).order_by(OrderRow.due, OrderRow.address)).all()
    return [Order(row.address, row.statement, row.due, _tallies(session, row.id)) for row in rows]


def _tallies(session: Session, row: int) -> tuple[bytes, ...]:
    query = (
        select(KEPT)
        .join(OrderTallyRow, OrderTallyRow.id == SealedRow.id)
        .where(OrderTallyRow.purge_order == row)
        .order_by(OrderTallyRow.number)
    )
    return tuple(session.connection().scalars(query))
