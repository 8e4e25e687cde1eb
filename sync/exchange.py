"""Exchanging: pouches to and fro between a workstation and the server until neither has anything new."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from crypto.errors import PouchRefusal, PouchRefusedError
from crypto.names import AttachmentId, StrandId
from crypto.pouch import SERVER, Pouch
from store import peers
from store import undelivered as outgoing
from sync.errors import BrokenTransferError, UnreachableError
from sync.packing import pack
from sync.side import Side
from sync.taking_in import take_in
from sync.turn import alone

_BROKEN_MAX = 3  # tries of a file whose pieces do not fit, before the person hears of it
_IDLE_MAX = 1000  # pouches in a row that bring nothing new: some gigabytes of what a server was given again


class Carrier(Protocol):
    """A way to the server: it brings a pouch there and the answering pouch back."""

    def carry(self, pouch: bytes) -> bytes:
        """Return the server's pouch.

        Raises:
            UnreachableError: the server was not reached, or the line broke off.
            RefusedError: it refused, and said why.
        """
        ...


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did: `received` counts items that brought something, and there are bytes both ways.

    `was_set_back`: the server knew less than it had known: it was put back to an earlier day.
    """

    rounds: int
    received: int
    bytes_sent: int
    bytes_received: int
    was_set_back: bool


def answer(server: Side, pouch: bytes) -> bytes:
    """Take in a workstation's pouch and return one for it: the server's part of an exchange.

    A workstation that the letterhead names and that comes for the first time is a peer from now on.

    Raises:
        PouchRefusedError, SyncError, StoreError: as `take_in` has it.
    """
    with alone(server):
        sender = _welcome(server, pouch)
        taken = take_in(server, lambda: [pouch], is_direct=True)
        return pack(server, sender, taken.partials, taken.here)


def exchange(workstation: Side, carrier: Carrier, on_progress: Callable[[int], None]) -> Synced:
    """Sync with the server until both sides know everything; `on_progress` hears how much is left here.

    Raises:
        PouchRefusedError, SyncError, StoreError: what was exchanged before stays; the rest goes next time.
            UnreachableError too where who answers gives an old answer again, or never comes to an end.
    """
    rounds = received = bytes_sent = bytes_received = broken = idle = 0
    was_set_back = False
    partials: Mapping[AttachmentId, int] = {}
    here: Collection[AttachmentId] = ()
    with alone(workstation):
        while True:
            packed = pack(workstation, SERVER, partials, here)
            brought = carrier.carry(packed)
            rounds += 1
            bytes_sent += len(packed)
            bytes_received += len(brought)
            try:
                taken = take_in(workstation, lambda: [brought], is_direct=True)  # noqa: B023  # read at once
            except BrokenTransferError:
                broken += 1
                if broken == _BROKEN_MAX:
                    raise
                continue
            idle = 0 if taken.applied else idle + 1
            if taken.is_known or idle == _IDLE_MAX:  # a new question has a new answer, and an end
                raise UnreachableError
            partials, here = taken.partials, taken.here
            received += taken.applied
            was_set_back |= taken.was_set_back
            with workstation.store.reading() as session:
                left = outgoing.count(session, SERVER)
            on_progress(left)
            if not (left or taken.head.more or taken.were_we):
                return Synced(rounds, received, bytes_sent, bytes_received, was_set_back)


def _welcome(server: Side, pouch: bytes) -> StrandId:
    """Return who a pouch is from: a peer, from now on. Much is noted for a new one, so it proves itself.

    Raises:
        PouchRefusedError, UnknownWorkstationError, RevokedWorkstationError: it is none.
    """
    opened = Pouch([pouch], server.identities)
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
            outgoing.note_all(session, sender)
    return sender
