"""The desk's letterheads as they were signed; whether one is true is for its reader to judge."""

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from store.schema import LetterheadRow


def publish(session: Session, serial: int, body: bytes, signature: bytes) -> None:
    """Keep a letterhead. One of the same serial stays as it is."""
    known = session.scalar(select(LetterheadRow.serial).where(LetterheadRow.serial == serial))
    if known is None:
        session.connection().execute(
            insert(LetterheadRow), {"serial": serial, "body": body, "signature": signature}
        )


def latest(session: Session) -> tuple[int, bytes, bytes] | None:
    """Return serial, body and signature of the newest letterhead, if there is one."""
    query = (
        select(LetterheadRow.serial, LetterheadRow.body, LetterheadRow.signature)
        .order_by(LetterheadRow.serial.desc())
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else (row.serial, row.body, row.signature)
