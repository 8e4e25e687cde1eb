"""Table of all kinds of items in a pouch (sync bundle), with the functions that handle each kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy.orm import Session

from protocol.pouch import pouch_items as formats
from protocol.pouch.pouch_items import Item
from store.outbox import OutboxItem, OutboxKind
from sync.items import (
    attachment_items,
    damaged_item,
    ending_item,
    entry_item,
    held_item,
    letterhead_item,
    listed_records,
    mailbox_item,
    public_file_item,
    record_item,
    tallies_item,
    tally_item,
)
from sync.items.contexts import ApplyContext, BuildContext, VerifyContext


def _accept(_context: VerifyContext, _item: Item) -> None:
    """Accept an item of a sync without a check. The item is ciphertext, which sync does not decrypt."""


@dataclass(frozen=True, slots=True)
class ItemKind:
    """Functions that verify and apply one kind of item in a sync.

    `apply` returns whether the item changed something. `is_batched` is True if several such items may share
    one transaction.
    """

    apply: Callable[[ApplyContext, Session, Any], bool]
    verify: Callable[[VerifyContext, Any], None] = _accept
    is_batched: bool = True


ITEM_KINDS: Final[Mapping[type[Item], ItemKind]] = {
    formats.LetterheadItem: ItemKind(letterhead_item.apply, letterhead_item.verify, is_batched=False),
    formats.MailboxItem: ItemKind(mailbox_item.apply, mailbox_item.verify),
    formats.FileItem: ItemKind(attachment_items.apply_file, is_batched=False),
    formats.ChunkItem: ItemKind(attachment_items.apply_chunk, is_batched=False),
    formats.EntryItem: ItemKind(entry_item.apply, entry_item.verify),
    formats.EndedItem: ItemKind(ending_item.apply, ending_item.verify, is_batched=False),
    formats.TalliesItem: ItemKind(tallies_item.apply),
    formats.RecordItem: ItemKind(record_item.apply, record_item.verify),
    formats.TallyItem: ItemKind(tally_item.apply),
    formats.PublicFileItem: ItemKind(public_file_item.apply, is_batched=False),
    formats.DamagedItem: ItemKind(damaged_item.apply),
    formats.HeldItem: ItemKind(held_item.apply),
    formats.RecordsItem: ItemKind(listed_records.apply),
}

# Kinds that need one row of the outbox and nothing else, in the order in which a peer can apply them.
# `pack` returns None when there is nothing left to send for the row.
ROW_PACKERS: Final[Mapping[OutboxKind, Callable[[BuildContext, Session, OutboxItem], Item | None]]] = {
    OutboxKind.LETTERHEAD: letterhead_item.pack,
    OutboxKind.ENDED: ending_item.pack,
    OutboxKind.PUBLIC_FILE: public_file_item.pack,
    OutboxKind.RECORD: record_item.pack,
    OutboxKind.TALLY: tally_item.pack,
}
pack_mailbox: Final = mailbox_item.pack
pack_damaged: Final = damaged_item.pack


def pack_ends(context: BuildContext, session: Session) -> tuple[list[Item], list[Item]]:
    """Return the first and the last items of the first pouch (sync bundle) of a sync in one direction.

    A workstation begins with its letterhead and a list of some entries. The server ends with a list of its
    records. The caller reads these items before all others.
    """
    if context.endpoint.is_server:
        # Read before the ends of mailboxes. Otherwise the workstation would send the records of a mailbox
        # that the server deletes in the meantime.
        return [], [listed_records.pack(session)]
    # First, because the server's answer is perhaps refused until the server has read these items.
    letterhead = letterhead_item.pack(context, session)
    return [*([letterhead] if letterhead else []), held_item.pack(context, session)], []


def kind_of(item: Item) -> ItemKind:
    """Return the functions that verify and apply items of the same kind as this item."""
    return ITEM_KINDS[type(item)]


def size_of(item: Item) -> int:
    """Return the number of bytes of an item in a pouch (sync bundle), without its encryption."""
    return len(msgspec.msgpack.encode(item))
