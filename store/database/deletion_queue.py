"""How sealed rows are given up: what could open them goes at once, the rest waits for `purge.sweep`."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, exists, insert, select, update
from sqlalchemy.orm import Session

from store.database.prepared_statements import PreparedStatement
from store.database.schema import AttachmentRow, ChunkRow, DeletionQueueRow, EntryRow, SealedRow

_ENTRIES = select(EntryRow.id).where(EntryRow.address == bindparam("address"))
_ENTRIES_OF_MAILBOX = PreparedStatement(_ENTRIES)
_ENTRY = PreparedStatement(_ENTRIES.where(EntryRow.entry_id == bindparam("entry_id")))
_ATTACHMENTS = select(AttachmentRow.id).where(AttachmentRow.address == bindparam("address"))
_ATTACHMENTS_OF_MAILBOX = PreparedStatement(_ATTACHMENTS)
_ATTACHMENTS_OF_ENTRY = PreparedStatement(_ATTACHMENTS.where(AttachmentRow.entry_id == bindparam("entry_id")))
_CHUNKS = PreparedStatement(select(ChunkRow.id).where(ChunkRow.attachment_row == bindparam("row")))
_DROP_CHUNKS = PreparedStatement(delete(ChunkRow).where(ChunkRow.attachment_row == bindparam("row")))
_DROP_ATTACHMENT = PreparedStatement(delete(AttachmentRow).where(AttachmentRow.id == bindparam("row")))
_SIZE = PreparedStatement(
    select(SealedRow.size).where(
        SealedRow.id == bindparam("row"), ~exists().where(DeletionQueueRow.id == SealedRow.id)
    )
)
_CLOSE = PreparedStatement(
    update(SealedRow)
    .where(SealedRow.id == bindparam("row"), SealedRow.header.is_not(None))
    .values(header=None)
)
_DOOM = PreparedStatement(insert(DeletionQueueRow))


def queue_entries(session: Session, address: bytes, entry_id: bytes | None = None) -> int:
    """Give up the sealed part of one entry, or of all of a mailbox; return how many bytes that frees."""
    which = _ENTRIES_OF_MAILBOX if entry_id is None else _ENTRY
    return queue_rows(session, _ids(session, which, address, entry_id))


def queue_attachments(session: Session, address: bytes, entry_id: bytes | None = None) -> int:
    """Give up the attachments, pending ones too, of one entry or of a whole mailbox; return the bytes."""
    which = _ATTACHMENTS_OF_MAILBOX if entry_id is None else _ATTACHMENTS_OF_ENTRY
    return sum(queue_attachment(session, row) for row in _ids(session, which, address, entry_id))


def queue_attachment(session: Session, row: int) -> int:
    """Give up one attachment with its chunks, by the id of its row; return how many bytes that frees."""
    chunks = [chunk for (chunk,) in _CHUNKS.all(session, {"row": row})]
    freed = queue_rows(session, [row, *chunks])
    _DROP_CHUNKS.run(session, {"row": row})
    _DROP_ATTACHMENT.run(session, {"row": row})
    return freed


def queue_rows(session: Session, ids: Sequence[int]) -> int:
    """Give up sealed rows by their ids; return how many bytes that frees.

    Nothing may refer to them any more but as a foreign key.
    """
    freed = 0
    for row in ids:
        found = _SIZE.first(session, {"row": row})
        if found is not None:
            _CLOSE.run(session, {"row": row})
            _DOOM.run(session, {"id": row})
            freed += found[0]
    return freed


def _ids(session: Session, which: PreparedStatement, address: bytes, entry_id: bytes | None) -> list[int]:
    given = {"address": address} if entry_id is None else {"address": address, "entry_id": entry_id}
    return [row for (row,) in which.all(session, given)]
