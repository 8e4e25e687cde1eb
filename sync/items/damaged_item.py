"""Report of damage in a pouch (sync bundle): something in the sender's store is missing or damaged."""

import hashlib
from typing import Final

from sqlalchemy.orm import Session

from protocol.envelope import Envelope
from protocol.identifiers import ADDRESS_BYTES, Address, Digest
from protocol.pouch.pouch_items import (
    ChunkItem,
    DamagedItem,
    EndedItem,
    EntryItem,
    FileItem,
    Item,
    MailboxItem,
    TalliesItem,
)
from store import mailboxes
from store.sync_findings import FindingKind
from sync.items.contexts import ApplyContext

NO_ENTRY: Final = b""  # used if the mailbox itself is damaged, and not one entry


def pack(item: Item) -> DamagedItem | None:
    """Return a report that an item failed its check, or None if the item belongs to no mailbox."""
    match item:
        case EntryItem():
            part = Envelope.from_bytes(item.envelope)
            return DamagedItem(part.address, hashlib.sha256(item.envelope + item.signature).digest())
        case MailboxItem() | EndedItem() | TalliesItem() | FileItem() | ChunkItem() if (
            len(item.address) == ADDRESS_BYTES
        ):
            return DamagedItem(item.address, NO_ENTRY)
        case _:
            return None


def apply(context: ApplyContext, session: Session, item: DamagedItem) -> bool:
    """Record that an entry or a mailbox is damaged at the sender, and that the sender asks for the entry."""
    if item.digest:
        context.asked.setdefault(Address(item.address), set()).add(Digest(item.digest))
    if context.peer_was_restored and mailboxes.find(session, item.address) is not None:
        return False  # the adviser is told that the server was restored, and everything is sent again
    return context.report(session, item.address, item.digest, FindingKind.DAMAGED)
