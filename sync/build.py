"""Packing: what a peer does not know yet, put into a pouch for it."""

import itertools
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy.orm import Session

from crypto.errors import CryptoError, MalformedError
from protocol import chain
from protocol.entry import SignedEntry
from protocol.envelope import Envelope
from protocol.identifiers import ADDRESS_BYTES, SOURCE_STRAND, Address, AttachmentId, StrandId
from protocol.pouch.pouch_file import PARTIALS, WHOLE, PouchHead, PouchWriter, lowest_serial
from protocol.pouch.pouch_items import (
    ChunkItem,
    CountedItem,
    DamagedItem,
    EndedItem,
    EntryItem,
    FileItem,
    Item,
    LetterheadItem,
    MailboxItem,
    OrderItem,
    PublicFileItem,
    RecordItem,
    TallyItem,
    item_to_bytes,
)
from store import (
    attachments,
    deletion_orders,
    entries,
    ledger_tallies,
    letterheads,
    mailboxes,
    outbox,
    peers,
    public_files,
    records,
)
from store.attachments import Attachment
from store.errors import PeerMissingError
from store.mailboxes import StoredMailbox
from store.outbox import OutboxItem, OutboxKind, split_digests
from sync.endpoint import Endpoint
from sync.errors import OvertakenError
from sync.sync_lock import sync_lock
from sync.verify import NO_ENTRY, Judge

DIRECT_BYTES = 4 * 1024 * 1024  # of a pouch on a line: what a line that breaks loses, and what lies in memory
_ITEM_OVERHEAD = 512  # bytes of an entry beside its sealed part, roughly: only a limit is counted by it
_SERIALS_DRAWN = 32_768  # the lower half of what belongs to a half hour
_ROWS = 64  # of small things in one transaction

_Read = Callable[[Session, OutboxItem], tuple[Item | None, int]]  # an item, if it is there, and its revision


@dataclass(frozen=True, slots=True)
class Packed:
    """A pouch for a line, and what the one behind it goes on from."""

    pouch: bytes = field(repr=False)
    serial: int
    progress: Mapping[AttachmentId, int]  # the files that the peer has in part once it took this in
    has_more: bool


def build_pouch(
    side: Endpoint,
    peer: StrandId,
    partials: Mapping[AttachmentId, int],
    wanted_no_more: Iterable[AttachmentId] = (),
) -> Packed:
    """Return a pouch of about `DIRECT_BYTES`, for a peer that has these files in part, with so many chunks.

    `wanted_no_more` names files of the peer's last pouch that are here already: it need not go on with them.

    Raises:
        PeerMissingError: there is no such peer.
        NotPairedError: this workstation does not know the server.
        StoreError: the store refuses.
    """
    return _packed(_Load(side, peer, partials, at_most=DIRECT_BYTES), wanted_no_more)


def pack_behind(
    side: Endpoint, peer: StrandId, packed: Packed, wanted_no_more: Iterable[AttachmentId]
) -> Packed:
    """Return the pouch that goes on behind another one of which nobody heard yet that it was taken in.

    Raises:
        OvertakenError: something else was packed for this peer meanwhile, and with it all of `packed`.
        PeerMissingError, NotPairedError, StoreError: as `pack` has it.
    """
    load = _Load(side, peer, packed.progress, at_most=DIRECT_BYTES, after=packed.serial)
    return _packed(load, wanted_no_more)


def _packed(load: "_Load", wanted_no_more: Iterable[AttachmentId]) -> Packed:
    items = list(load)
    head = load.head(has_more=load.has_more, wanted_no_more=wanted_no_more)
    packer = PouchWriter(head, load.side.recipient(), load.side.seed)
    pouch = b"".join([packer.header, *map(packer.add, items), *packer.finish()])
    return Packed(pouch, load.serial, load.progress, load.has_more)


def pack_all(side: Endpoint, peer: StrandId) -> Iterator[bytes]:
    """Yield one pouch with everything that a peer is not known to have, in pieces.

    Raises:
        PeerMissingError, NotPairedError, StoreError: as `pack` has it.
    """
    for pieces in pack_parts(side, peer, None):
        yield from pieces


