"""Why a server refuses, in one word: what it says to a workstation, whichever way they talk."""

from typing import Final

from protocol.errors import PouchRefusal, PouchRefusedError
from store.errors import StoreBusyError, StoreError
from sync.errors import (
    BrokenTransferError,
    LetterheadUnsoundError,
    NoRoomError,
    RevokedWorkstationError,
    SyncError,
    UnknownWorkstationError,
)

BUSY: Final = "busy"
STORE: Final = "store"
TOO_LARGE: Final = "too_large"
_OF_SYNC: Final[dict[type[SyncError], str]] = {
    UnknownWorkstationError: "unknown",
    RevokedWorkstationError: "revoked",
    NoRoomError: "no_room",
    BrokenTransferError: "broken",
    LetterheadUnsoundError: "letterhead",
}
REASONS: Final = frozenset({*PouchRefusal, *_OF_SYNC.values(), BUSY, STORE, TOO_LARGE})

Refusal = PouchRefusedError | SyncError | StoreError


def reason_of(why: Refusal) -> str:
    """Return the word for a refusal."""
    match why:
        case PouchRefusedError():
            return why.reason.value
        case SyncError():
            return _OF_SYNC.get(type(why), STORE)
        case StoreBusyError():
            return BUSY
        case _:
            return STORE
