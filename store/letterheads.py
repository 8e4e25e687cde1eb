"""The desk's letterheads as they were signed; whether one is true is for its reader to judge."""

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session

from store.database.prepared_statements import PreparedStatement
from store.database.schema import LetterheadRow
from store.outbox import OutboxKind, enqueue

_LETTERHEAD = select(LetterheadRow.serial, LetterheadRow.body, LetterheadRow.signature)
_LATEST = PreparedStatement(_LETTERHEAD.order_by(LetterheadRow.serial.desc()))
_OF_SERIAL = PreparedStatement(_LETTERHEAD.where(LetterheadRow.serial == bindparam("wanted")))
_ADD = PreparedStatement(insert(LetterheadRow))
_DELETE = PreparedStatement(delete(LetterheadRow).where(LetterheadRow.serial == bindparam("wanted")))


def add(session: Session, serial: int, body: bytes, signature: bytes) -> None:
    """Keep a letterhead. One of the same serial stays as it is."""
    if find(session, serial) is None:
        _keep(session, serial, body, signature)


def put(session: Session, serial: int, body: bytes, signature: bytes) -> None:
    """Keep a letterhead in the place of the one of its serial, which nobody has yet."""
    _DELETE.run(session, {"wanted": serial})
    _keep(session, serial, body, signature)


def latest(session: Session) -> tuple[int, bytes, bytes] | None:
    """Return serial, body and signature of the newest letterhead, if there is one."""
    row = _LATEST.first(session, {})
    return None if row is None else (row[0], row[1], row[2])


def find(session: Session, serial: int) -> tuple[int, bytes, bytes] | None:
    """Return serial, body and signature of one letterhead, if it is there."""
    row = _OF_SERIAL.first(session, {"wanted": serial})
    return None if row is None else (row[0], row[1], row[2])


def _keep(session: Session, serial: int, body: bytes, signature: bytes) -> None:
    _ADD.run(session, {"serial": serial, "body": body, "signature": signature})
    enqueue(session, OutboxKind.LETTERHEAD)