def pack_parts(side: Endpoint, peer: StrandId, part_bytes: int | None) -> Iterator[Iterator[bytes]]:
    """Yield pouches with everything that a peer is not known to have, each in pieces; for files.

    Each is about `part_bytes`, for sticks and file systems with a bound of their own; None: all in one. Take
    every piece of one before the next: each builds upon the one before. How many it takes is known at the
    end, so the last one is small, and there to say that it is the last.

    Raises:
        OvertakenError: a sync packed for this peer meanwhile; what is made already may be taken in or not.
        PeerMissingError, NotPairedError, StoreError: as `pack` has it.
    """
    with sync_lock(side):  # to begin; a sync that waited for a slow stick to be written would be given up
        load = _Load(side, peer, {}, at_most=part_bytes)
    if part_bytes is not None:
        yield _pieces(load, has_more=True)
        while load.has_more:
            load = _Load(side, peer, load.progress, at_most=part_bytes, after=load.serial)
            yield _pieces(load, has_more=True)
        load = _Load(side, peer, load.progress, at_most=None, after=load.serial)
    yield _pieces(load, has_more=False)


def _lowest(half_hour: int) -> int:
    """Return a serial to begin with, which a store that is put back this half hour hardly gives twice."""
    return lowest_serial(half_hour) + secrets.randbelow(_SERIALS_DRAWN)


def _pieces(load: "_Load", *, has_more: bool) -> Iterator[bytes]:
    packer = PouchWriter(load.head(has_more=has_more), load.side.recipient(), load.side.seed)
    yield packer.header
    for item in load:
        yield packer.add(item)
    yield from packer.finish()


