"""Attachments: files of entries, stored in chunks. An attachment is pending until its entry is written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_attachment
from store.database.engine import Store
from store.database.prepared_statements import PlainQuery, PreparedChange, PreparedQuery, columns, insert
from store.database.schema import CHUNK_BYTES, AttachmentRow, ChunkRow, SealedRow
from store.database.sealed_rows import count_in_mailbox, insert_sealed
from store.errors import AttachmentMissingError, NoSuchMailboxError, QuotaError
from store.quota import Quota, free_bytes


@dataclass(frozen=True, slots=True)
class Attachment:
    """A complete attached file in the store, without its ciphertext. `read_chunks` reads the ciphertext."""

    entry_id: bytes
    attachment_id: bytes
    header: bytes | None = field(repr=False)
    chunks: int


_IN_MAILBOX = AttachmentRow.address == bindparam("address")
_HAS_ID = _IN_MAILBOX & (AttachmentRow.attachment_id == bindparam("attachment_id"))
_OF_ENTRY = AttachmentRow.entry_id == bindparam("entry_id")
_IS_PENDING = AttachmentRow.pending_half_hour.is_not(None)
_IS_ADOPTED = AttachmentRow.pending_half_hour.is_(None)

_ADOPTED = (
    select(*columns(Attachment, AttachmentRow, SealedRow))
    .join(SealedRow, SealedRow.id == AttachmentRow.id)
    .where(_IN_MAILBOX, _IS_ADOPTED)
)
_FIND = PreparedQuery(_ADOPTED.where(_HAS_ID), Attachment)
# A file has a chunk at least, and an entry names at most 50 files: other rows are the operator's.
_FIND_OF_ENTRY = PreparedQuery(
    _ADOPTED.where(_OF_ENTRY, AttachmentRow.chunks > 0).order_by(AttachmentRow.attachment_id).limit(50),
    Attachment,
)
_ENTRY_IDS = PlainQuery(select(AttachmentRow.entry_id).where(_IN_MAILBOX, _IS_ADOPTED).distinct())
_UPLOADS_FROM_PEER = PlainQuery(
    select(AttachmentRow.address, AttachmentRow.attachment_id, AttachmentRow.chunks)
    .where(_IS_PENDING, AttachmentRow.peer == bindparam("peer"))
    .order_by(AttachmentRow.address, AttachmentRow.attachment_id)
)
_FIND_UPLOAD = PlainQuery(
    select(AttachmentRow.entry_id, AttachmentRow.chunks, AttachmentRow.is_whole).where(_HAS_ID, _IS_PENDING)
)
_ROWS = PlainQuery(select(AttachmentRow.id).where(or_(_HAS_ID, and_(_IN_MAILBOX, _OF_ENTRY, _IS_ADOPTED))))
_UPLOADS_OF_ENTRY = PlainQuery(
    select(AttachmentRow.id, AttachmentRow.attachment_id).where(_IN_MAILBOX, _OF_ENTRY, _IS_PENDING)
)
_CHUNK = PlainQuery(
    select(SealedRow.payload)
    .join(ChunkRow, ChunkRow.id == SealedRow.id)
    .join(AttachmentRow, AttachmentRow.id == ChunkRow.attachment_row)
    .where(_HAS_ID, _IS_ADOPTED, ChunkRow.number == bindparam("number"))
)
_BEGIN = PreparedChange(insert(AttachmentRow))
_AWAITS_CHUNK = PlainQuery(
    select(AttachmentRow.id).where(
        _HAS_ID, AttachmentRow.chunks == bindparam("number"), AttachmentRow.is_whole.is_(False)
    )
)
_ADD_CHUNK = PreparedChange(insert(ChunkRow))
_COUNT_CHUNK = PreparedChange(
    update(AttachmentRow)
    .where(AttachmentRow.id == bindparam("row"))
    .values(chunks=AttachmentRow.chunks + 1, is_whole=bindparam("is_last"))
)


def begin_upload(  # noqa: PLR0913  # the columns of the attachment, by name
    session: Session,
    *,
    address: bytes,
    entry_id: bytes,
    attachment_id: bytes,
    header: bytes,
    half_hour: int,
    peer: bytes | None = None,
) -> None:
    """Create an attachment without chunks, for an entry that will be written after the upload.

    `half_hour` counts from 1970 in UTC. `peer` is the other store that sends the attachment by sync, or None.
    The mailbox must not have an attachment with this id.

    Raises:
        NoSuchMailboxError: there is no such mailbox.
    """
    _count_in_mailbox(session, address, len(header))
    row = insert_sealed(session, header=header)
    _BEGIN.run(
        session,
        id=row,
        address=address,
        entry_id=entry_id,
        attachment_id=attachment_id,
        chunks=0,
        is_whole=False,
        pending_half_hour=half_hour,
        peer=peer,
    )


def add_chunk(  # noqa: PLR0913  # the chunk's place
    session: Session,
    address: bytes,
    attachment_id: bytes,
    number: int,
    ciphertext: bytes,
    *,
    is_last: bool,
    quota: Quota,
) -> None:
    """Append ciphertext of at most `CHUNK_BYTES` bytes to an attachment that is being uploaded.

    `number` counts the chunks of the attachment from 0. The transaction need not be durable.

    Raises:
        AttachmentMissingError: no such attachment is pending, or its next chunk has another number.
        NoSuchMailboxError: the mailbox has ended since the upload began.
        QuotaError: the quota has no room for the chunk.
    """
    if len(ciphertext) > CHUNK_BYTES:
        raise ValueError("a chunk is larger than CHUNK_BYTES")
    row = _AWAITS_CHUNK.first(session, address=address, attachment_id=attachment_id, number=number)
    if row is None:
        _count_in_mailbox(session, address, 0)
        raise AttachmentMissingError("no such attachment is pending, or this is not its next chunk")
    if free_bytes(session, address, quota) < len(ciphertext):
        raise QuotaError("no room is left for files")
    _ADD_CHUNK.run(session, id=insert_sealed(session, payload=ciphertext), attachment_row=row, number=number)
    _COUNT_CHUNK.run(session, row=row, is_last=is_last)
    _count_in_mailbox(session, address, len(ciphertext))


def abandon_uploads(
    session: Session, address: bytes, entry_id: bytes, *, attachment_ids: Sequence[bytes] | None = None
) -> None:
    """Queue the uploaded attachments of an entry for deletion, because the entry will not be written.

    If `attachment_ids` is given, only these attachments are queued.
    """
    freed = sum(
        queue_attachment(session, row)
        for row, attachment_id in _UPLOADS_OF_ENTRY.all(session, address=address, entry_id=entry_id)
        if attachment_ids is None or attachment_id in attachment_ids
    )
    count_in_mailbox(session, address, -freed)


def drop(session: Session, address: bytes, attachment_id: bytes, *, entry_id: bytes | None = None) -> None:
    """Queue one attached file of a mailbox for deletion, even if only some of its chunks are stored.

    If `entry_id` is given, all complete files of that entry are queued too.
    """
    rows = _ROWS.all(session, address=address, attachment_id=attachment_id, entry_id=entry_id)
    count_in_mailbox(session, address, -sum(queue_attachment(session, row) for row in rows))


class ChunkWriter:
    """Writer that splits an attachment's ciphertext into chunks, and writes each chunk in a transaction.

    A power cut can undo the chunks until the entry with this attachment is committed.
    """

    def __init__(self, store: Store, address: bytes, attachment_id: bytes, quota: Quota) -> None:
        """Prepare to write to an attachment that `begin_upload` has created."""
        self._store = store
        self._key = (address, attachment_id)
        self._quota = quota
        self._buffer = bytearray()
        self._chunks = 0

    def add(self, ciphertext: bytes) -> None:
        """Append ciphertext of any length to the attachment. Full chunks are written immediately.

        Raises:
            QuotaError: the quota has no room for another chunk.
            AttachmentMissingError: `abandon_uploads` has queued the attachment for deletion.
        """
        self._buffer += ciphertext
        while len(self._buffer) > CHUNK_BYTES:  # the buffer never becomes empty: `finish` writes a last chunk
            with memoryview(self._buffer) as buffer:
                chunk = bytes(buffer[:CHUNK_BYTES])
            del self._buffer[:CHUNK_BYTES]
            self._write(chunk, is_last=False)

    def finish(self) -> None:
        """Write the last chunk of the attachment's ciphertext, and mark the attachment as whole.

        Raises:
            QuotaError: the quota has no room for the last chunk.
            AttachmentMissingError: `abandon_uploads` has queued the attachment for deletion.
        """
        self._write(bytes(self._buffer), is_last=True)

    def _write(self, chunk: bytes, *, is_last: bool) -> None:
        with self._store.writing(durable=False, mailbox=self._key[0], alone=True) as session:
            add_chunk(session, *self._key, self._chunks, chunk, is_last=is_last, quota=self._quota)
        self._chunks += 1


def find(session: Session, address: bytes, attachment_id: bytes) -> Attachment | None:
    """Return an attachment of an entry, or None if the attachment is missing or still pending."""
    return _FIND.first(session, address=address, attachment_id=attachment_id)


def of_entry(session: Session, address: bytes, entry_id: bytes) -> Sequence[Attachment]:
    """Return the attachments of an entry that was written, sorted by id. Pending attachments are left out."""
    return _FIND_OF_ENTRY.all(session, address=address, entry_id=entry_id)


def entry_ids(session: Session, address: bytes) -> Sequence[bytes]:
    """Return the ids of a mailbox's entries that have attachments, in any order."""
    return _ENTRY_IDS.all(session, address=address)


