"""Exceptions of `protocol`: one class for each kind of thing that we can refuse, with an enum of reasons."""

from enum import StrEnum

from crypto.errors import CryptoError, ReasonError, UnreadableError


class LetterheadRefusal(StrEnum):
    """Reason why we refuse a letterhead (the desk's signed public statement)."""

    FORGED = "forged"
    MALFORMED = "malformed"
    OLDER = "older"
    OTHER_PARAMETERS = "other_parameters"


class LetterheadRefusedError(ReasonError):
    """A letterhead (the desk's signed public statement) must not be used. `reason` says why."""

    subject = "letterhead"
    reason: LetterheadRefusal


class KeyringRefusal(StrEnum):
    """Reason why we refuse a keyring (the file with the desk's secret keys)."""

    UNREADABLE = "unreadable"  # wrong passphrase or damaged: no one can tell these apart
    OTHER_DESK = "other_desk"  # the keyring was decrypted, but its desk key is not the pinned key


class KeyringRefusedError(ReasonError):
    """A keyring (the file with the desk's secret keys) must not be used. `reason` says why."""

    subject = "keyring"
    reason: KeyringRefusal


class PouchRefusal(StrEnum):
    """Reason why we refuse a pouch (sync bundle)."""

    UNREADABLE = "unreadable"  # damaged, cut off, or not for these keys: no one can tell these apart
    NEWER = "newer"  # in a later version of the format
    MALFORMED = "malformed"
    FORGED = "forged"  # not signed by its sender, or the pouch contains a false item
    OTHER_DESK = "other_desk"
    NOT_FOR_US = "not_for_us"  # from or to someone else
    EARLY = "early"  # an earlier pouch is missing
    CLOCK = "clock"  # its day and our day are too far apart
    FORK = "fork"  # the store has another entry with the same number in a workstation's strand


class PouchRefusedError(ReasonError):
    """A pouch (sync bundle) is refused, and none of its items was applied. `reason` says why."""

    subject = "pouch"
    reason: PouchRefusal


class NewerVersionError(UnreadableError):
    """A later version of our code wrote this content.

    The page must say so, and show nothing of the content.
    """

    def __init__(self) -> None:
        CryptoError.__init__(self, "this was written by a newer version: update first")
