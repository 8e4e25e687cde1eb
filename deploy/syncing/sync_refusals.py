"""Sentences for the operator about a refused sync: what happened, what was kept, and what to do now."""

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.errors import BusyError, DeployError
from protocol.errors import PouchRefusal, PouchRefusedError
from store.errors import PeerMissingError, StoreBusyError, StoreFullError
from sync.errors import ServerRefusedError, SyncError, SyncRefusal, SyncRefusedError
from sync.refusal_words import BUSY, STORE, TOO_LARGE

_NOTHING = "No part of it was applied"
_NOT_EXCHANGED = "Nothing was exchanged"
_NEXT_TIME = "Nothing is lost: what did not arrive is sent next time."

# Refusals of a pouch by this machine. The pouch was a file or a server's answer.
_POUCH: dict[PouchRefusal, str] = {
    PouchRefusal.UNREADABLE: (
        f"This pouch is damaged, cut off, or made for another machine. {_NOTHING}: copy it again, or make it "
        "again."
    ),
    PouchRefusal.NEWER: (
        f"This pouch was made by a newer version of the program. {_NOTHING}: bring this machine to the same "
        "version first."
    ),
    PouchRefusal.MALFORMED: f"This file is not a pouch of this program. {_NOTHING}: tell the desk.",
    PouchRefusal.FORGED: (
        f"This pouch was not made by the machine that it names, or an item in it was changed. {_NOTHING}: "
        "keep the file, and tell the desk."
    ),
    PouchRefusal.OTHER_DESK: f"This pouch is another desk's. {_NOTHING}.",
    PouchRefusal.NOT_FOR_US: f"This pouch is for another machine, or was made on this one. {_NOTHING}.",
    PouchRefusal.EARLY: f"An earlier pouch is missing. {_NOTHING}: sync again.",
    PouchRefusal.CLOCK: (
        "The day in this pouch and the day of this machine are too far apart: one of the two clocks is "
        f"wrong. {_NOTHING}: set the clock right and try again."
    ),
    PouchRefusal.FORK: (
        "This machine has another entry at the place of one in this pouch: one keyring is in use on two "
        f"machines. {_NOTHING}: stop using one of them, and tell the desk."
    ),
}
_SYNC: dict[SyncRefusal, str] = {
    SyncRefusal.UNKNOWN_WORKSTATION: (
        f"The desk's letterhead does not name the workstation that made this. {_NOTHING}: bring its pairing "
        "file here, and run: steunpunt server admit FILE"
    ),
    SyncRefusal.REVOKED_WORKSTATION: (
        f"The desk took the workstation that made this out of use. {_NOTHING}: tell the desk."
    ),
    SyncRefusal.LETTERHEAD: (
        "The letterhead in the store must not be used: it is missing, or someone changed the store. Nothing "
        "was applied: keep a copy of everything as it is, and tell the desk by telephone."
    ),
    SyncRefusal.NOT_PAIRED: (
        "These two machines do not know each other: run steunpunt workstation pair, and then steunpunt "
        "server admit."
    ),
    SyncRefusal.NO_ROOM: (
        "There is no room for files left on this machine. Everything received before is kept: make room, and "
        "run the same command again."
    ),
    SyncRefusal.OVERTAKEN: (
        "A sync with the same machine began while this was written. Nothing is lost: run the same command "
        "again."
    ),
    SyncRefusal.UNREACHABLE: (
        f"The server could not be reached, or the connection was lost. {_NEXT_TIME} Check the network (and "
        "Tor), and try again."
    ),
}

