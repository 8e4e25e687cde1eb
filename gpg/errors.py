"""Every refusal of `gpg`, one class per thing a caller does differently."""

from enum import StrEnum
from typing import Self

from crypto.errors import CryptoError


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
