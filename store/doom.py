"""How sealed rows are given up: what could open them goes at once, the rest waits for `purge.sweep`."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from store.schema import AttachmentRow, ChunkRow, DoomedRow, EntryRow, SealedRow


def doom_entries(session: Session, address: bytes, entry_id: bytes | None = None) -> int:
    """Give up the sealed part of one entry, or of all of a mailbox; return how many bytes that frees."""
    which = EntryRow.address == address
    if entry_id is not None:
        which &= EntryRow.entry_id == entry_id
    return _doom(session, SealedRow.id.in_(select(EntryRow.id).where(which)))


def doom_attachments(session: Session, address: bytes, entry_id: bytes | None = None) -> int:
    """Give up the attachments, pending ones too, of one entry or of a whole mailbox; return the bytes."""
    which = AttachmentRow.address == address
    if entry_id is not None:
        which &= AttachmentRow.entry_id == entry_id
    return doom_attachments_where(session, which)


def doom_attachments_where(session: Session, which: ColumnElement[bool]) -> int:
    """Give up the attachments that `which` holds for; return how many bytes that frees."""
    attachments = select(AttachmentRow.id).where(which)
    if session.scalar(attachments.limit(1)) is None:
        return 0
    chunks = select(ChunkRow.id).where(ChunkRow.attachment.in_(attachments))
    freed = _doom(session, SealedRow.id.in_(attachments.union_all(chunks)))
    session.connection().execute(delete(ChunkRow).where(ChunkRow.attachment.in_(attachments)))
    session.connection().execute(delete(AttachmentRow).where(which))
    return freed


def doom_rows(session: Session, ids: Sequence[int]) -> None:
    """Give up sealed rows by their ids, which nothing may refer to any more but as a foreign key."""
    for row in ids:  # one by one: a statement has room for so many values and no more
        _doom(session, SealedRow.id == row)


def _doom(session: Session, which: ColumnElement[bool]) -> int:
    doomed = which & ~exists().where(DoomedRow.id == SealedRow.id)
    freed = session.scalar(select(func.coalesce(func.sum(SealedRow.size), 0)).where(doomed))
    session.connection().execute(
        update(SealedRow).where(doomed & SealedRow.header.is_not(None)).values(header=None)
    )
    session.connection().execute(insert(DoomedRow).from_select(["id"], select(SealedRow.id).where(doomed)))
    return freed or 0
