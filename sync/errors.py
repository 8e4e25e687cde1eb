"""What syncing can refuse, one class per thing a caller does differently. No message holds a value."""

from typing import Self


class SyncError(Exception):
    """Base of every refusal of this package. What was not carried stays where it is, and goes next time."""


class UnknownWorkstationError(SyncError):
    """No letterhead of the desk names this workstation."""

    def __init__(self) -> None:
        super().__init__("the desk's letterhead does not name this workstation")


class RevokedWorkstationError(SyncError):
    """The desk took this workstation out of use."""

    def __init__(self) -> None:
        super().__init__("the desk took this workstation out of use")


class LetterheadUnsoundError(SyncError):
    """The letterhead in the server's store is not one that may be used: somebody changed the store."""

    def __init__(self) -> None:
        super().__init__("the letterhead in the store must not be used")


class NotPairedError(SyncError):
    """This workstation does not know the server: it was never paired."""

    def __init__(self) -> None:
        super().__init__("this workstation is not paired with a server")


class NoRoomError(SyncError):
    """There is no room for files here, or the disk is full."""

    def __init__(self) -> None:
        super().__init__("there is no room left")


class BrokenTransferError(SyncError):
    """A file's pieces do not follow upon what is here: send it from where we say, or from the start."""

    def __init__(self) -> None:
        super().__init__("a file did not come whole")


class OvertakenError(SyncError):
    """For this peer something else was packed meanwhile: it got another question, on another line."""

    def __init__(self) -> None:
        super().__init__("something else was packed meanwhile")


class UnreachableError(SyncError):
    """The other side could not be reached, or the line broke off. What it did not say it has, goes again."""

    def __init__(self) -> None:
        super().__init__("the other side could not be reached")


class RefusedError(SyncError):
    """The server refused, and said why with one word of `sync.reasons`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the server refused: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.reason,)
