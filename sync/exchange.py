"""Exchanging: pouches to and fro between a workstation and the server until neither has anything new."""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import AttachmentId, StrandId
from protocol.pouch.pouch_file import SERVER, PouchReader
from store import outbox, peers
from store.errors import StoreError
from sync.apply import AppliedPouch, apply_pouch
from sync.build import build_pouch, pack_behind
from sync.endpoint import Endpoint
from sync.errors import BrokenTransferError, SyncError, UnreachableError
from sync.pouch_stream import ahead
from sync.sync_lock import sync_lock

POUCHES_MAX: Final = 8  # in one answer: what the workstation wrote meanwhile waits for its end
_BROKEN_MAX: Final = 3  # tries of a file whose pieces do not fit, before the person hears of it
_IDLE_MAX: Final = 1000  # pouches in a row that bring nothing new: some gigabytes of what a server got again


class Carrier(Protocol):
    """A way to the server: it brings a pouch there and the answering pouches back."""

    def carry(self, pouch: bytes) -> AbstractContextManager[Iterator[bytes]]:
        """Give the server's pouches, at least one, as they come. Leaving the context hangs up.

        Raises:
            UnreachableError: the server was not reached, or the line broke off; here or between pouches.
            RefusedError: it refused, and said why; here or in the place of the first pouch.
        """
        ...


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did: `received` counts items that brought something, and there are bytes both ways.

    `rounds` counts questions. `was_set_back`: the server knew less than it had known: it was put back to an
    earlier day.
    """

    rounds: int
    received: int
    bytes_sent: int
    bytes_received: int
    was_set_back: bool


def answers(server: Endpoint, pouch: bytes) -> Iterator[bytes]:
    """Take in a workstation's pouch and yield some for it: the server's part of an exchange.

    A workstation that the letterhead names and that comes for the first time is a peer from now on. Several
    pouches go where there is more than one holds, so that the line is not idle while each is taken in. Each
    is packed when it is asked for. What refuses one behind the first ends the answer: the next question hears
    it.

    Raises:
        PouchRefusedError, SyncError, StoreError: as `take_in` has it, at the first.
    """
    with sync_lock(server):
        sender = _welcome(server, pouch)
        taken = apply_pouch(server, lambda: [pouch], is_direct=True)
        packed = build_pouch(server, sender, taken.partials, taken.here)
    yield packed.pouch
    for _ in range(POUCHES_MAX - 1):
        if not packed.has_more:
            return
        try:
            with sync_lock(server):
                server.workstation(sender, server.letterhead())  # it may have been taken out of use meanwhile
                packed = pack_behind(server, sender, packed, taken.here)
        except (SyncError, StoreError):
            return
        yield packed.pouch


def exchange(workstation: Endpoint, carrier: Carrier, on_progress: Callable[[int], None]) -> Synced:
    """Sync with the server until both sides know everything; `on_progress` hears how much is left here.

    Raises:
        PouchRefusedError, SyncError, StoreError: what was exchanged before stays; the rest goes next time.
            UnreachableError too where who answers gives an old answer again, or never comes to an end.
    """
    with sync_lock(workstation):
        talk = _Talk(workstation, carrier, on_progress)
        while talk.has_more:
            talk.ask()
        return Synced(talk.rounds, talk.received, talk.bytes_sent, talk.bytes_received, talk.was_set_back)


@dataclass(slots=True)
class _Talk:
    """One exchange, as the workstation sees it; `has_more` until both sides know everything."""

    workstation: Endpoint
    carrier: Carrier
    on_progress: Callable[[int], None]
    has_more: bool = True
    rounds: int = 0
    received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    was_set_back: bool = False
    _broken: int = 0
    _idle: int = 0
    _partials: Mapping[AttachmentId, int] = field(default_factory=dict)
    _here: Collection[AttachmentId] = ()

    def ask(self) -> None:
        """Ask once, and take each pouch of the answer in while the next one comes."""
        question = build_pouch(self.workstation, SERVER, self._partials, self._here).pouch
        self.rounds += 1
        self.bytes_sent += len(question)
        with ThreadPoolExecutor(1) as pool, self.carrier.carry(question) as pouches:
            for pouch in ahead(pool, pouches):
                self.bytes_received += len(pouch)
                try:
                    taken = apply_pouch(self.workstation, lambda: [pouch], is_direct=True)  # noqa: B023  # at once
                except BrokenTransferError:
                    self._broken += 1
                    if self._broken == _BROKEN_MAX:
                        raise
                    return
                self._took(taken)
                if taken.here or taken.were_we:
                    return  # it need not go on with these files, or with what builds upon what we lost

    def _took(self, taken: AppliedPouch) -> None:
        self._idle = 0 if taken.applied else self._idle + 1
        if taken.is_known or self._idle == _IDLE_MAX:  # a new question has a new answer, and an end
            raise UnreachableError
        self._partials, self._here = taken.partials, taken.here
        self.received += taken.applied
        self.was_set_back |= taken.was_set_back
        with self.workstation.store.reading() as session:
            left = outbox.count(session, SERVER)
        self.on_progress(left)
        self.has_more = bool(left or taken.head.more or taken.were_we)


def _welcome(server: Endpoint, pouch: bytes) -> StrandId:
    """Return who a pouch is from: a peer, from now on. Much is noted for a new one, so it proves itself.

    Raises:
        PouchRefusedError, UnknownWorkstationError, RevokedWorkstationError: it is none.
    """
    opened = PouchReader([pouch], server.identities)
    if opened.head.desk != server.fingerprint:  # else it would only hear that nobody knows it
        raise PouchRefusedError(PouchRefusal.OTHER_DESK)
    sender = StrandId(opened.head.sender)
    verify_key = server.verify_key_of(sender, server.letterhead())
    with server.store.reading() as session:
        is_known = peers.find(session, sender) is not None
    if not is_known:
        for _ in opened.items(verify_key):
            pass
        with server.store.writing() as session:
            peers.add(session, sender, b"")
            outbox.enqueue_all(session, sender)
    return sender
