"""Exceptions of `gpg`: one class for each case that a caller handles differently."""

from enum import StrEnum

from crypto.errors import CryptoError, ReasonError, UnreadableError


class RecipientRefusal(StrEnum):
    """Reason why we refuse to encrypt to a recipient's OpenPGP key."""

    UNREADABLE = "unreadable"  # no file, or no public key in it
    SEVERAL = "several"  # more than one key in the file: it is not clear which key was meant
    OTHER_KEY = "other_key"  # the key has another fingerprint than the pinned one
    UNKNOWN = "unknown"  # a fingerprint that was never imported
    EXPIRED = "expired"
    REVOKED = "revoked"
    NO_ENCRYPTION = "no_encryption"  # neither the key nor a subkey can encrypt
    WEAK = "weak"  # RSA, ElGamal or DSA under 2048 bits


class RecipientRefusedError(ReasonError):
    """We refuse to encrypt to this OpenPGP key. `reason` says why."""

    subject = "OpenPGP key"
    reason: RecipientRefusal


class OpenPGPMissingError(CryptoError):
    """This machine does not have GnuPG 2.2 or newer."""

    def __init__(self) -> None:
        super().__init__("GnuPG 2.2 or newer is not installed")


class OpenPGPPlaceError(CryptoError):
    """The folder for GnuPG homes is unsafe: not in memory, open to other users, or with too long a path."""

    def __init__(self) -> None:
        super().__init__("GnuPG's home cannot be made safely in this folder")


class OpenPGPFailedError(CryptoError):
    """GnuPG failed, or did not report success. The caller must not use GnuPG's output."""

    def __init__(self) -> None:
        super().__init__("GnuPG failed")


class OpenPGPBlockedError(OpenPGPFailedError, UnreadableError):
    """GnuPG used too much time or memory for a message. The message is damaged, or made to block us."""

    def __init__(self) -> None:
        CryptoError.__init__(self, "GnuPG took too long, or too much memory")


class OpenPGPOtherKeyError(OpenPGPFailedError, UnreadableError):
    """An OpenPGP message is encrypted to other keys than those of this GnuPG home, or with a password."""

    def __init__(self) -> None:
        CryptoError.__init__(self, "the message is encrypted to another key")