class _Load:
    """What goes into one pouch, in the order in which it can be taken in.

    A row is marked as packed in the transaction in which it is read: what changes after that is packed again.
    """

    def __init__(
        self,
        side: Endpoint,
        peer: StrandId,
        partials: Mapping[AttachmentId, int],
        *,
        at_most: int | None,
        after: int | None = None,
    ) -> None:
        self.has_more = False
        self.side = side
        self.progress = dict(partials)  # of files that are in part at the peer: how many chunks
        self._peer = peer
        self._after = after
        self._at_most = at_most
        self._size = 0
        self._counting: set[bytes] = set()
        self._letterhead = side.letterhead()
        self._judge = Judge(side, self._letterhead)
        with side.store.writing() as session:  # for good: a peer that knows of more than we do is told so
            # Before anything is read: whoever hears what we have taken in shall have what we had by then.
            known = peers.find(session, peer)
            if known is None:
                raise PeerMissingError("there is no such peer")
            self._known = known
            if after is None:
                outbox.repack_all(session, peer)
            elif after != known.sent_serial:
                raise OvertakenError
            self.serial = peers.reserve_serial(session, peer, at_least=_lowest(side.half_hour()))

    def head(self, *, has_more: bool, wanted_no_more: Iterable[AttachmentId] = ()) -> PouchHead:
        side = self.side
        with side.store.reading() as session:
            partials = [
                *((each, WHOLE) for each in wanted_no_more),
                *attachments.uploads_from_peer(session, self._peer),
            ]
        return PouchHead(
            desk=side.fingerprint,
            sender=side.name,
            receiver=self._peer,
            serial=self.serial,
            sent=self._known.sent_serial,
            after=self._known.acknowledged_serial if self._after is None else self._after,
            taken=self._known.applied_serial,
            day=side.today(),
            more=has_more,
            partials=tuple(partials[:PARTIALS]),
        )

    def __iter__(self) -> Iterator[Item]:
        """Yield what goes in. What a receiver would refuse is named as damaged: the rest must arrive."""
        for item in self._items():
            try:
                self._judge.check(item)
                item_to_bytes(item)
            except CryptoError:
                damaged = _damaged(item)
                if damaged is not None:
                    yield damaged
            else:
                yield item

    def _items(self) -> Iterator[Item]:
        with self.side.store.reading() as session:
            counted = outbox.of_kind(session, self._peer, OutboxKind.ACKNOWLEDGED)
            self._counting = {digest for row in counted for digest in split_digests(row.tally_digests)}
        for what, read in (
            (OutboxKind.LETTERHEAD, self._letterhead_item),
            (OutboxKind.ENDED, self._ended),
            (OutboxKind.ACKNOWLEDGED, self._counted),  # behind the line that it is about
            (OutboxKind.PUBLIC_FILE, self._public_file),
            (OutboxKind.RECORD, self._record),
            (OutboxKind.TALLY, self._tally),
        ):
            yield from self._small(what, read)
        with self.side.store.reading() as session:
            addresses = outbox.mailboxes_to_pack(session, self._peer)
        for address in addresses:
            if self._is_full():
                return
            yield from self._of_mailbox(Address(address))

    def _is_full(self) -> bool:
        """Say whether nothing more fits in; whoever asks has something more."""
        if self._at_most is not None and self._size >= self._at_most:
            self.has_more = True
        return self.has_more

    # ---- small things, of which each is an item by itself --------------------------------------------

    @contextmanager
    def _marking(self) -> Iterator[Session]:
        """Give a transaction to mark rows in, unless another pouch was begun: it took back all our marks.

        Raises:
            OvertakenError: it was. What is marked after that would be taken for told with the other one.
        """
        with self.side.store.writing(durable=False) as session:
            known = peers.find(session, self._peer)
            if known is None or known.sent_serial != self.serial:
                raise OvertakenError
            yield session

    def _small(self, what: OutboxKind, read: _Read) -> Iterator[Item]:
        with self.side.store.reading() as session:
            rows = list(outbox.of_kind(session, self._peer, what))
        for at in range(0, len(rows), _ROWS):
            items: list[Item] = []
            with self._marking() as session:
                for row in rows[at : at + _ROWS]:
                    if self._is_full():
                        break
                    item, revision = read(session, row)
                    outbox.mark_packed(session, [row.id], self.serial, revisions={row.id: revision})
                    if item is not None:
                        self._size += size_of(item)
                        items.append(item)
            yield from items

    def _letterhead_item(self, session: Session, _row: OutboxItem) -> tuple[Item | None, int]:
        """Return the newest letterhead, but never one that was not found true."""
        found = letterheads.find(session, self._letterhead.serial)
        if found is None:
            return None, 0
        known = peers.find(session, self._peer)
        return LetterheadItem(known.letterhead_serial if known else 0, *found), self._letterhead.serial

    def _counted(self, session: Session, row: OutboxItem) -> tuple[Item | None, int]:
        digests = () if self.side.is_server else split_digests(row.tally_digests)
        sealed = (ledger_tallies.find(session, digest) for digest in digests)
        return CountedItem(row.address, tuple(tally for tally in sealed if tally is not None)), 0

    def _ended(self, session: Session, row: OutboxItem) -> tuple[Item | None, int]:
        line = mailboxes.find_ended(session, row.address)
        if line is None:
            return None, 0
        return EndedItem(line.address, line.recipient, line.verify_key, line.statement, line.day), 0

    def _public_file(self, session: Session, row: OutboxItem) -> tuple[Item | None, int]:
        name = row.name.decode("utf-8")
        body = public_files.find(session, name)
        return (None if body is None else PublicFileItem(name, body)), 0

    def _record(self, session: Session, row: OutboxItem) -> tuple[Item | None, int]:
        kind, _, name = row.name.partition(b":")
        record = records.find(session, kind.decode("ascii"), name)
        if record is None:
            return RecordItem(kind.decode("ascii"), name, 0, 0, b""), 0
        return RecordItem(record.kind, name, record.base, record.revision, record.sealed), record.revision

    def _tally(self, session: Session, row: OutboxItem) -> tuple[Item | None, int]:
        if not self.side.is_server and row.name in self._counting:
            return None, 0  # it goes with the mailbox that it counts, and counts if nobody was first
        sealed = ledger_tallies.find(session, row.name)
        return (None if sealed is None else TallyItem(sealed)), 0

    # ---- a mailbox: its keys, its entries with their files, its order -----------------------------------

    def _of_mailbox(self, address: Address) -> Iterator[Item]:
        with self._marking() as session:
            mailbox = mailboxes.find(session, address)
            rows = outbox.of_mailbox(session, self._peer, address)
            outbox.mark_packed(session, [row.id for row in rows], self.serial)
            stored = [
                entries.find(session, address, row.name) for row in rows if row.kind is OutboxKind.ENTRY
            ]
            files = {
                row.entry_id: attachments.of_entry(session, address, row.entry_id)
                for row in stored
                if row is not None
            }
            order = [row for row in rows if row.kind is OutboxKind.ORDER]
            order_item = self._order(session, address) if order else None
        if mailbox is None:
            return  # it ended since, and that travels by itself
        by_entry = {row.name: row.id for row in rows if row.kind is OutboxKind.ENTRY}
        left = set(by_entry.values())
        for item, entry_id in self._entries(mailbox, [each for each in stored if each is not None], files):
            self._size += size_of(item)
            yield item
            if entry_id is not None:
                left.discard(by_entry[entry_id])
        if self.has_more:
            with self._marking() as session:
                outbox.unmark_packed(session, [*left, *(row.id for row in order)])
        elif order_item is not None:
            yield order_item

    def _entries(
        self,
        mailbox: StoredMailbox,
        stored: Sequence[entries.StoredEntry],
        files: Mapping[bytes, Sequence[Attachment]],
    ) -> Iterator[tuple[Item, bytes | None]]:
        """Yield the items of some entries; the last of each entry with its id."""
        address = Address(mailbox.address)
        if any((row.strand, row.number) == (SOURCE_STRAND, 1) for row in stored):
            yield MailboxItem(address, mailbox.recipient, mailbox.verify_key, mailbox.opened_day), None
        signed: list[SignedEntry] = []
        for row in stored:
            entry = _signed(row)
            if entry is None or (entry.envelope.address, entry.envelope.entry_id) != (
                address,
                row.entry_id,
            ):
                yield DamagedItem(address, row.entry_id), row.entry_id
            else:
                signed.append(entry)
        for entry in chain.sort_entries(signed):
            if self._is_full():
                return
            its_files = files[entry.envelope.entry_id]
            is_damaged = False
            for item in itertools.chain.from_iterable(self._file(file, address) for file in its_files):
                is_damaged = isinstance(item, DamagedItem)
                yield item, entry.envelope.entry_id if is_damaged else None
                if is_damaged:
                    break
            if self.has_more:
                return
            if not is_damaged:
                yield _entry_item(entry, its_files), entry.envelope.entry_id

    def _file(self, file: Attachment, address: Address) -> Iterator[Item]:
        attachment_id = AttachmentId(file.attachment_id)
        had = self.progress.get(attachment_id, 0)
        if had == 0 and file.header is not None:
            yield FileItem(address, file.entry_id, attachment_id, file.header)
        for number in range(had, file.chunks):
            if self._is_full():
                return
            with self.side.store.reading() as session:
                ciphertext = attachments.read_chunk(session, address, attachment_id, number)
            if ciphertext is None:
                if self._is_kept(address, file.entry_id):
                    yield DamagedItem(address, file.entry_id)
                else:
                    self.has_more = True  # removed this moment: its entry comes anew, as a tombstone
                return
            yield ChunkItem(attachment_id, number, number == file.chunks - 1, ciphertext)
            self.progress[attachment_id] = number + 1

    def _is_kept(self, address: Address, entry_id: bytes) -> bool:
        """Say whether the files of an entry should be there: nobody removed it."""
        with self.side.store.reading() as session:
            stored = entries.find(session, address, entry_id)
        return stored is not None and stored.removal is None

    def _order(self, session: Session, address: Address) -> Item:
        found = deletion_orders.find(session, address)
        if found is None:
            return OrderItem(address, b"", date.min, ())
        return OrderItem(address, found.statement, found.due, found.tallies)


