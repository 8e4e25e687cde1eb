"""Report of damage in a pouch: something in the sender's store failed its check, and is not in the pouch."""

from typing import Final

from sqlalchemy.orm import Session

from protocol.envelope import Envelope
from protocol.identifiers import ADDRESS_BYTES, ENTRY_ID_BYTES
from protocol.pouch.pouch_items import DamagedItem, EndedItem, EntryItem, Item, MailboxItem, OrderItem
from store.sync_findings import FindingKind
from sync.items.contexts import ApplyContext

NO_ENTRY: Final = bytes(ENTRY_ID_BYTES)  # used if the mailbox itself is damaged, and not one entry


def pack(item: Item) -> DamagedItem | None:
    """Return a report about an item that failed its check, or None if the item belongs to no mailbox."""
    match item:
        case EntryItem():
            part = Envelope.from_bytes(item.envelope)
            return DamagedItem(part.address, part.entry_id)
        case MailboxItem() | EndedItem() | OrderItem() if len(item.address) == ADDRESS_BYTES:
            return DamagedItem(item.address, NO_ENTRY)
        case _:
            return None


def apply(context: ApplyContext, session: Session, item: DamagedItem) -> bool:
    """Note the damage that the sender found in its store, for the adviser to see."""
    return context.report(session, item.address, item.entry_id, FindingKind.DAMAGED)
