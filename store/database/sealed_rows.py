"""Encrypted rows: written after a page of zeros, and counted here. `deletion_queue` removes encrypted rows.

The page of zeros (the shield) prevents a remnant of a deleted row in the file.
"""

from sqlalchemy import bindparam, func, update
from sqlalchemy.orm import Session

from store.database.prepared_statements import PreparedChange, insert
from store.database.schema import NO_BYTES, MailboxRow, SealedRow, UsageRow, new_id
from store.dialect.differing_sql import bounded

WHOLE = func.coalesce(SealedRow.header, NO_BYTES)  # ciphertext that `insert_sealed` stored in `header` alone
# The length of the ciphertext: someone could write any number into the column `size`.
LENGTH = func.coalesce(func.length(SealedRow.header), 0) + func.coalesce(func.length(SealedRow.payload), 0)

_ADD = PreparedChange(insert(SealedRow))
_COUNT_IN_MAILBOX = PreparedChange(
    update(MailboxRow)
    .where(MailboxRow.address == bindparam("address"))
    .values(sealed_bytes=bounded(func.coalesce(MailboxRow.sealed_bytes, 0) + bindparam("more")))
)
_COUNT_IN_STORE = PreparedChange(
    update(UsageRow)
    .where(UsageRow.id == bindparam("row"))
    .values(sealed_bytes=bounded(func.coalesce(UsageRow.sealed_bytes, 0) + bindparam("more")))
)


def insert_sealed(session: Session, *, header: bytes | None = None, payload: bytes | None = None) -> int:
    """Write ciphertext in a new row, count its bytes, and return the row's random id.

    Pass a record or a tally (anonymous fact) as `header`, because a deletion erases the payload later than
    the header.
    """
    # Without the shield, SQLite could leave a copy of some ciphertext after the row is deleted.
    row = new_id()
    size = len(header or b"") + len(payload or b"")
    _ADD.run(session, id=row, size=size, shield=session.info["store"].shield, header=header, payload=payload)
    count_in_store(session, size)
    return row


def count_in_mailbox(session: Session, address: bytes, more: int) -> bool:
    """Add `more` to the stored number of bytes of ciphertext in a mailbox. `more` can be negative.

    Return False if there is no such mailbox.
    """
    return _COUNT_IN_MAILBOX.run(session, address=address, more=more) == 1


def count_in_store(session: Session, more: int) -> None:
    """Add `more` to the store's number of encrypted bytes. `more` can be negative.

    A deleted row still counts until the clean-up destroys the row.
    """
    _COUNT_IN_STORE.run(session, row=session.info["store"].usage_row(session), more=more)
