"""How much room there is for files. Text is never refused for it, so that nobody can silence the desk."""

import os
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from store.schema import MailboxRow, UsageRow


@dataclass(frozen=True, slots=True)
class Quota:
    """What files may take, in bytes of ciphertext; `reserve_bytes` of the disk stay free for text."""

    mailbox_bytes: int
    store_bytes: int
    reserve_bytes: int


_IN_MAILBOX = select(MailboxRow.bytes).where(MailboxRow.address == bindparam("address"))
_IN_STORE = select(UsageRow.bytes)


def room(session: Session, address: bytes, quota: Quota) -> int:
    """Return how many bytes of files a mailbox may still take, pending ones counted; never below 0.

    Asked in the transaction that writes a chunk it is exact: uploads that race cannot pass it together.
    """
    in_mailbox = session.connection().scalar(_IN_MAILBOX, {"address": address}) or 0
    in_store = session.connection().scalar(_IN_STORE) or 0
    disk = os.statvfs(session.info["path"])
    return max(
        0,
        min(
            quota.mailbox_bytes - in_mailbox,
            quota.store_bytes - in_store,
            disk.f_bavail * disk.f_frsize - quota.reserve_bytes,
        ),
    )
