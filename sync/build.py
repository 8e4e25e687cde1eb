"""Builder of pouches (sync bundles), which contain the items of a peer's outbox in the right order."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from crypto.errors import CryptoError
from protocol.identifiers import Address, StrandId
from protocol.pouch.pouch_file import PARTIALS, WHOLE, PouchHead, PouchWriter, lowest_serial
from protocol.pouch.pouch_items import DamagedItem, Item, LetterheadItem, item_to_bytes
from store import attachments, outbox, peers
from store.errors import PeerMissingError
from sync.endpoint import Endpoint
from sync.errors import SyncRefusal, SyncRefusedError
from sync.items.contexts import BuildContext, FileKey, VerifyContext
from sync.items.item_kinds import ROW_PACKERS, kind_of, pack_damaged, pack_ends, pack_mailbox, size_of
from sync.sync_lock import sync_lock

# Target size of a pouch on a connection. It limits the loss when a connection breaks, and the memory in use.
TARGET_BYTES = 4 * 1024 * 1024
_RANDOM_SERIALS = 32_768  # number of serials to draw from: the lower half of those of one half hour
_ROWS = 64  # rows of the outbox in one transaction


@dataclass(frozen=True, slots=True)
class BuiltPouch:
    """Pouch (sync bundle) to send over a connection, with the values that are needed to build the next pouch.

    `chunks_at_peer` counts, for each attachment, the chunks that the peer has after applying this pouch.
    """

    pouch: bytes = field(repr=False)
    serial: int
    chunks_at_peer: Mapping[FileKey, int]
    has_more: bool


def build_pouch(  # noqa: PLR0913  # as the fields of the context
    endpoint: Endpoint,
    peer: StrandId,
    partials: Mapping[FileKey, int],
    unwanted: Iterable[FileKey] = (),
    *,
    after: int | None = None,
    tells_held: bool = False,
) -> BuiltPouch:
    """Build a pouch (sync bundle) of about `TARGET_BYTES`, with items that must still be sent to a peer.

    - `partials`: for each attachment, the number of chunks that the peer already has
    - `unwanted`: attachments that the peer must not continue to send
    - `after`: serial of the pouch that the new pouch continues, or None
    - `tells_held`: True to include a workstation's letterhead and a list of some of its entries, or the
      server's list of records

    Raises:
        PeerMissingError: there is no such peer.
        SyncRefusedError: NOT_PAIRED, or OVERTAKEN (the pouch `after` is not the newest for this peer).
        StoreError: the store cannot be used.
    """
    context = BuildContext(endpoint, peer, endpoint.letterhead(), dict(partials), TARGET_BYTES, tells_held)
    builder = _PouchBuilder(context, after)
    items = list(builder)  # collected before the head is written, because the head says whether more follows
    pouch = b"".join(builder.write(items, has_more=context.has_more, unwanted=unwanted))
    return BuiltPouch(pouch, builder.serial, context.chunks_at_peer, context.has_more)


def build_whole_pouch(endpoint: Endpoint, peer: StrandId) -> Iterator[bytes]:
    """Return one pouch (sync bundle), in pieces of bytes, with all items that must still be sent to a peer.

    Raises:
        PeerMissingError: there is no such peer.
        SyncRefusedError: NOT_PAIRED, or OVERTAKEN (another connection began a pouch for this peer).
        StoreError: the store cannot be used.
    """
    return next(build_pouch_files(endpoint, peer, None))


def build_pouch_files(
    endpoint: Endpoint, peer: StrandId, part_bytes: int | None
) -> Iterator[Iterator[bytes]]:
    """Yield pouches (sync bundles) to write to files, with all items that must still be sent to a peer.

    Each pouch is an iterator of pieces, which together have about `part_bytes` bytes.
    Read all pieces of a pouch before you ask for the next pouch. If `part_bytes` is None, there is one pouch.

    Raises:
        PeerMissingError: there is no such peer.
        SyncRefusedError: NOT_PAIRED. OVERTAKEN: a sync with this peer began in the meantime. The pouches that
            were written before do no harm.
        StoreError: the store cannot be used.
    """
    with sync_lock(endpoint):  # not held while a slow USB stick is written, or a sync would time out
        context = BuildContext(endpoint, peer, endpoint.letterhead(), {}, part_bytes, tells_held=True)
        builder = _PouchBuilder(context)
    while context.size_limit is not None:
        yield builder.write(builder, has_more=True)
        next_limit = part_bytes if context.has_more else None
        chunks = context.chunks_at_peer
        context = BuildContext(endpoint, peer, endpoint.letterhead(), chunks, next_limit)
        builder = _PouchBuilder(context, after=builder.serial)
    yield builder.write(builder, has_more=False)


class _PouchBuilder:
    """Builder of one pouch (sync bundle). Iterate over the builder once to get the items of the pouch.

    An item that the peer would refuse is replaced by a report of damage.
    """

    def __init__(self, context: BuildContext, after: int | None = None) -> None:
        endpoint, peer = context.endpoint, context.peer
        self._context = context
        self._verifying = VerifyContext(endpoint, context.letterhead, None, entries=context.verified)
        self._again: list[int] = []  # rows of the outbox that the next pouch packs again
        # Read first which pouches the peer has confirmed, so that this pouch contains everything that this
        # store had when it applied the peer's last pouch. The transaction is durable: if the peer knew a
        # later serial than this store, the peer would conclude that the store was restored from a backup.
        with endpoint.store.writing() as session:
            known = peers.find_in_time(session, peer, endpoint.future_serial())
            if known is None:
                raise PeerMissingError("there is no such peer")
            if after is None:
                outbox.repack_all(session, peer)
            elif after != known.sent_serial:
                raise SyncRefusedError(SyncRefusal.OVERTAKEN)
            # The serial is random, so that a store restored within this half hour hardly uses a serial twice.
            lowest = lowest_serial(endpoint.half_hour()) + secrets.randbelow(_RANDOM_SERIALS)
            self.serial = peers.reserve_serial(session, peer, at_least=lowest)
        self._known = known
        self._after = known.acknowledged_serial if after is None else after

    def write(
        self, items: Iterable[Item], *, has_more: bool, unwanted: Iterable[FileKey] = ()
    ) -> Iterator[bytes]:
        endpoint, peer = self._context.endpoint, self._context.peer
        with endpoint.store.reading() as session:
            partials = [*((*each, WHOLE) for each in unwanted), *attachments.uploads_from_peer(session, peer)]
        head = PouchHead(
            desk=endpoint.fingerprint,
            sender=endpoint.name,
            receiver=peer,
            serial=self.serial,
            sent=self._known.sent_serial,
            after=self._after,
            taken=self._known.applied_serial,
            day=endpoint.today(),
            more=has_more,
            partials=tuple(partials[:PARTIALS]),
        )
        writer = PouchWriter(head, endpoint.recipient(), endpoint.seed)
        yield writer.header
        yield from map(writer.add, items)
        yield from writer.finish()

    def __iter__(self) -> Iterator[Item]:
        yield from self._items()
        if self._again:
            with self._marking(durable=True) as session:
                outbox.mark_changed(session, self._again)

    def _items(self) -> Iterator[Item]:
        context = self._context
        first: list[Item] = []
        last: list[Item] = []
        if context.tells_held:
            with context.endpoint.store.reading() as session:
                first, last = pack_ends(context, session)
        for item in first:
            yield from self._checked(item, None)
        for kind in ROW_PACKERS:
            yield from self._pack_rows(kind)
        with context.endpoint.store.reading() as session:
            addresses = outbox.mailboxes_to_pack(session, context.peer)
        for address in addresses:
            if context.is_full():
                break
            yield from self._pack_mailbox(Address(address))
        if not context.has_more:  # the workstation has applied all ends of mailboxes when it reads this list
            for item in last:
                yield from self._checked(item, None)

    def _pack_rows(self, kind: outbox.OutboxKind) -> Iterator[Item]:
        context = self._context
        with context.endpoint.store.reading() as session:
            rows = list(outbox.of_kind(session, context.peer, kind))
        for at in range(0, len(rows), _ROWS):
            items: list[Item] = []
            with self._marking() as session:
                for row in rows[at : at + _ROWS]:
                    if context.is_full():
                        break
                    item = ROW_PACKERS[kind](context, session, row)
                    serial = item.serial if isinstance(item, LetterheadItem) else None
                    outbox.mark_packed(session, [row.id], self.serial, letterhead=serial)
                    if item is not None:
                        items += self._checked(item, row.id)
                    else:
                        self._pack_again(row.id)
            yield from items

    def _pack_mailbox(self, address: Address) -> Iterator[Item]:
        context = self._context
        with self._marking() as session:
            rows = outbox.of_mailbox(session, context.peer, address)
            left = {row.id for row in rows}
            items = pack_mailbox(context, session, address, rows)  # reads at once what is marked next
            outbox.mark_mailbox_packed(session, context.peer, address, self.serial)
        for item, complete_row in items:
            yield from self._checked(item, complete_row)
            left -= {complete_row}
        if context.has_more:
            # Durable: after a power cut, a row that is marked but not in this pouch would never be sent.
            with self._marking(durable=True) as session:
                outbox.unmark_packed(session, left)

    def _checked(self, item: Item, row: int | None) -> list[Item]:
        """Check an item and count its bytes. Return the item, or the report of damage that replaces it."""
        self._context.size += size_of(item)
        sound: Item | None = item
        try:
            kind_of(item).verify(self._verifying, item)
            item_to_bytes(item)
        except CryptoError:
            sound = pack_damaged(item)
        if row and (sound is None or isinstance(sound, DamagedItem)):
            self._pack_again(row)
        return [] if sound is None else [sound]

    def _pack_again(self, row: int) -> None:
        """Make the server pack the item of this outbox row again in its next pouch (sync bundle).

        On a workstation, do nothing.
        """
        # A workstation's sync continues until everything is sent, and would never end.
        if self._context.endpoint.is_server:
            self._again.append(row)

    @contextmanager
    def _marking(self, *, durable: bool = False) -> Iterator[Session]:
        """Open a transaction in which the caller marks items of the outbox (queue to send) as packed.

        If `durable` is False, a power cut can undo the marks. The items are then packed again.

        Raises:
            SyncRefusedError: OVERTAKEN: a newer pouch (sync bundle) for this peer was begun.
        """
        context = self._context
        with context.endpoint.store.writing(durable=durable) as session:
            known = peers.find(session, context.peer)
            # An item that is marked now would be lost: the answer to the newer pouch would confirm it too.
            if known is None or known.sent_serial != self.serial:
                raise SyncRefusedError(SyncRefusal.OVERTAKEN)
            yield session
