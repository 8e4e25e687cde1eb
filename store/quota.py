"""How much room there is for files. Text is never refused for it, so that nobody can silence the desk."""

import os
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from store.database.prepared_statements import PreparedStatement
from store.database.schema import MailboxRow, UsageRow


@dataclass(frozen=True, slots=True)
class Quota:
    """What files may take, in bytes of ciphertext; `reserve_bytes` of the disk stay free for text."""

    mailbox_bytes: int
    store_bytes: int
    reserve_bytes: int


_TAKEN = PreparedStatement(
    select(MailboxRow.sealed_bytes, UsageRow.sealed_bytes.label("in_store")).where(
        MailboxRow.address == bindparam("address"), UsageRow.id == 1
    )
)


def free_bytes(session: Session, address: bytes, quota: Quota) -> int:
    """Return how many bytes of files a mailbox may still take, pending ones counted; never below 0.

    Asked in the transaction that writes a chunk it is exact: uploads that race cannot pass it together.
    """
    in_mailbox: int
    in_store: int
    in_mailbox, in_store = _TAKEN.first(session, {"address": address}) or (0, 0)
    disk = os.statvfs(session.info["path"])
    return max(
        0,
        min(
            quota.mailbox_bytes - in_mailbox,
            quota.store_bytes - in_store,
            disk.f_bavail * disk.f_frsize - quota.reserve_bytes,
        ),
    )
