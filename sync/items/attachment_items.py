"""Attached file in a pouch (sync bundle): one item for its header, and then one item for each chunk.

These items come before the item of the entry to which the file belongs.
"""

from collections.abc import Iterator
from dataclasses import replace

from msgspec.structs import asdict
from sqlalchemy.orm import Session

from protocol.identifiers import Address
from protocol.pouch.pouch_items import ChunkItem, DamagedItem, FileItem
from store import attachments, entries, mailboxes
from sync.items.contexts import ApplyContext, BuildContext


def pack(
    context: BuildContext, file: attachments.Attachment, address: Address
) -> Iterator[FileItem | ChunkItem | DamagedItem]:
    """Yield the sync items of an attached file, from the first chunk that the peer does not have.

    The items end early when the pouch (sync bundle) is full.
    """
    key = (address, file.attachment_id)
    first = context.chunks_at_peer.get(key, 0)
    is_sound = file.header is not None and file.chunks > 0
    if first == 0 and file.header is not None:
        yield FileItem(address, file.entry_id, file.attachment_id, file.header)
    for number in range(first, max(file.chunks, 1)):
        if context.is_full():
            return
        with context.endpoint.store.reading() as session:
            ciphertext = attachments.read_chunk(session, *key, number) if is_sound else None
            stored = entries.find_by_entry_id(session, address, file.entry_id) if ciphertext is None else ()
        if ciphertext is None:
            whole = [row for row in stored if row.header is not None]
            yield from (DamagedItem(address, row.digest) for row in whole)
            context.has_more |= not whole  # the file was just removed: the next pouch has the removal
            return
        yield ChunkItem(*key, number, number == file.chunks - 1, ciphertext)
        context.chunks_at_peer[key] = number + 1


def apply_file(context: ApplyContext, session: Session, item: FileItem) -> bool:
    """Begin to receive an attached file by sync.

    Do nothing if this store has the file already, does not have its mailbox, or has the removal of its entry.
    """
    address, key = Address(item.address), (item.address, item.attachment_id)
    rows = entries.find_by_entry_id(session, address, item.entry_id)
    here = attachments.find(session, *key)
    is_unwanted = (
        mailboxes.find(session, address) is None
        or (here is not None and here.header is not None)
        or any(row.digest in context.removed(session, address) for row in rows)
    )
    if is_unwanted:
        context.unwanted.add(key)
    upload = attachments.find_upload(session, *key)
    if is_unwanted or (upload is not None and upload[0] == item.entry_id):
        return False
    attachments.drop(session, *key)  # an upload for another entry, or what is left of a damaged attachment
    half_hour = context.endpoint.half_hour()
    attachments.begin_upload(session, **asdict(item), half_hour=half_hour, peer=context.peer)
    return True


def apply_chunk(context: ApplyContext, session: Session, item: ChunkItem) -> bool:
    """Add the next chunk to an attached file that this store is receiving by sync.

    Raises:
        AttachmentMissingError: this store is not receiving such a file, or chunks are missing before this
            chunk.
        QuotaError: the quota has no room for the chunk.
        StoreFullError: the disk has no room for the chunk.
    """
    key = (item.address, item.attachment_id)
    if key in context.unwanted:
        if item.is_last:
            context.unwanted.discard(key)
        return False
    pending = attachments.find_upload(session, *key)
    if pending is not None and item.number < pending[1]:
        return False
    # A mailbox's own limit counted where the file was uploaded. Here, one mailbox would stop all others.
    quota = replace(context.endpoint.quota, mailbox_bytes=context.endpoint.quota.store_bytes)
    attachments.add_chunk(session, *key, item.number, item.ciphertext, is_last=item.is_last, quota=quota)
    return True
