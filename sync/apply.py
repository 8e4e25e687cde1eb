"""Applying of pouches (sync bundles): a pouch is verified as a whole, and then applied item by item.

An item that was applied before changes nothing, so a pouch can be applied again after a failure.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import StrandId
from protocol.pouch.pouch_file import PouchHead, PouchReader
from protocol.pouch.pouch_items import Item
from store import mailboxes, outbox, peers
from store.errors import StoreFullError
from stored_mailbox.appending import state_of, update_state
from stored_mailbox.lost_entries import check_envelopes, lost_and_given
from sync.endpoint import Endpoint
from sync.errors import SyncRefusal, SyncRefusedError
from sync.items import held_item, listed_records, record_item
from sync.items.contexts import ApplyContext, FileKey, VerifyContext
from sync.items.item_kinds import kind_of, size_of
from sync.verify import verify_items

_BATCH_ITEMS = 32  # items in one transaction, for which a source's message waits only some milliseconds
_BATCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AppliedPouch:
    """Result of applying a pouch (sync bundle) to the store.

    - `applied`: number of items that changed something
    - `is_duplicate`: True if the pouch was applied before
    - `peer_was_restored`: True if the sender's store was restored from a backup
    - `we_were_restored`: True if this store was restored from a backup
    - `unwanted`: attachments that the sender must not continue to send
    - `differs`: True if the sender begins a sync, and has other records (notes of the desk) than this store
    """

    head: PouchHead
    applied: int = 0
    is_duplicate: bool = False
    peer_was_restored: bool = False
    we_were_restored: bool = False
    unwanted: frozenset[FileKey] = frozenset()
    without_room: frozenset[tuple[bytes, bytes]] = frozenset()
    differs: bool = False

    @property
    def partials(self) -> Mapping[FileKey, int]:
        """Return how many chunks the pouch's sender already has of each attachment that we send.

        If the sender needs no more chunks of an attachment, the number is `WHOLE`.
        """
        return {(address, attachment_id): chunks for address, attachment_id, chunks in self.head.partials}


def apply_pouch(
    endpoint: Endpoint, reopen: Callable[[], Iterable[bytes]], *, is_direct: bool
) -> AppliedPouch:
    """Verify a pouch (sync bundle) that another machine sent, and apply its items to the store.

    `reopen` returns the bytes of the pouch from the start. `is_direct` is False if the pouch is a file, which
    can be weeks old. After NO_ROOM or a StoreError, the same pouch can be applied again.

    Raises:
        PouchRefusedError: no item was applied. `reason` says why.
        SyncRefusedError: the sender is not a peer (NOT_PAIRED, UNKNOWN_WORKSTATION, REVOKED_WORKSTATION), or
            the store has no room (NO_ROOM).
        StoreError: the store failed.
    """
    letterhead = endpoint.letterhead()
    pouch = PouchReader(reopen(), endpoint.identities)
    head = pouch.head
    _require_for_us(endpoint, head)
    verify_key = endpoint.verify_key_of(StrandId(head.sender), letterhead)
    _require_day(endpoint, head, is_direct=is_direct)
    with endpoint.store.writing(durable=False) as session:
        peer = peers.find_in_time(session, head.sender, endpoint.future_serial())
    if peer is None:
        raise SyncRefusedError(SyncRefusal.NOT_PAIRED)
    # On a connection, this endpoint has confirmed every pouch before this one. If the sender sent an earlier
    # pouch that is unknown here, this store was restored from a backup.
    is_early = head.after > peer.applied_serial
    we_were_restored = head.taken > peer.sent_serial
    items: Iterable[Item] = pouch.items(verify_key)
    if is_direct:
        items = list(items)
    elif is_early:
        _refuse_early(endpoint, head, items, we_were_restored=we_were_restored)
    verified = VerifyContext(endpoint, letterhead, StrandId(head.sender), keeps_entries=is_direct)
    verify_items(verified, items)
    if head.serial <= peer.applied_serial:
        return AppliedPouch(head, is_duplicate=True)
    peer_was_restored = head.taken < peer.acknowledged_serial or head.sent < peer.applied_serial
    context = ApplyContext(endpoint, head, StrandId(head.sender), verified, peer_was_restored)
    if not is_direct:  # a pouch in a file can be larger than the memory, so it is read twice
        items = PouchReader(reopen(), endpoint.identities).items(verify_key)
    applied = _apply_items(context, items, is_direct=is_direct)
    with endpoint.store.writing() as session:
        if peer_was_restored:
            peers.reset_acknowledged(session, head.sender)
            peers.mark_rollback(session, head.sender, endpoint.today())
            outbox.enqueue_all(session, head.sender)
        if we_were_restored:
            peers.advance_serial(session, head.sender, head.taken)
        else:
            outbox.acknowledge_pouch(session, head.sender, head.taken)
        # A restored endpoint reports its old serials, and the sender then sends everything again. A server
        # that was restored between two pouches of one answer still remembers the workstation's last pouch.
        # So it reports that it has applied no pouch.
        is_reset = we_were_restored and endpoint.is_server and not is_early
        if not head.more:
            outbox.exclude_peer(session, head.sender)
            record_item.finish(context, session)
        peers.set_has_more(session, head.sender, is_so=head.more or is_early or is_reset)
        if not is_early:
            peers.mark_applied(session, head.sender, 0 if is_reset else head.serial, endpoint.today())
    return AppliedPouch(
        head,
        applied,
        peer_was_restored=peer_was_restored,
        we_were_restored=we_were_restored,
        unwanted=frozenset(context.unwanted),
        without_room=frozenset(context.without_room),
        differs=listed_records.is_other_list(context),
    )


def _refuse_early(
    endpoint: Endpoint, head: PouchHead, items: Iterable[Item], *, we_were_restored: bool
) -> NoReturn:
    for _ in items:
        pass  # reading all items checks the signature
    if we_were_restored:
        with endpoint.store.writing() as session:
            peers.advance_serial(session, head.sender, head.taken)
    raise PouchRefusedError(PouchRefusal.EARLY)


def _apply_items(context: ApplyContext, items: Iterable[Item], *, is_direct: bool) -> int:
    """Apply the items of a pouch (sync bundle), and return the number of items that changed something.

    If an item is refused, the items before it stay applied.
    """
    try:
        applied = sum(_apply_batch(context, batch) for batch in _batches(items))
    except SyncRefusedError:
        with suppress(StoreFullError):  # a full disk may be the reason of the refusal
            _finish_mailboxes(context)
        raise
    _finish_mailboxes(context)
    if context.without_room and not is_direct:  # the file with this pouch is kept, and can be applied again
        raise SyncRefusedError(SyncRefusal.NO_ROOM)
    return applied


def _finish_mailboxes(context: ApplyContext) -> None:
    """Update the state of mailboxes that a pouch (sync bundle) changed, and queue entries for the next pouch.

    The sender gets the entries that it lacks or asked for, and is asked for the entries that this store lost.
    """
    store, asked, changed = context.endpoint.store, context.asked, context.changed
    strands, known = context.verified.strands, context.verified.entries
    states: list[mailboxes.StoredMailbox] = []
    queued = held_item.choose(context) + held_item.choose_lost(context)
    for address in changed | asked.keys():
        with store.reading() as session:
            checked = check_envelopes(session, address, strands, known)
        if checked is None:
            continue
        lost, given = lost_and_given(store, checked, asked=asked.get(address, ()))
        queued += ((address, digest) for digest in given + (lost if address in changed else []))
        states += [state_of(checked)] if address in changed else []
    with store.writing(durable=False) as session:
        for state in states:
            update_state(session, state)
        for address, digest in queued:
            outbox.enqueue_for(session, context.peer, outbox.OutboxKind.ENTRY, address=address, name=digest)


def _require_for_us(endpoint: Endpoint, head: PouchHead) -> None:
    if head.desk != endpoint.fingerprint:
        raise PouchRefusedError(PouchRefusal.OTHER_DESK)
    if head.receiver != endpoint.name:
        raise PouchRefusedError(PouchRefusal.NOT_FOR_US)


def _require_day(endpoint: Endpoint, head: PouchHead, *, is_direct: bool) -> None:
    """Refuse a pouch (sync bundle) whose day or serial shows that the clock of one machine is wrong.

    A pouch from a file may be weeks old, but a pouch from a connection may not.

    Raises:
        PouchRefusedError: the reason is CLOCK.
    """
    days_ahead = (head.day - endpoint.today()).days
    # If this store recorded a serial from the future, it would ignore all later pouches.
    is_future = max(head.serial, head.taken) >= endpoint.future_serial()
    if days_ahead > 1 or (is_direct and days_ahead < -1) or is_future:
        raise PouchRefusedError(PouchRefusal.CLOCK)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield the items of a pouch (sync bundle) in batches that are small enough for one transaction."""
    batch: list[Item] = []
    size = 0
    for item in items:
        kind = kind_of(item)
        if batch and (not kind.is_batched or len(batch) == _BATCH_ITEMS or size >= _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += size_of(item) if kind.is_batched else _BATCH_BYTES
    if batch:
        yield batch


def _apply_batch(context: ApplyContext, items: Sequence[Item]) -> int:
    """Apply some items of a pouch (sync bundle) in one transaction, which is not durable yet.

    If an item fails, the items before that item stay applied.
    """
    try:
        with context.endpoint.store.writing(durable=False) as session:
            outbox.exclude_peer(session, context.peer)
            return sum([kind_of(item).apply(context, session, item) for item in items])
    except StoreFullError as why:
        if len(items) == 1:
            raise SyncRefusedError(SyncRefusal.NO_ROOM) from why
        return sum(_apply_batch(context, [item]) for item in items)
