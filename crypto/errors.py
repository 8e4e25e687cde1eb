"""Every refusal of `crypto`, one class per thing a caller does differently."""


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
