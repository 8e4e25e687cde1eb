"""How sealed rows come: behind the shield, and counted. How they go is in `doom`."""

from sqlalchemy import bindparam, func, insert, update
from sqlalchemy.orm import Session

from store.database.prepared_statements import PreparedStatement
from store.database.schema import NO_BYTES, SHIELD, MailboxRow, SealedRow, UsageRow, new_id

KEPT = func.coalesce(SealedRow.header, NO_BYTES)  # of what stands there as a whole; see `keep`

_ADD = PreparedStatement(insert(SealedRow))
_COUNT_IN_MAILBOX = PreparedStatement(
    update(MailboxRow)
    .where(MailboxRow.address == bindparam("of"))
    .values(sealed_bytes=MailboxRow.sealed_bytes + bindparam("more"))
)
_COUNT_IN_STORE = PreparedStatement(
    update(UsageRow).values(sealed_bytes=UsageRow.sealed_bytes + bindparam("more"))
)


def insert_sealed(session: Session, *, header: bytes | None = None, payload: bytes | None = None) -> int:
    """Keep ciphertext behind the shield, and count it; return the row's random id.

    What may only be given up as a whole (a record, an order, a tally) stands in `header`: it goes at once.
    """
    row = new_id()
    size = len(header or b"") + len(payload or b"")
    _ADD.run(session, {"id": row, "size": size, "shield": SHIELD, "header": header, "payload": payload})
    count_in_store(session, size)
    return row


def count_in_mailbox(session: Session, address: bytes, more: int) -> bool:
    """Count bytes that were added to what a mailbox holds, or given up; answer False where there is none."""
    return _COUNT_IN_MAILBOX.run(session, {"of": address, "more": more}) == 1


def count_in_store(session: Session, more: int) -> None:
    """Count bytes that were added to what the store holds; sweeping counts them off."""
    _COUNT_IN_STORE.run(session, {"more": more})
