"""Exceptions of `protocol`: one class for each kind of thing that is refused, with an enum of reasons."""

from enum import StrEnum

from crypto.errors import ReasonError


class LetterheadRefusal(StrEnum):
    """Reason why a letterhead was refused."""

    FORGED = "forged"
    MALFORMED = "malformed"
    OLDER = "older"
    OTHER_PARAMETERS = "other_parameters"


class LetterheadRefusedError(ReasonError):
    """A letterhead must not be used. `reason` says why."""

    subject = "letterhead"
    reason: LetterheadRefusal


class KeyringRefusal(StrEnum):
    """Reason why a keyring was refused."""

    UNREADABLE = "unreadable"  # wrong passphrase or damaged: no one can tell these apart
    OTHER_DESK = "other_desk"  # it opened, but its desk key is not the pinned one
    OLDER = "older"


class KeyringRefusedError(ReasonError):
    """A keyring must not be used. `reason` says why."""

    subject = "keyring"
    reason: KeyringRefusal


class PouchRefusal(StrEnum):
    """Reason why a pouch was refused."""

    UNREADABLE = "unreadable"  # damaged, cut off, or not for these keys: no one can tell these apart
    NEWER = "newer"  # of a later version of the format
    MALFORMED = "malformed"
    FORGED = "forged"  # not signed by its sender, or an item in it is false
    OTHER_DESK = "other_desk"
    NOT_FOR_US = "not_for_us"  # from or to someone else
    EARLY = "early"  # an earlier pouch is missing
    CLOCK = "clock"  # its day and our day are too far apart
    FORK = "fork"  # another entry has the same number in a workstation's strand


class PouchRefusedError(ReasonError):
    """A pouch must not be applied, and no item of the pouch was applied. `reason` says why."""

    subject = "pouch"
    reason: PouchRefusal
