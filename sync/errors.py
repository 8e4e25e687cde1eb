"""Exceptions of sync. OutboxKind was not delivered stays in the outbox, and is sent by the next sync."""

from enum import StrEnum
from typing import Self


class SyncRefusal(StrEnum):
    """Reason why this endpoint cannot sync, or cannot continue."""

    UNKNOWN_WORKSTATION = "unknown"  # no letterhead of the desk names it
    REVOKED_WORKSTATION = "revoked"  # the desk took it out of use
    LETTERHEAD = "letterhead"  # the letterhead in the store must not be used: someone changed the store
    NOT_PAIRED = "not_paired"  # this workstation was never paired with a server
    NO_ROOM = "no_room"  # for files: the quota is used up, or the disk is full
    BROKEN_TRANSFER = "broken"  # a chunk does not follow what is here: send it again from where we say
    OVERTAKEN = "overtaken"  # another pouch was begun for this peer, on another connection
    UNREACHABLE = "unreachable"  # no connection, a lost connection, or an answer that our server never gives


class SyncError(Exception):
    """Base class of the exceptions of sync. No message holds a value."""


class SyncRefusedError(SyncError):
    """Refusal by this endpoint."""

    def __init__(self, reason: SyncRefusal) -> None:
        super().__init__(reason)
        self.reason: SyncRefusal = reason


class ServerRefusedError(SyncError):
    """Refusal by the server. `reason` is one of `sync.refusal_words.REFUSAL_WORDS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the server refused: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.reason,)