def uploads_from_peer(session: Session, peer: bytes) -> Sequence[tuple[bytes, bytes, int]]:
    """Return the attachments that a peer (another store) has begun to send but not completed, sorted.

    Each result has the mailbox's address, the attachment's id and the number of stored chunks.
    """
    # No pouch can be made with the values of a damaged row.
    found = _UPLOADS_FROM_PEER.all(session, peer=peer)
    return [each for each in found if (len(each[0]), len(each[1])) == (20, 16) and each[2] >= 0]


def find_upload(session: Session, address: bytes, attachment_id: bytes) -> tuple[bytes, int, bool] | None:
    """Return an attachment that is being uploaded, or None if no such attachment is pending.

    The result has the entry id, the number of stored chunks, and `is_whole`.
    """
    return _FIND_UPLOAD.first(session, address=address, attachment_id=attachment_id)


def read_chunk(session: Session, address: bytes, attachment_id: bytes, number: int) -> bytes | None:
    """Return one chunk of an attachment's ciphertext, by number, counted from 0.

    The result is None if the chunk does not exist, or if the attachment does not belong to an entry yet.
    """
    return _CHUNK.first(session, address=address, attachment_id=attachment_id, number=number)


def read_chunks(store: Store, address: bytes, attachment_id: bytes) -> Iterator[bytes]:
    """Yield the ciphertext of an attachment, chunk by chunk. Each chunk is read in its own transaction.

    Raises:
        AttachmentMissingError: there is no such attachment, or the attachment was removed while its chunks
            were read.
    """
    with store.reading(mailbox=address) as session:
        attachment = find(session, address, attachment_id)
    if attachment is None:
        raise AttachmentMissingError("the mailbox has no such attachment")
    for number in range(attachment.chunks):
        with store.reading(mailbox=address) as session:
            chunk = read_chunk(session, address, attachment_id, number)
        if chunk is None:
            raise AttachmentMissingError("the attachment was removed while it was read")
        yield chunk


def _count_in_mailbox(session: Session, address: bytes, more: int) -> None:
    if not count_in_mailbox(session, address, more):
        raise NoSuchMailboxError("there is no such mailbox")
