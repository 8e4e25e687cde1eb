"""Attached file in a pouch (sync bundle): one item for its header, and then one item for each chunk.

These items come before the item of the entry to which the file belongs.
"""

from collections.abc import Iterator

from msgspec.structs import asdict
from sqlalchemy.orm import Session

from protocol.identifiers import Address, AttachmentId
from protocol.pouch.pouch_items import ChunkItem, DamagedItem, FileItem
from store import attachments, entries, mailboxes
from sync.errors import SyncRefusal, SyncRefusedError
from sync.items.contexts import ApplyContext, BuildContext


def pack(
    context: BuildContext, file: attachments.Attachment, address: Address
) -> Iterator[FileItem | ChunkItem | DamagedItem]:
    """Yield the sync items of an attached file, from the first chunk that the peer does not have.

    The items end early when the pouch (sync bundle) is full.
    """
    attachment_id = AttachmentId(file.attachment_id)
    first = context.chunks_at_peer.get(attachment_id, 0)
    if first == 0 and file.header is not None:
        yield FileItem(address, file.entry_id, attachment_id, file.header)
    for number in range(first, file.chunks):
        if context.is_full():
            return
        with context.endpoint.store.reading() as session:
            ciphertext = attachments.read_chunk(session, address, attachment_id, number)
            stored = entries.find_by_entry_id(session, address, file.entry_id) if ciphertext is None else ()
        if ciphertext is None:
            whole = [row for row in stored if row.header is not None]
            yield from (DamagedItem(address, row.digest) for row in whole)
            context.has_more |= not whole  # the file was just removed: the next pouch has the removal
            return
        yield ChunkItem(attachment_id, number, number == file.chunks - 1, ciphertext)
        context.chunks_at_peer[attachment_id] = number + 1


def apply_file(context: ApplyContext, session: Session, item: FileItem) -> bool:
    """Begin to receive an attached file by sync.

    Do nothing if this store has the file already, does not have its mailbox, or has the removal of its entry.
    """
    address = Address(item.address)
    rows = entries.find_by_entry_id(session, address, item.entry_id)
    is_unwanted = (
        mailboxes.find(session, address) is None
        or attachments.find(session, address, item.attachment_id) is not None
        or any(row.digest in context.removed(session, address) for row in rows)
    )
    if is_unwanted:
        context.unwanted.add(AttachmentId(item.attachment_id))
    if is_unwanted or attachments.find_upload(session, item.attachment_id) is not None:
        return False
    half_hour = context.endpoint.half_hour()
    attachments.begin_upload(session, **asdict(item), half_hour=half_hour, peer=context.peer)
    return True


def apply_chunk(context: ApplyContext, session: Session, item: ChunkItem) -> bool:
    """Add the next chunk to an attached file that this store is receiving by sync.

    Raises:
        SyncRefusedError: BROKEN_TRANSFER: this store is not receiving such a file.
        AttachmentMissingError: chunks are missing between the newest stored chunk and this chunk.
        QuotaError: the quota has no room for the chunk.
        StoreFullError: the disk has no room for the chunk.
    """
    if item.attachment_id in context.unwanted:
        if item.is_last:
            context.unwanted.discard(AttachmentId(item.attachment_id))
        return False
    pending = attachments.find_upload(session, item.attachment_id)
    if pending is None:
        raise SyncRefusedError(SyncRefusal.BROKEN_TRANSFER)
    _, _, chunks, _ = pending
    if item.number < chunks:
        return False
    quota = context.endpoint.quota
    attachments.add_chunk(session, item.attachment_id, item.number, item.ciphertext, quota=quota)
    if item.is_last:
        attachments.finish_upload(session, item.attachment_id)
    return True
