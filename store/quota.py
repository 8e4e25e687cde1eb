"""Quotas: limits on the space for files. Text has no quota, so a flood of files cannot silence the desk."""

from dataclasses import dataclass

from sqlalchemy import bindparam, case, func, select, union_all, update
from sqlalchemy.orm import Session

from store.database.engine import Store
from store.database.prepared_statements import PlainQuery, PreparedChange
from store.database.schema import AttachmentRow, ChunkRow, EntryRow, MailboxRow, SealedRow, UsageRow
from store.database.sealed_rows import LENGTH
from store.dialect.differing_sql import summed, summed_of_any


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits on the space that files may take, in bytes of ciphertext.

    Files may not use the last `reserve_bytes` of the disk, so that text can still be stored.
    """

    mailbox_bytes: int
    store_bytes: int
    reserve_bytes: int


_IN_STORE = select(summed_of_any(UsageRow.sealed_bytes)).scalar_subquery().label("in_store")
_USED = PlainQuery(
    select(MailboxRow.sealed_bytes, _IN_STORE).where(MailboxRow.address == bindparam("address"))
)
_BYTES = select(func.coalesce(summed(LENGTH), 0))
_IS_FILE = AttachmentRow.address == MailboxRow.address
_OF_ENTRIES = select(EntryRow.id).where(EntryRow.address == MailboxRow.address)
_OF_FILES = select(AttachmentRow.id).where(_IS_FILE)
_OF_CHUNKS = (
    select(ChunkRow.id).join(AttachmentRow, AttachmentRow.id == ChunkRow.attachment_row).where(_IS_FILE)
)
_IN_MAILBOX = SealedRow.id.in_(
    union_all(*(each.correlate(MailboxRow) for each in (_OF_ENTRIES, _OF_FILES, _OF_CHUNKS)))
)
_FIRST = select(func.min(UsageRow.id)).scalar_subquery()
_COUNT_STORE = PreparedChange(
    update(UsageRow).values(sealed_bytes=case((UsageRow.id == _FIRST, _BYTES.scalar_subquery()), else_=0))
)
_COUNT_MAILBOXES = PreparedChange(
    update(MailboxRow).values(sealed_bytes=_BYTES.where(_IN_MAILBOX).scalar_subquery())
)


def recount_bytes(store: Store) -> None:
    """Count the encrypted bytes of the store and of each mailbox again.

    Call this function after the clean-up destroyed the deleted rows.

    Raises:
        StoreError: the store failed.
    """
    # Otherwise, someone who once wrote too high a count would make the store refuse all files forever.
    with store.writing() as session:
        _COUNT_STORE.run(session)
        _COUNT_MAILBOXES.run(session)


def free_bytes(session: Session, address: bytes, quota: Quota) -> int:
    """Return how many more bytes of files a mailbox may receive, at least 0. Pending files count as used.

    The result is exact only in the transaction that writes a chunk.
    """
    in_mailbox, in_store = _USED.first(session, address=address) or (0, 0)
    on_disk: int = session.info["store"].room_for_files(session, quota.reserve_bytes)
    return int(max(0, min(quota.mailbox_bytes - in_mailbox, quota.store_bytes - in_store, on_disk)))
