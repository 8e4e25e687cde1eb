"""Every refusal of `protocol`, one class per thing a caller does differently."""

from enum import StrEnum
from typing import Self

from crypto.errors import CryptoError


class LetterheadRefusal(StrEnum):
    """Why a letterhead was refused."""

    FORGED = "forged"
    MALFORMED = "malformed"
    OLDER = "older"
    OTHER_PARAMETERS = "other_parameters"


class LetterheadRefusedError(CryptoError):
    """A letterhead must not be used; `reason` says why."""

    def __init__(self, reason: LetterheadRefusal) -> None:
        super().__init__(f"this letterhead is refused: {reason}")
        self.reason: LetterheadRefusal = reason

    def __reduce__(self) -> tuple[type[Self], tuple[LetterheadRefusal]]:
        return type(self), (self.reason,)


class KeyringRefusal(StrEnum):
    """Why a keyring was refused."""

    UNREADABLE = "unreadable"  # wrong passphrase or damaged: nobody can tell these apart
    OTHER_DESK = "other_desk"  # it opened, but its desk key is not the pinned one
    OLDER = "older"


class KeyringRefusedError(CryptoError):
    """A keyring must not be used; `reason` says why."""

    def __init__(self, reason: KeyringRefusal) -> None:
        super().__init__(f"this keyring is refused: {reason}")
        self.reason: KeyringRefusal = reason

    def __reduce__(self) -> tuple[type[Self], tuple[KeyringRefusal]]:
        return type(self), (self.reason,)


class PouchRefusal(StrEnum):
    """Why a pouch was refused."""

    UNREADABLE = "unreadable"  # damaged, cut off, or not for these keys: nobody can tell these apart
    NEWER = "newer"  # of a later version of the format
    MALFORMED = "malformed"
    FORGED = "forged"  # not signed by who it says it is from, or something in it is not what it says
    OTHER_DESK = "other_desk"
    NOT_FOR_US = "not_for_us"  # from or to somebody else
    EARLY = "early"  # one before it is missing
    CLOCK = "clock"  # its day and ours are too far apart
    FORK = "fork"  # another entry stands in the same place of a workstation's strand


class PouchRefusedError(CryptoError):
    """A pouch must not be taken in, and nothing of it was; `reason` says why."""

    def __init__(self, reason: PouchRefusal) -> None:
        super().__init__(f"this pouch is refused: {reason}")
        self.reason: PouchRefusal = reason

    def __reduce__(self) -> tuple[type[Self], tuple[PouchRefusal]]:
        return type(self), (self.reason,)
