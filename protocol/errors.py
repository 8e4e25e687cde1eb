"""Exceptions of `protocol`: one class for each kind of thing that can be refused, with an enum of reasons."""

from enum import StrEnum

from crypto.errors import MalformedError, ReasonError


class NewerRecordError(MalformedError):
    """A later version of the program wrote this record. This version cannot read the record."""


class LetterheadRefusal(StrEnum):
    """Reason why a letterhead was refused."""

    FORGED = "forged"
    MALFORMED = "malformed"
    OLDER = "older"
    OTHER_PARAMETERS = "other_parameters"


class LetterheadRefusedError(ReasonError):
    """This letterhead must not be used. `reason` says why."""

    subject = "letterhead"
    reason: LetterheadRefusal


class KeyringRefusal(StrEnum):
    """Reason why a keyring was refused."""

    UNREADABLE = "unreadable"  # wrong passphrase or damaged: no one can tell these apart
    OTHER_DESK = "other_desk"  # the keyring was decrypted, but its desk key is not the pinned key
    OLDER = "older"


class KeyringRefusedError(ReasonError):
    """This keyring must not be used. `reason` says why."""

    subject = "keyring"
    reason: KeyringRefusal


class PouchRefusal(StrEnum):
    """Reason why a pouch was refused."""

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
    """This pouch must not be applied. None of its items was applied. `reason` says why."""

    subject = "pouch"
    reason: PouchRefusal
