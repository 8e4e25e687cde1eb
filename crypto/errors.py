"""Every refusal of `crypto`, one class per thing a caller does differently."""

from enum import StrEnum
from typing import Self


class CryptoError(Exception):
    """Base of every refusal of this package."""


class UnreadableError(CryptoError):
    """Something sealed cannot be opened.

    One class and one message whatever the reason (wrong key, damage, truncation, another format), so that
    nothing that reaches a page or a log tells an attacker which of their guesses came close.
    """

    def __init__(self) -> None:
        super().__init__("this cannot be opened with these keys")


class ForgedError(CryptoError):
    """A signature, address, commitment or digest does not fit what it stands on."""

    def __init__(self) -> None:
        super().__init__("this was not made by who it claims, or was changed since")


class MalformedError(CryptoError):
    """Bytes or text that no writer of ours makes."""

    def __init__(self) -> None:
        super().__init__("this is not in a form that we write")


class TooLongError(CryptoError):
    """A text, a name or a list is over its limit and was not sealed."""

    def __init__(self) -> None:
        super().__init__("this is longer than the format allows")


class MixedRecipientsError(CryptoError):
    """A caller asked to seal one file to post-quantum and other recipients together.

    The weaker recipient would decide the strength of the whole file, unseen.
    """

    def __init__(self) -> None:
        super().__init__("post-quantum and other recipients never share a file")


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


class RecipientRefusal(StrEnum):
    """Why an OpenPGP key is not encrypted to."""

    UNREADABLE = "unreadable"  # no file, or no public key in it
    SEVERAL = "several"  # more than one key in the file: which one was meant?
    OTHER_KEY = "other_key"  # not the pinned fingerprint, whatever name it carries
    UNKNOWN = "unknown"  # a fingerprint that was never imported
    EXPIRED = "expired"
    REVOKED = "revoked"
    NO_ENCRYPTION = "no_encryption"  # nothing in it that can be encrypted to
    WEAK = "weak"  # RSA, ElGamal or DSA under 2048 bits


class RecipientRefusedError(CryptoError):
    """An OpenPGP key must not be encrypted to; `reason` says why."""

    def __init__(self, reason: RecipientRefusal) -> None:
        super().__init__(f"this OpenPGP key is refused: {reason}")
        self.reason: RecipientRefusal = reason

    def __reduce__(self) -> tuple[type[Self], tuple[RecipientRefusal]]:
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


class OpenPGPMissingError(CryptoError):
    """There is no GnuPG of version 2.2 or newer on this machine."""

    def __init__(self) -> None:
        super().__init__("GnuPG 2.2 or newer is not installed")


class OpenPGPPlaceError(CryptoError):
    """The folder for GnuPG's home is not in memory, not ours alone, or its path is too long."""

    def __init__(self) -> None:
        super().__init__("GnuPG's home cannot be made safely in this folder")


class OpenPGPFailedError(CryptoError):
    """GnuPG did not do what it was asked; nothing it wrote may be used."""

    def __init__(self) -> None:
        super().__init__("GnuPG failed")
