"""Exchange of pouches (sync bundles) between a workstation and its server, until both have everything."""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import StrandId
from protocol.pouch.pouch_file import SERVER, PouchReader
from store import entries, outbox, peers
from store.errors import StoreError
from sync.apply import AppliedPouch, apply_pouch
from sync.build import build_pouch
from sync.endpoint import Endpoint
from sync.errors import SyncError, SyncRefusal, SyncRefusedError
from sync.items.contexts import FileKey
from sync.pouch_stream import prefetch
from sync.sync_lock import sync_lock

POUCHES_MAX: Final = 8  # pouches in one answer: newer entries of the workstation wait until the answer ends
_IDLE_MAX: Final = 1000  # pouches in a row without a change: a restored server sends some gigabytes again


class Carrier(Protocol):
    """Interface of a connection that delivers a pouch to the server and returns the pouches of the answer.

    A pouch is a sync bundle.
    """

    def carry(self, pouch: bytes) -> AbstractContextManager[Iterator[bytes]]:
        """Send a pouch (sync bundle) to the server, and return the pouches of its answer as they arrive.

        The answer has at least one pouch. Leaving the context closes the connection.

        Raises:
            SyncRefusedError: UNREACHABLE: the connection failed, before or during the answer.
            ServerRefusedError: the server sent a reason to refuse, instead of pouches.
        """


@dataclass(slots=True)
class SyncResult:
    """Result of one sync of a workstation. `received` counts the received items that changed something."""

    received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


def answer_pouches(server: Endpoint, pouch: bytes) -> Iterator[bytes]:
    """Apply a workstation's pouch (sync bundle) on the server, and yield the pouches of the answer.

    Each pouch of the answer is built when the caller asks for it. If a later pouch cannot be built, the
    answer ends without an exception.

    Raises:
        PouchRefusedError: the workstation's pouch was refused, and no item was applied.
        SyncError: the workstation may not sync, or the sync cannot continue.
        StoreError: the store failed.
    """
    with sync_lock(server):
        sender = _identify_sender(server, pouch)
        applied = apply_pouch(server, lambda: [pouch], is_direct=True)
        built = build_pouch(server, sender, applied.partials, applied.unwanted, tells_held=applied.differs)
    yield built.pouch
    for _ in range(POUCHES_MAX - 1):
        if not built.has_more:
            return
        try:
            with sync_lock(server):
                server.workstation(sender, server.letterhead())  # it may have been revoked since
                built = build_pouch(
                    server, sender, built.chunks_at_peer, applied.unwanted, after=built.serial
                )
        except (SyncError, StoreError):
            return
        yield built.pouch


def exchange(workstation: Endpoint, carrier: Carrier, on_progress: Callable[[int], None]) -> SyncResult:
    """Sync a workstation with its server until both machines have all items.

    `on_progress` receives the number of items that must still be sent to the server. After a failure, the
    next sync sends the rest.

    Raises:
        PouchRefusedError: a pouch of the server was refused.
        SyncError: the server or this workstation refused to sync, or the connection failed.
        StoreError: the store failed.
    """
    with sync_lock(workstation):
        rounds = _Rounds(workstation, carrier, on_progress)
        while rounds.has_more:
            rounds.ask()
        if rounds.without_room:
            _ask_again(workstation, rounds.without_room)
            raise SyncRefusedError(SyncRefusal.NO_ROOM)
        return rounds.result


@dataclass(slots=True)
class _Rounds:
    """State of one sync on the workstation, which sends a pouch (sync bundle) in each round.

    `has_more` is True until both machines have all items. `without_room` has the entries (address and entry
    id) whose files found no room.
    """

    workstation: Endpoint
    carrier: Carrier
    on_progress: Callable[[int], None]
    has_more: bool = True
    without_room: set[tuple[bytes, bytes]] = field(default_factory=set)
    result: SyncResult = field(default_factory=SyncResult)
    _idle: int = 0
    _partials: Mapping[FileKey, int] = field(default_factory=dict)
    _unwanted: Collection[FileKey] = ()

    def ask(self) -> None:
        """Send one pouch to the server, and apply each pouch of the answer while the next one arrives.

        A pouch is a sync bundle.
        """
        question = build_pouch(
            self.workstation, SERVER, self._partials, self._unwanted, tells_held=not self.result.bytes_sent
        )
        self.result.bytes_sent += len(question.pouch)
        with ThreadPoolExecutor(1) as pool, self.carrier.carry(question.pouch) as pouches:
            for pouch in prefetch(pool, pouches):
                self.result.bytes_received += len(pouch)
                applied = apply_pouch(self.workstation, lambda: [pouch], is_direct=True)  # noqa: B023  # at once
                self._note(applied)
                if applied.unwanted or applied.we_were_restored:
                    return  # later pouches continue these files, or need items that this store has lost

    def _note(self, applied: AppliedPouch) -> None:
        self._idle = 0 if applied.applied else self._idle + 1
        if applied.is_duplicate or self._idle == _IDLE_MAX:  # our own server repeats nothing, and ends
            raise SyncRefusedError(SyncRefusal.UNREACHABLE)
        self._partials, self._unwanted = applied.partials, applied.unwanted
        self.without_room |= applied.without_room
        self.result.received += applied.applied
        with self.workstation.store.reading() as session:
            left = outbox.count(session, SERVER)
        self.on_progress(left)
        self.has_more = bool(left or applied.head.more or applied.we_were_restored)


def _ask_again(workstation: Endpoint, without_room: Collection[tuple[bytes, bytes]]) -> None:
    """Let the next sync ask the server for entries whose files found no room at the workstation."""
    with workstation.store.writing() as session:
        for address, entry_id in without_room:
            for row in entries.find_by_entry_id(session, address, entry_id):
                kind = outbox.OutboxKind.ENTRY
                outbox.enqueue_for(session, SERVER, kind, address=address, name=row.digest)


def _identify_sender(server: Endpoint, pouch: bytes) -> StrandId:
    """Return the workstation that sent a pouch (sync bundle) to the server.

    A new workstation becomes a peer, and all items of the store are queued for it.

    Raises:
        PouchRefusedError: the pouch is for another desk, or its signature is wrong.
        SyncRefusedError: the sender is not a workstation of the desk, or is not in use any more.
    """
    reader = PouchReader([pouch], server.identities)
    if reader.head.desk != server.fingerprint:  # otherwise the reason would be "unknown workstation"
        raise PouchRefusedError(PouchRefusal.OTHER_DESK)
    sender = StrandId(reader.head.sender)
    key = server.workstation(sender, server.letterhead())
    with server.store.reading() as session:
        is_known = peers.find(session, sender) is not None
    if key.until is not None and not is_known:  # the operator removed it, on its last day
        raise SyncRefusedError(SyncRefusal.REVOKED_WORKSTATION)
    if not (is_known and reader.head.taken):
        # Verify the signature before all items are queued.
        for _ in reader.items(key.verify_key):
            pass
        with server.store.writing() as session:
            peers.add(session, sender, b"")
            outbox.enqueue_all(session, sender)
    return sender
