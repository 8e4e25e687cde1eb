"""Exceptions of `crypto`: one class for each case that a caller handles differently."""

from enum import StrEnum
from typing import ClassVar, Self


class CryptoError(Exception):
    """Base class of the exceptions of `crypto`, `protocol` and `gpg`."""


class UnreadableError(CryptoError):
    """Encrypted bytes cannot be decrypted.

    All causes have one class and one message, so that an attacker does not learn the cause.
    """

    def __init__(self) -> None:
        super().__init__("this cannot be opened with these keys")


class ForgedError(CryptoError):
    """Bytes are not authentic: a signature, address, commitment or digest does not match them."""

    def __init__(self) -> None:
        super().__init__("this was not made by its stated author, or was changed since")


class MalformedError(CryptoError):
    """Bytes or text are in a form that our code never writes."""

    def __init__(self) -> None:
        super().__init__("this is not in a form that we write")


class TooLongError(CryptoError):
    """A text, a name or a list is longer than its limit. Nothing was encrypted."""

    def __init__(self) -> None:
        super().__init__("this is longer than the format allows")


class MixedRecipientsError(CryptoError):
    """Refusal to encrypt one file to post-quantum and other recipients together, or to no recipient.

    The weakest recipient would decide how hard the whole file is to decrypt, and no one would notice.
    """

    def __init__(self) -> None:
        super().__init__("post-quantum and other recipients never share a file")


class ReasonError(CryptoError):
    """Base class of exceptions that have a reason, which is a member of an enum.

    A subclass sets `subject` (the noun in the exception's message) and names the enum of its reasons.
    """

    subject: ClassVar[str]
    reason: StrEnum

    def __init__(self, reason: StrEnum) -> None:
        super().__init__(f"this {self.subject} is refused: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[StrEnum]]:
        return type(self), (self.reason,)  # by default, pickle passes the message to `__init__`
