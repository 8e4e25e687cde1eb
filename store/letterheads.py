"""The desk's letterheads as they were signed; whether one is true is for its reader to judge."""

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from store.schema import LetterheadRow
from store.undelivered import What, note

_LETTERHEAD = select(LetterheadRow.serial, LetterheadRow.body, LetterheadRow.signature)


def publish(session: Session, serial: int, body: bytes, signature: bytes) -> None:
    """Keep a letterhead. One of the same serial stays as it is."""
    known = session.scalar(select(LetterheadRow.serial).where(LetterheadRow.serial == serial))
    if known is None:
        _keep(session, serial, body, signature)


def replace(session: Session, serial: int, body: bytes, signature: bytes) -> None:
    """Keep a letterhead in the place of the one of its serial, which nobody has yet."""
    session.connection().execute(delete(LetterheadRow).where(LetterheadRow.serial == serial))
    _keep(session, serial, body, signature)


def latest(session: Session) -> tuple[int, bytes, bytes] | None:
    """Return serial, body and signature of the newest letterhead, if there is one."""
    row = session.execute(_LETTERHEAD.order_by(LetterheadRow.serial.desc()).limit(1)).one_or_none()
    return None if row is None else (row.serial, row.body, row.signature)


def of_serial(session: Session, serial: int) -> tuple[int, bytes, bytes] | None:
    """Return serial, body and signature of one letterhead, if it is there."""
    row = session.execute(_LETTERHEAD.where(LetterheadRow.serial == serial)).one_or_none()
    return None if row is None else (row.serial, row.body, row.signature)


def _keep(session: Session, serial: int, body: bytes, signature: bytes) -> None:
    session.connection().execute(
        insert(LetterheadRow), {"serial": serial, "body": body, "signature": signature}
    )
    note(session, What.LETTERHEAD)
