"""Attachments: written in chunks while they arrive, pending until an entry adopts them, read in chunks."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_attachment
from store.database.engine import Store
from store.database.prepared_statements import PreparedStatement, roll_back
from store.database.schema import CHUNK_BYTES, AttachmentRow, ChunkRow, SealedRow
from store.database.sealed_rows import count_in_mailbox, insert_sealed
from store.errors import AttachmentMissingError, EntryExistsError, NoSuchMailboxError, QuotaError
from store.quota import Quota, free_bytes


@dataclass(frozen=True, slots=True)
class Attachment:
    """An adopted attachment; its payload is read with `read_chunks`."""

    entry_id: bytes
    attachment_id: bytes
    header: bytes | None = field(repr=False)
    chunks: int


_OF_MAILBOX = (
    select(AttachmentRow.entry_id, AttachmentRow.attachment_id, SealedRow.header, AttachmentRow.chunks)
    .join(SealedRow, SealedRow.id == AttachmentRow.id)
    .where(AttachmentRow.address == bindparam("address"), AttachmentRow.pending_half_hour.is_(None))
)
_ADOPTED = PreparedStatement(_OF_MAILBOX.where(AttachmentRow.attachment_id == bindparam("attachment_id")))
_OF_ENTRY = PreparedStatement(
    _OF_MAILBOX.where(AttachmentRow.entry_id == bindparam("entry_id")).order_by(AttachmentRow.attachment_id)
)
_PARTIALS = PreparedStatement(
    select(AttachmentRow.attachment_id, AttachmentRow.chunks)
    .where(AttachmentRow.pending_half_hour.is_not(None), AttachmentRow.peer == bindparam("from"))
    .order_by(AttachmentRow.attachment_id)
)
_PENDING = PreparedStatement(
    select(AttachmentRow.address, AttachmentRow.entry_id, AttachmentRow.chunks, AttachmentRow.is_whole).where(
        AttachmentRow.attachment_id == bindparam("attachment_id"),
        AttachmentRow.pending_half_hour.is_not(None),
    )
)
_PENDING_OF = PreparedStatement(
    select(AttachmentRow.id, AttachmentRow.attachment_id).where(
        AttachmentRow.address == bindparam("address"),
        AttachmentRow.entry_id == bindparam("entry_id"),
        AttachmentRow.pending_half_hour.is_not(None),
    )
)
_CHUNK = PreparedStatement(
    select(SealedRow.payload)
    .join(ChunkRow, ChunkRow.id == SealedRow.id)
    .join(AttachmentRow, AttachmentRow.id == ChunkRow.attachment_row)
    .where(
        AttachmentRow.address == bindparam("address"),
        AttachmentRow.attachment_id == bindparam("attachment_id"),
        AttachmentRow.pending_half_hour.is_(None),
        ChunkRow.number == bindparam("number"),
    )
)

_BEGIN = PreparedStatement(insert(AttachmentRow))
_NEXT_OF = PreparedStatement(
    select(AttachmentRow.id, AttachmentRow.address).where(
        AttachmentRow.attachment_id == bindparam("attachment_id"),
        AttachmentRow.chunks == bindparam("number"),
        AttachmentRow.is_whole.is_(False),
    )
)
_ADD_CHUNK = PreparedStatement(insert(ChunkRow))
_COUNT_CHUNK = PreparedStatement(
    update(AttachmentRow).where(AttachmentRow.id == bindparam("row")).values(chunks=AttachmentRow.chunks + 1)
)
_FINISH = PreparedStatement(
    update(AttachmentRow)
    .where(AttachmentRow.attachment_id == bindparam("of"), AttachmentRow.pending_half_hour.is_not(None))
    .values(is_whole=True)
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
    """Start an attachment as pending, for one entry of one mailbox. `half_hour` counts from 1970 in UTC.

    `peer` is who brings it in pouches, if anybody does.

    Raises:
        EntryExistsError: there is an attachment of this id.
        MailboxMissingError: there is no such mailbox.
    """
    _count_in_mailbox(session, address, len(header))
    row = insert_sealed(session, header=header)
    try:
        _BEGIN.run(
            session,
            {
                "id": row,
                "address": address,
                "entry_id": entry_id,
                "attachment_id": attachment_id,
                "chunks": 0,
                "is_whole": False,
                "pending_half_hour": half_hour,
                "peer": peer,
            },
        )
    except sqlite3.IntegrityError as why:
        roll_back(session)
        raise EntryExistsError("there is an attachment of this id already") from why


def add_chunk(
    session: Session, attachment_id: bytes, number: int, ciphertext: bytes, *, quota: Quota | None = None
) -> None:
    """Write the next chunk, `number` from 0, of at most `CHUNK_BYTES`. The transaction need not be durable.

    Raises:
        AttachmentMissingError: no such attachment is pending, or this is not its next chunk.
        QuotaError: there is no room for it.
    """
    if len(ciphertext) > CHUNK_BYTES:
        raise ValueError("a chunk is larger than CHUNK_BYTES")
    attachment = _NEXT_OF.first(session, {"attachment_id": attachment_id, "number": number})
    if attachment is None:
        raise AttachmentMissingError("no such attachment is pending, or this is not its next chunk")
    row, address = attachment
    if quota is not None and free_bytes(session, address, quota) < len(ciphertext):
        raise QuotaError("no room is left for files")
    chunk = {"id": insert_sealed(session, payload=ciphertext), "attachment_row": row, "number": number}
    _ADD_CHUNK.run(session, chunk)
    _COUNT_CHUNK.run(session, {"row": row})
    _count_in_mailbox(session, address, len(ciphertext))


def finish_upload(session: Session, attachment_id: bytes) -> None:
    """Mark a pending attachment as whole, so that its entry may adopt it.

    Raises:
        AttachmentMissingError: no such attachment is pending.
    """
    if _FINISH.run(session, {"of": attachment_id}) == 0:
        raise AttachmentMissingError("no such attachment is pending")


def abandon_uploads(
    session: Session, address: bytes, entry_id: bytes, *, attachment_ids: Sequence[bytes] | None = None
) -> None:
    """Give up the pending attachments of an entry that will not come; adopted ones stay.

    With `attachment_ids` only these: of two attempts at one entry the other may still be under way.
    """
    pending = list(_PENDING_OF.all(session, {"address": address, "entry_id": entry_id}))
    freed = sum(
        queue_attachment(session, row)
        for row, attachment_id in pending
        if attachment_ids is None or attachment_id in attachment_ids
    )
    count_in_mailbox(session, address, -freed)


class ChunkWriter:
    """Takes an attachment's ciphertext as it comes, and writes it in chunks: a transaction for each.

    It holds at most a chunk and what one `add` brings. Nothing of it is durable before the commit of the
    entry that adopts it.
    """

    def __init__(self, store: Store, attachment_id: bytes, quota: Quota) -> None:
        """Write to an attachment that `begin` has started."""
        self._store = store
        self._attachment_id = attachment_id
        self._quota = quota
        self._held = bytearray()
        self._chunks = 0

    def add(self, ciphertext: bytes) -> None:
        """Take more of the payload, of any length.

        Raises:
            QuotaError: there is no room for it.
            AttachmentMissingError: it was given up meanwhile.
        """
        self._held += ciphertext
        while len(self._held) > CHUNK_BYTES:  # never to the end: `finish` writes a last one
            with memoryview(self._held) as held:
                chunk = bytes(held[:CHUNK_BYTES])
            del self._held[:CHUNK_BYTES]
            with self._store.writing(durable=False) as session:
                self._write(session, chunk)

    def finish(self) -> None:
        """Write what is left, and mark the attachment as whole.

        Raises:
            QuotaError: there is no room for it.
            AttachmentMissingError: it was given up meanwhile.
        """
        with self._store.writing(durable=False) as session:
            self._write(session, bytes(self._held))
            finish_upload(session, self._attachment_id)

    def _write(self, session: Session, chunk: bytes) -> None:
        add_chunk(session, self._attachment_id, self._chunks, chunk, quota=self._quota)
        self._chunks += 1


def find(session: Session, address: bytes, attachment_id: bytes) -> Attachment | None:
    """Return an adopted attachment of a mailbox, if it is there."""
    row = _ADOPTED.first(session, {"address": address, "attachment_id": attachment_id})
    return None if row is None else Attachment(*row)


def of_entry(session: Session, address: bytes, entry_id: bytes) -> Sequence[Attachment]:
    """Return the attachments that an entry has adopted, by their ids."""
    return [Attachment(*row) for row in _OF_ENTRY.all(session, {"address": address, "entry_id": entry_id})]


def uploads_from_peer(session: Session, peer: bytes) -> Sequence[tuple[bytes, int]]:
    """Return id and number of chunks of what a peer brings and no entry has adopted yet, by id."""
    return [(attachment_id, chunks) for attachment_id, chunks in _PARTIALS.all(session, {"from": peer})]


def find_upload(session: Session, attachment_id: bytes) -> tuple[bytes, bytes, int, bool] | None:
    """Return address, entry id, number of chunks so far, and whether it is whole, of a pending attachment."""
    row = _PENDING.first(session, {"attachment_id": attachment_id})
    return None if row is None else (row[0], row[1], row[2], row[3])


def read_chunk(session: Session, address: bytes, attachment_id: bytes, number: int) -> bytes | None:
    """Return one chunk of an adopted attachment, `number` from 0, if it is there."""
    of = {"address": address, "attachment_id": attachment_id, "number": number}
    row = _CHUNK.first(session, of)
    return None if row is None else row[0]


def read_chunks(store: Store, address: bytes, attachment_id: bytes) -> Iterator[bytes]:
    """Yield an adopted attachment's payload, a transaction for each chunk: none spans a response.

    Raises:
        AttachmentMissingError: it is not there, or was removed while it was read.
    """
    with store.reading() as session:
        attachment = find(session, address, attachment_id)
    if attachment is None:
        raise AttachmentMissingError("the mailbox holds no such attachment")
    for number in range(attachment.chunks):
        with store.reading() as session:
            chunk = read_chunk(session, address, attachment_id, number)
        if chunk is None:
            raise AttachmentMissingError("the attachment was removed while it was read")
        yield chunk


def _count_in_mailbox(session: Session, address: bytes, more: int) -> None:
    if not count_in_mailbox(session, address, more):
        raise NoSuchMailboxError("there is no such mailbox")
