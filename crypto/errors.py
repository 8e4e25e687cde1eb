"""Exceptions of `crypto`: one class for each case that a caller handles differently."""

from enum import StrEnum
from typing import ClassVar, Self


class CryptoError(Exception):
    """Base class of every exception of this package, of `protocol` and of `gpg`."""


class UnreadableError(CryptoError):
    """Encrypted bytes cannot be decrypted.

    All reasons (wrong key, damage, truncation, another format) have one class and one message. A page or a
    log therefore never tells an attacker which of their guesses was close.
    """

    def __init__(self) -> None:
        super().__init__("this cannot be opened with these keys")


class ForgedError(CryptoError):
    """A signature, address, commitment or digest does not match what it covers."""

    def __init__(self) -> None:
        super().__init__("this was not made by its stated author, or was changed since")


class MalformedError(CryptoError):
    """Bytes or text are in a form that our code never writes."""

    def __init__(self) -> None:
        super().__init__("this is not in a form that we write")


class TooLongError(CryptoError):
    """A text, a name or a list is over its limit. Nothing was encrypted."""

    def __init__(self) -> None:
        super().__init__("this is longer than the format allows")


class MixedRecipientsError(CryptoError):
    """A caller asked to encrypt one file to post-quantum and other recipients, or to no one.

    The weaker recipient would decide the strength of the whole file, and no one would notice.
    """

    def __init__(self) -> None:
        super().__init__("post-quantum and other recipients never share a file")


class ReasonError(CryptoError):
    """Base class of an exception with a reason from an enum. A subclass sets `subject` and the reasons."""

    subject: ClassVar[str]
    reason: StrEnum

    def __init__(self, reason: StrEnum) -> None:
        super().__init__(f"this {self.subject} is refused: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[StrEnum]]:
        return type(self), (self.reason,)  # pickle would pass the message instead of the reason
