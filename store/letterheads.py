"""Letterheads: versions of the desk's signed public statement, by serial. Readers verify the signature."""

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from store.database.prepared_statements import PlainQuery, PreparedChange, insert
from store.database.schema import LetterheadRow
from store.outbox import OutboxKind, enqueue

_HAS_SERIAL = LetterheadRow.serial == bindparam("serial")
_LETTERHEADS = select(LetterheadRow.serial, LetterheadRow.body, LetterheadRow.signature)
_LATEST = PlainQuery(_LETTERHEADS.order_by(LetterheadRow.serial.desc()).limit(1))
_FIND = PlainQuery(_LETTERHEADS.where(_HAS_SERIAL))
_ADD = PreparedChange(insert(LetterheadRow))
_DELETE = PreparedChange(delete(LetterheadRow).where(_HAS_SERIAL))


def add(session: Session, serial: int, body: bytes, signature: bytes) -> None:
    """Write a letterhead (the desk's signed statement), unless the store has one with this serial."""
    if find(session, serial) is None:
        put(session, serial, body, signature)


def put(session: Session, serial: int, body: bytes, signature: bytes) -> None:
    """Write a letterhead (the desk's signed statement), and replace one with the same serial.

    The caller must make sure that no other store has received the replaced letterhead.
    """
    _DELETE.run(session, serial=serial)
    _ADD.run(session, serial=serial, body=body, signature=signature)
    enqueue(session, OutboxKind.LETTERHEAD)


def latest(session: Session) -> tuple[int, bytes, bytes] | None:
    """Return serial, body and signature of the newest letterhead, or None if the store has no letterhead.

    A letterhead is the desk's signed public statement.
    """
    return _LATEST.first(session)


def find(session: Session, serial: int) -> tuple[int, bytes, bytes] | None:
    """Return the serial, body and signature of the letterhead (signed public statement) with this serial.

    Return None if the store has no such letterhead.
    """
    return _FIND.first(session, serial=serial)
