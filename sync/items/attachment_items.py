"""Attached file in a pouch (sync bundle): one item for its header, and then one item for each chunk.

These items come before the item of the entry to which the file belongs.
"""

from collections.abc import Iterator
from dataclasses import replace

from msgspec.structs import asdict
from sqlalchemy.orm import Session

from protocol.identifiers import Address
from protocol.pouch.pouch_items import ChunkItem, FileItem
from store import attachments, entries, mailboxes
from store.errors import AttachmentMissingError, QuotaError
from stored_mailbox.lost_entries import has_signed_files
from stored_mailbox.reading import parse_row
from sync.items.contexts import ApplyContext, BuildContext


def pack(
    context: BuildContext, file: attachments.Attachment, address: Address
) -> Iterator[FileItem | ChunkItem]:
    """Yield the sync items of an attached file, from the first chunk that the peer does not have.

    The items end early when the pouch (sync bundle) is full, or if a part of the file is missing.
    """
    key = (address, file.attachment_id)
    first = context.chunks_at_peer.get(key, 0)
    if not file.header:
        return
    if first == 0:
        yield FileItem(address, file.entry_id, file.attachment_id, file.header)
    for number in range(first, file.chunks):
        if context.is_full():
            return
        with context.endpoint.store.reading() as session:
            ciphertext = attachments.read_chunk(session, *key, number)
        if ciphertext is None:
            return
        yield ChunkItem(*key, number, number == file.chunks - 1, ciphertext)
        context.chunks_at_peer[key] = number + 1


def apply_file(context: ApplyContext, session: Session, item: FileItem) -> bool:
    """Prepare the store to receive the chunks of an attached file by sync.

    Do nothing if this store has the whole file, if it has no such mailbox, or if the entry was removed. A
    file of another entry with the same id is replaced only if that entry's files are damaged.
    """
    address, key = Address(item.address), (item.address, item.attachment_id)
    # Attack: the sender names a file of another entry, so that this store deletes the file.
    held = attachments.find(session, *key)
    about = {(item.address, each.entry_id) for each in (item, held) if each is not None}
    rows = [row for each in about for row in entries.find_by_entry_id(session, *each)]
    signed = [entry.envelope for row in rows if (entry := parse_row(row)) is not None]
    ours = context.endpoint
    is_unwanted = (
        not about.isdisjoint(context.unwanted_of)
        or mailboxes.find(session, address) is None
        or any(row.digest in context.removed(session, address) for row in rows)
        or any(has_signed_files(ours.store, part, ours.opens_file) for part in signed)
    )
    if is_unwanted:
        context.unwanted.add(key)
        context.unwanted_of |= about
    upload = attachments.find_upload(session, *key)
    if is_unwanted or (upload is not None and upload[0] == item.entry_id):
        return False
    # An upload for another entry, and what is left of the entry's damaged files, even under other ids.
    attachments.drop(session, *key, entry_id=item.entry_id)
    half_hour = context.endpoint.half_hour()
    attachments.begin_upload(session, **asdict(item), half_hour=half_hour, peer=context.peer)
    return True


def apply_chunk(context: ApplyContext, session: Session, item: ChunkItem) -> bool:
    """Add the next chunk to an attached file that this store is receiving by sync.

    If an earlier chunk is missing, or if the quota has no room, drop what has arrived of the file.

    Raises:
        StoreFullError: the disk has no room for the chunk.
    """
    key = (item.address, item.attachment_id)
    if key in context.unwanted:
        if item.is_last:
            context.unwanted.discard(key)
        return False
    pending = attachments.find_upload(session, *key)
    if pending is None or item.number < pending[1]:
        return False
    # A mailbox's own limit counted where the file was uploaded. Here, one mailbox would stop all others.
    quota = replace(context.endpoint.quota, mailbox_bytes=context.endpoint.quota.store_bytes)
    try:
        attachments.add_chunk(session, *key, item.number, item.ciphertext, is_last=item.is_last, quota=quota)
    except (AttachmentMissingError, QuotaError) as why:
        if isinstance(why, QuotaError):
            context.without_room.add((item.address, pending[0]))
            context.unwanted.add(key)
        attachments.drop(session, *key)
        return False
    return True