# Refusals by the server, for the person at the workstation, by the word that the server sent.
_SERVER: dict[str, str] = {
    "unknown": (
        f"The server does not know this workstation. {_NOT_EXCHANGED}: bring its pairing file to the server, "
        "and run there: steunpunt server admit FILE"
    ),
    "revoked": (
        f"The desk took this workstation out of use, so the server refuses it. {_NOT_EXCHANGED}: use another "
        "workstation."
    ),
    "letterhead": (
        "The letterhead in the server's store must not be used: someone changed the store. "
        f"{_NOT_EXCHANGED}: call the operator."
    ),
    "no_room": (
        "The server has no room left: the limit for files is reached, or its disk is full. "
        f"{_NEXT_TIME} Call the operator: sources can send no files, and perhaps no text."
    ),
    BUSY: f"The server is busy. {_NEXT_TIME} Try again in a minute.",
    STORE: f"There is a fault in the server's store. {_NEXT_TIME} Call the operator.",
    TOO_LARGE: (
        "The server accepts no pouch of this size, because its program is older than this one. "
        f"{_NOT_EXCHANGED}: call the operator."
    ),
    PouchRefusal.UNREADABLE: (
        "The server cannot open what this workstation sends: the card here is another server's, or the "
        f"server has a new key. {_NOT_EXCHANGED}: fetch a new card file, and run steunpunt "
        "workstation pair again."
    ),
    PouchRefusal.NEWER: (
        f"This workstation's program is newer than the server's. {_NOT_EXCHANGED}: call the operator."
    ),
    PouchRefusal.OTHER_DESK: f"This server is another desk's. {_NOT_EXCHANGED}: pair with your own server.",
    PouchRefusal.NOT_FOR_US: f"The server expected another machine's pouch. {_NOT_EXCHANGED}: pair again.",
    PouchRefusal.CLOCK: (
        "The clocks of the server and of this workstation are more than a day apart. "
        f"{_NOT_EXCHANGED}: set the wrong clock right, and sync again."
    ),
    PouchRefusal.FORGED: (
        "For the server, something that this workstation sent fails verification. "
        f"{_NOT_EXCHANGED}: keep a copy of everything, and call the operator."
    ),
    PouchRefusal.FORK: (
        "The server has another entry at the place of one from this workstation: its keyring is in use on "
        f"two machines, or the workstation was restored to an earlier day. {_NOT_EXCHANGED}: rebuild it "
        "(steunpunt workstation rebuild)."
    ),
}
_ANSWER_FORGED = (
    "The machine that answered is not the server whose card this workstation has. Nothing was applied: check "
    "the address, and compare the card."
)
_OTHERWISE = (
    f"The server and this workstation do not understand each other. {_NOT_EXCHANGED}: call the operator."
)


@contextmanager
def refusals_as_sentences(*, from_server: bool = False) -> Iterator[None]:
    """Turn a refusal to sync in the `with` block into a DeployError that explains the refusal.

    `from_server` is True if the block reads a server's answer, and False if it reads a file.

    Raises:
        DeployError: the block raised a refusal.
    """
    try:
        yield
    except (SyncError, PouchRefusedError, PeerMissingError, StoreBusyError, StoreFullError) as why:
        kind = BusyError if _may_succeed_later(why) else DeployError
        raise kind(_sentence(why, from_server=from_server)) from why


def _may_succeed_later(why: Exception) -> bool:
    match why:
        case ServerRefusedError():
            return why.reason == BUSY
        case SyncRefusedError():
            return why.reason in {SyncRefusal.UNREACHABLE, SyncRefusal.OVERTAKEN}
        case _:
            return isinstance(why, StoreBusyError)


def _sentence(why: Exception, *, from_server: bool) -> str:
    match why:
        case ServerRefusedError():
            return _SERVER.get(why.reason, _OTHERWISE)
        case PouchRefusedError():
            is_impostor = from_server and why.reason is PouchRefusal.FORGED
            return _ANSWER_FORGED if is_impostor else _POUCH[why.reason]
        case SyncRefusedError():
            return _SYNC[why.reason]
        case PeerMissingError():
            return _SYNC[SyncRefusal.NOT_PAIRED]
        case StoreBusyError():
            return "The store is busy. Everything received is kept: run the same command again in a minute."
        case _:
            return _SYNC[SyncRefusal.NO_ROOM]