def _signed(row: entries.StoredEntry) -> SignedEntry | None:
    """Read an entry back; of a removed one only what may stay. None: it is none that we write."""
    try:
        return SignedEntry.from_stored(
            envelope=row.envelope,
            signature=row.signature,
            epoch=row.epoch,
            header=None if row.removal is not None else row.header,
            payload=None if row.removal is not None else row.payload,
            removal=row.removal,
        )
    except MalformedError:
        return None


def _damaged(item: Item) -> DamagedItem | None:
    match item:
        case EntryItem():
            part = Envelope.from_bytes(item.envelope)
            return DamagedItem(part.address, part.entry_id)
        case MailboxItem() | EndedItem() | OrderItem():
            return DamagedItem(item.address, NO_ENTRY) if len(item.address) == ADDRESS_BYTES else None
        case _:
            return None


def _entry_item(entry: SignedEntry, files: Sequence[Attachment]) -> EntryItem:
    return EntryItem(
        entry.envelope.to_bytes(),
        entry.signature,
        entry.epoch,
        entry.header or b"",
        entry.payload or b"",
        entry.removal or b"",
        tuple(file.attachment_id for file in files) if entry.removal is None else (),
    )


def size_of(item: Item) -> int:
    """Return roughly how many bytes an item takes; only limits are counted by it."""
    match item:
        case MailboxItem() | FileItem():
            return 0  # what hangs on it comes right behind: counted, it could be all that ever fits
        case ChunkItem():
            return len(item.ciphertext)
        case EntryItem():
            return len(item.header) + len(item.payload) + _ITEM_OVERHEAD
        case RecordItem() | TallyItem():
            return len(item.sealed)
        case PublicFileItem():
            return len(item.body)
        case _:
            return _ITEM_OVERHEAD
