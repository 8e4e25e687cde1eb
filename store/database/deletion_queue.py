"""Deletion queue of encrypted rows. A queued row loses its header at once. `cleanup` destroys the row later.

No one can decrypt a ciphertext without its header. A chunk of a file needs the header of its attachment.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, exists, select, update
from sqlalchemy.orm import Session

from store.database.prepared_statements import PlainQuery, PreparedChange, insert
from store.database.schema import AttachmentRow, ChunkRow, DeletionQueueRow, EntryRow, SealedRow
from store.database.sealed_rows import LENGTH

_ENTRIES = select(EntryRow.id).where(EntryRow.address == bindparam("address"))
_ENTRIES_OF_MAILBOX = PlainQuery(_ENTRIES)
_ENTRY = PlainQuery(_ENTRIES.where(EntryRow.digest == bindparam("digest")))
_ATTACHMENTS = select(AttachmentRow.id).where(AttachmentRow.address == bindparam("address"))
_ATTACHMENTS_OF_MAILBOX = PlainQuery(_ATTACHMENTS)
_ATTACHMENTS_OF_ENTRY = PlainQuery(_ATTACHMENTS.where(AttachmentRow.entry_id == bindparam("entry_id")))
_CHUNKS = PlainQuery(select(ChunkRow.id).where(ChunkRow.attachment_row == bindparam("row")))
_DELETE_CHUNKS = PreparedChange(delete(ChunkRow).where(ChunkRow.attachment_row == bindparam("row")))
_DELETE_ATTACHMENT = PreparedChange(delete(AttachmentRow).where(AttachmentRow.id == bindparam("row")))
_IS_ROW = SealedRow.id == bindparam("row")
_SIZE = PlainQuery(select(LENGTH).where(_IS_ROW, ~exists().where(DeletionQueueRow.id == SealedRow.id)))
_CLEAR_HEADER = PreparedChange(
    update(SealedRow).where(_IS_ROW, SealedRow.header.is_not(None)).values(header=None)
)
_ENQUEUE = PreparedChange(insert(DeletionQueueRow))


def queue_entries(session: Session, address: bytes, digest: bytes | None = None) -> int:
    """Queue the ciphertext of one entry for deletion. If `digest` is None, queue all entries of the mailbox.

    Return the number of bytes of ciphertext that are freed.
    """
    if digest is None:
        return queue_rows(session, _ENTRIES_OF_MAILBOX.all(session, address=address))
    return queue_rows(session, _ENTRY.all(session, address=address, digest=digest))


def queue_attachments(session: Session, address: bytes, entry_id: bytes | None = None) -> int:
    """Queue the attachments of one entry for deletion, or of the whole mailbox if `entry_id` is None.

    Attachments that are still being uploaded are queued too. Return the number of bytes that are freed.
    """
    if entry_id is None:
        rows = _ATTACHMENTS_OF_MAILBOX.all(session, address=address)
    else:
        rows = _ATTACHMENTS_OF_ENTRY.all(session, address=address, entry_id=entry_id)
    return sum(queue_attachment(session, row) for row in rows)


def queue_attachment(session: Session, row: int) -> int:
    """Queue one attachment and its chunks for deletion. Return the number of bytes that are freed.

    `row` is the row id of the attachment.
    """
    freed = queue_rows(session, [row, *_CHUNKS.all(session, row=row)])
    _DELETE_CHUNKS.run(session, row=row)
    _DELETE_ATTACHMENT.run(session, row=row)
    return freed


def queue_rows(session: Session, ids: Sequence[int]) -> int:
    """Queue rows of the table `sealed` for deletion, by their ids. Return the number of bytes freed.

    In the same transaction, the caller must delete the rows of other tables that refer to these rows. A row
    of the table `entry` may stay.
    """
    freed = 0
    for row in ids:
        size = _SIZE.first(session, row=row)
        _CLEAR_HEADER.run(session, row=row)  # also of a queued row: someone may have restored its header
        if size is not None:
            _ENQUEUE.run(session, id=row)
            freed += size
    return freed
