"""Words with which a server refuses a pouch (sync bundle), on every kind of connection.

See docs/protocol.md, "Sync".
"""

from typing import Final

from protocol.errors import PouchRefusal, PouchRefusedError
from store.errors import StoreBusyError, StoreError, StoreFullError, StoreUnreachableError
from sync.errors import SyncError, SyncRefusal, SyncRefusedError

BUSY: Final = "busy"
STORE: Final = "store"
TOO_LARGE: Final = "too_large"
_OWN: Final = {SyncRefusal.NOT_PAIRED, SyncRefusal.OVERTAKEN, SyncRefusal.UNREACHABLE}  # never sent
_OF_SYNC: Final = frozenset(SyncRefusal) - _OWN
REFUSAL_WORDS: Final = frozenset({*PouchRefusal, *_OF_SYNC, BUSY, STORE, TOO_LARGE})

Refusal = PouchRefusedError | SyncError | StoreError


def refusal_word(why: Refusal) -> str:
    """Return the word that tells a workstation why the server refuses its pouch (sync bundle)."""
    if isinstance(why, PouchRefusedError) or (isinstance(why, SyncRefusedError) and why.reason in _OF_SYNC):
        return why.reason.value
    if isinstance(why, StoreFullError):
        return SyncRefusal.NO_ROOM.value
    return BUSY if isinstance(why, StoreBusyError | StoreUnreachableError) else STORE
