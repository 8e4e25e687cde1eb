"""Judging: whether an item of a pouch says what is true. Both ends ask it, the sender of its own store."""

import hashlib
from datetime import timedelta
from typing import Final

from crypto.errors import ForgedError, MalformedError
from protocol import letterhead as letterheads
from protocol.entry import SignedEntry, verify_entry
from protocol.envelope import Author, Envelope
from protocol.identifiers import ENTRY_ID_BYTES, Address, StrandId
from protocol.letterhead import Letterhead
from protocol.mailbox_keys import check_mailbox_keys
from protocol.pouch.pouch_items import (
    EndedItem,
    EntryItem,
    Item,
    LetterheadItem,
    MailboxItem,
    OrderItem,
    RecordItem,
)
from protocol.statements.deletion_order import DeletionOrder, verify_order
from protocol.statements.removal import is_ended_by_source, verify_removal
from protocol.strand import StrandKey
from store import entries, mailboxes, outbox
from store.outbox import OutboxKind
from sync.endpoint import Endpoint

NO_ENTRY: Final = bytes(ENTRY_ID_BYTES)  # in the place of what is damaged and is no entry
_CLOCKS_APART: Final = timedelta(days=1)  # as far as those of two ends may be
_NO_HEAD: Final = (0, b"")
_KEPT_HERE: Final = frozenset({"draft", "unsent"})  # kinds of record that stay where they were typed


class Judge:
    """Checks the items of one pouch, in their order: a letterhead, and a mailbox, before what hangs on it.

    `deleted_wrongly` are the mailboxes that are said to have gone by an order which later words had voided.
    """

    def __init__(self, side: Endpoint, letterhead: Letterhead) -> None:
        """Begin with the letterhead that is in use here."""
        self._side = side
        self._letterhead = letterhead
        self._strands: dict[StrandId, StrandKey] = dict(letterhead.strand_keys)
        self._keys: dict[Address, bytes | None] = {}
        self.deleted_wrongly: set[Address] = set()

    def check(self, item: Item) -> None:
        """Refuse an item that is not what it says. Of what is sealed to the desk alone only its form counts.

        Raises:
            ForgedError: a signature, a digest or an address does not fit.
            MalformedError: something in it is in no form that we write.
            LetterheadRefusedError: a letterhead that must not be used.
        """
        match item:
            case LetterheadItem():
                self._letterhead_item(item)
            case MailboxItem():
                check_mailbox_keys(Address(item.address), item.recipient, item.verify_key)
                self._keys[Address(item.address)] = item.verify_key
            case EntryItem():
                self._entry(item)
            case EndedItem():
                self._ended(item)
            case OrderItem() if item.statement:
                self._order(item)
            case RecordItem() if item.kind in _KEPT_HERE:
                raise MalformedError  # nobody sends one: it would stand before the adviser as typed here
            case _:
                pass

    def _letterhead_item(self, item: LetterheadItem) -> None:
        """Take a letterhead as the desk's, and its strands with it; which is the newest is asked later."""
        found = letterheads.verify_letterhead(
            item.body, item.signature, self._side.fingerprint, same_parameters_as=self._letterhead
        )
        if found.serial != item.serial:
            raise ForgedError
        older, newer = sorted((self._letterhead, found), key=lambda each: each.serial)
        self._strands = {**older.strand_keys, **newer.strand_keys}

    def _entry(self, item: EntryItem) -> None:
        part = Envelope.from_bytes(item.envelope)
        is_removed = bool(item.removal)
        if is_removed == bool(item.header) or is_removed == bool(item.payload):
            raise MalformedError
        entry = SignedEntry(part, item.signature, item.epoch, item.header or None, item.payload or None)
        verify_key = self._verify_key(part.address)
        verify_entry(entry, mailbox_verify_key=verify_key, strands=self._strands)
        if is_removed:
            verify_removal(
                item.removal,
                of=part,
                entry_digest=entry.digest,
                mailbox_verify_key=verify_key,
                strands=self._strands,
            )

    def _ended(self, item: EndedItem) -> None:
        """Accept what the source signed, or the desk's order for this mailbox if its day has come."""
        if is_source_ending(item):
            return
        check_mailbox_keys(Address(item.address), item.recipient, item.verify_key)
        said = verify_order(item.statement, strands=self._strands)
        if said.address != item.address or said.due > self._side.today() + _CLOCKS_APART:
            raise ForgedError
        if self._is_void(said):
            self.deleted_wrongly.add(said.address)

    def _is_void(self, said: DeletionOrder) -> bool:
        """Tell whether the peer knew of words behind the heads of an order: then it had to let it be.

        All words of a source came from the server. Those of the desk that are still to be told of count for
        nothing: they crossed a deletion that was right.
        """
        with self._side.store.reading() as session:
            for row in entries.signed_parts(session, said.address):
                part = Envelope.from_bytes(row.envelope)
                if part.speaks and part.number > said.heads.get(part.strand, _NO_HEAD)[0]:
                    is_known = part.author is Author.SOURCE or not outbox.is_queued(
                        session, OutboxKind.ENTRY, address=said.address, name=part.entry_id
                    )
                    if is_known:
                        return True
        return False

    def _order(self, item: OrderItem) -> None:
        said = verify_order(item.statement, strands=self._strands)
        tallies = tuple(sorted(hashlib.sha256(tally).digest() for tally in item.tallies))
        if (said.address, said.due, said.tallies_sha256) != (item.address, item.due, tallies):
            raise ForgedError

    def _verify_key(self, address: Address) -> bytes | None:
        """Return the source's key of a mailbox, from this pouch or from our own store, if it certifies."""
        if address not in self._keys:
            with self._side.store.reading() as session:
                mailbox = mailboxes.find(session, address)
            key = None
            if mailbox is not None:
                check_mailbox_keys(address, mailbox.recipient, mailbox.verify_key)
                key = mailbox.verify_key
            self._keys[address] = key
        return self._keys[address]


def is_source_ending(item: EndedItem) -> bool:
    """Say whether it is the source who signed that the mailbox is ended. Else it can only be an order."""
    return is_ended_by_source(
        item.statement, address=Address(item.address), recipient=item.recipient, verify_key=item.verify_key
    )
