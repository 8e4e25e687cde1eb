"""What syncing refuses, as whole sentences: what happened, what was kept, and what to do now."""

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.errors import TwoMachinesError
from protocol.errors import PouchRefusal, PouchRefusedError
from store.errors import PeerMissingError, StoreBusyError, StoreFullError
from sync.errors import (
    BrokenTransferError,
    LetterheadUnsoundError,
    NoRoomError,
    NotPairedError,
    OvertakenError,
    RefusedError,
    RevokedWorkstationError,
    SyncError,
    UnknownWorkstationError,
    UnreachableError,
)
from sync.reasons import BUSY, STORE, TOO_LARGE

_NOTHING = "Nothing of it was taken in"
_NEXT_TIME = "Nothing is lost: what did not arrive goes next time."

# A pouch that was brought here, as a file or as a server's answer.
_POUCH: dict[PouchRefusal, str] = {
    PouchRefusal.UNREADABLE: (
        f"This pouch is damaged, cut off, or sealed to somebody else. {_NOTHING}: copy it again, or have it "
        "made again."
    ),
    PouchRefusal.NEWER: (
        f"This pouch was made by a newer version of the program. {_NOTHING}: bring this machine to the same "
        "version first."
    ),
    PouchRefusal.MALFORMED: f"This is no pouch that our program makes. {_NOTHING}: tell the desk.",
    PouchRefusal.FORGED: (
        f"This pouch was not made by who it says, or something in it is not what it says. {_NOTHING}: "
        "keep it, "
        "and tell the desk."
    ),
    PouchRefusal.OTHER_DESK: f"This pouch is another desk's. {_NOTHING}.",
    PouchRefusal.NOT_FOR_US: f"This pouch is not for this machine, or comes from here. {_NOTHING}.",
    PouchRefusal.EARLY: f"A pouch before this one is missing. {_NOTHING}: sync again.",
    PouchRefusal.CLOCK: (
        f"The day in this pouch and the day of this machine are too far apart: one of the two clocks is "
        "wrong. "
        f"{_NOTHING}: set the clock right and try again."
    ),
    PouchRefusal.FORK: (
        f"Another entry stands in the place of one in this pouch: one keyring is in use on two machines. "
        f"{_NOTHING}: use one of them no longer, and tell the desk."
    ),
}
_SYNC: dict[type[SyncError], str] = {
    UnknownWorkstationError: (
        f"The desk's letterhead does not name the workstation that made this. {_NOTHING}: bring its pairing "
        "file here, and run: steunpunt admit FILE"
    ),
    RevokedWorkstationError: (
        f"The desk took the workstation that made this out of use. {_NOTHING}: tell the desk."
    ),
    LetterheadUnsoundError: (
        "The letterhead in the store must not be used: it is missing, or somebody changed the store. Nothing "
        "was taken in: keep a copy of everything as it is, and tell the desk by telephone."
    ),
    NotPairedError: "These two machines do not know each other: run steunpunt pair, and then steunpunt "
    "admit.",
    NoRoomError: (
        "There is no room for files left on this machine. What came in before stays: make room, and run the "
        "same command again."
    ),
    BrokenTransferError: (
        "A file did not come whole. What came in before stays: run the same command again, and tell the "
        "operator if this comes back."
    ),
    OvertakenError: (
        "A sync with the same machine began while this was written. Nothing is lost: run the same command "
        "again."
    ),
    UnreachableError: (
        f"The server could not be reached, or the line broke off. {_NEXT_TIME} See whether the network (and "
        "Tor) works, and try again."
    ),
}

# A word that the server answered with: to whoever sits at the workstation.
_SERVER: dict[str, str] = {
    "unknown": (
        "The server does not know this workstation. Nothing was exchanged: bring its pairing file to the "
        "server, and run there: steunpunt admit FILE"
    ),
    "revoked": (
        "The desk took this workstation out of use, so the server refuses it. Nothing was exchanged: use "
        "another workstation."
    ),
    "letterhead": (
        "The letterhead in the server's store must not be used: somebody changed the store. Nothing was "
        "exchanged: call the operator."
    ),
    "no_room": (
        f"The server has no room for files left. {_NEXT_TIME} Call the operator: text still comes in from "
        "sources, files do not."
    ),
    "broken": f"A file did not arrive whole at the server. {_NEXT_TIME} Sync again.",
    BUSY: f"The server is busy. {_NEXT_TIME} Try again in a minute.",
    STORE: f"Something is wrong with the server's store. {_NEXT_TIME} Call the operator.",
    TOO_LARGE: "The server takes no pouch that large: its program is older than this one. Call the operator.",
    PouchRefusal.UNREADABLE: (
        "The server cannot open what this workstation sends. Nothing was exchanged: the card here is another "
        "server's, or its key was made anew. Fetch a new card file, and run steunpunt pair again."
    ),
    PouchRefusal.NEWER: (
        "This workstation's program is newer than the server's. Nothing was exchanged: call the operator."
    ),
    PouchRefusal.OTHER_DESK: "This server is another desk's. Nothing was exchanged: pair with your own.",
    PouchRefusal.NOT_FOR_US: "The server expected another one's pouch. Nothing was exchanged: pair again.",
    PouchRefusal.CLOCK: (
        "The clocks of the server and of this workstation are more than a day apart. Nothing was exchanged: "
        "set the one that is wrong right, and sync again."
    ),
    PouchRefusal.FORGED: (
        "The server finds something that this workstation sent not to be what it says. Nothing was "
        "exchanged: "
        "keep a copy of everything, and call the operator."
    ),
    PouchRefusal.FORK: (
        "The server has another entry in the place of one of this workstation's: its keyring is in use "
        "on two "
        "machines, or the workstation was put back to an earlier day. Nothing was exchanged: rebuild it "
        "(steunpunt rebuild)."
    ),
}
_ANSWER_FORGED = (
    "What answered is not the server whose card this workstation has. Nothing was taken in: see whether the "
    "address is right, and compare the card."
)
_OTHERWISE = (
    "The server and this workstation do not understand each other. Nothing was exchanged: call the operator."
)


@contextmanager
def refusals_as_sentences(*, at_line: bool = False) -> Iterator[None]:
    """Turn every refusal of syncing into a sentence; `at_line`: a pouch here is a server's answer.

    Raises:
        TwoMachinesError: with the sentence.
    """
    try:
        yield
    except PeerMissingError as why:
        raise TwoMachinesError(_SYNC[NotPairedError]) from why
    except (SyncError, PouchRefusedError, StoreBusyError, StoreFullError) as why:
        raise TwoMachinesError(refusal_sentence(why, at_line=at_line)) from why


def refusal_sentence(
    why: SyncError | PouchRefusedError | StoreBusyError | StoreFullError, *, at_line: bool
) -> str:
    """Return the sentence about a refusal."""
    match why:
        case RefusedError():
            return _SERVER.get(why.reason, _OTHERWISE)
        case PouchRefusedError():
            is_impostor = at_line and why.reason is PouchRefusal.FORGED
            return _ANSWER_FORGED if is_impostor else _POUCH[why.reason]
        case SyncError():
            return _SYNC[type(why)]
        case StoreBusyError():
            return "The store is busy. What came in before stays: run the same command again in a minute."
        case _:
            return _SYNC[NoRoomError]
