"""Exceptions of sync. Items that were not delivered stay in the outbox, and the next sync sends them."""

from enum import StrEnum
from typing import Self


class SyncRefusal(StrEnum):
    """Reason why this machine cannot sync, or cannot continue a sync."""

    UNKNOWN_WORKSTATION = "unknown"  # the letterhead does not name this workstation
    REVOKED_WORKSTATION = "revoked"  # the desk took this workstation out of use
    LETTERHEAD = "letterhead"  # the letterhead in the store must not be used: someone changed the store
    NOT_PAIRED = "not_paired"  # the server's card is missing or damaged in this workstation's store
    NO_ROOM = "no_room"  # there is no room for files: the quota is used up, or the disk is full
    OVERTAKEN = "overtaken"  # another pouch was begun for this peer, on another connection
    UNREACHABLE = "unreachable"  # no connection, a lost connection, or an answer that our server never gives


class SyncError(Exception):
    """Base class of the exceptions of the sync.

    Their messages contain no value from the store or the settings.
    """


class SyncRefusedError(SyncError):
    """This machine refuses to sync, or cannot continue a sync. `reason` says why."""

    def __init__(self, reason: SyncRefusal) -> None:
        super().__init__(reason)
        self.reason: SyncRefusal = reason


class ServerRefusedError(SyncError):
    """The server refused a pouch (sync bundle). `reason` is one of `sync.refusal_words.REFUSAL_WORDS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the server refused: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.reason,)
