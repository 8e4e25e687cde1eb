"""Quotas: limits on the space for files. Text has no quota, so a flood of files cannot silence the desk."""

import os
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from store.database.prepared_statements import PlainQuery
from store.database.schema import MailboxRow, UsageRow


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits on the space that files may take, in bytes of ciphertext.

    Files leave `reserve_bytes` of the disk free for text.
    """

    mailbox_bytes: int
    store_bytes: int
    reserve_bytes: int


_USED = PlainQuery(
    select(MailboxRow.sealed_bytes, UsageRow.sealed_bytes.label("in_store")).where(
        MailboxRow.address == bindparam("address"), UsageRow.id == 1
    )
)


def free_bytes(session: Session, address: bytes, quota: Quota) -> int:
    """Return how many more bytes of files a mailbox may receive, at least 0. Pending files count as used.

    Call this function in the transaction that writes a chunk. The result is then exact, and concurrent
    uploads cannot exceed the quota together.
    """
    in_mailbox, in_store = _USED.first(session, address=address) or (0, 0)
    disk = os.statvfs(session.info["path"])
    room: int = min(
        quota.mailbox_bytes - in_mailbox,
        quota.store_bytes - in_store,
        disk.f_bavail * disk.f_frsize - quota.reserve_bytes,
    )
    return max(0, room)
