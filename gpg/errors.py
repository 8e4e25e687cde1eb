"""Exceptions of `gpg`: one class for each case that a caller handles differently."""

from enum import StrEnum

from crypto.errors import CryptoError, ReasonError


class RecipientRefusal(StrEnum):
    """Reason why nothing may be encrypted to an OpenPGP key."""

    UNREADABLE = "unreadable"  # no file, or no public key in it
    SEVERAL = "several"  # more than one key in the file: it is not clear which key was meant
    OTHER_KEY = "other_key"  # the key has another fingerprint than the pinned one
    UNKNOWN = "unknown"  # a fingerprint that was never imported
    EXPIRED = "expired"
    REVOKED = "revoked"
    NO_ENCRYPTION = "no_encryption"  # neither the key nor a subkey can encrypt
    WEAK = "weak"  # RSA, ElGamal or DSA under 2048 bits


class RecipientRefusedError(ReasonError):
    """Nothing may be encrypted to this OpenPGP key. `reason` says why the key is refused."""

    subject = "OpenPGP key"
    reason: RecipientRefusal


class OpenPGPMissingError(CryptoError):
    """GnuPG 2.2 or newer is not installed on this machine."""

    def __init__(self) -> None:
        super().__init__("GnuPG 2.2 or newer is not installed")


class OpenPGPPlaceError(CryptoError):
    """The folder for GnuPG homes is not in memory, other users can enter it, or its path is too long."""

    def __init__(self) -> None:
        super().__init__("GnuPG's home cannot be made safely in this folder")


class OpenPGPFailedError(CryptoError):
    """GnuPG failed, or did not report success. Its output must not be used."""

    def __init__(self) -> None:
        super().__init__("GnuPG failed")
