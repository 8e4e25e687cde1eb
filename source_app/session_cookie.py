"""Session cookie: the token of an open mailbox, the result of a failed log-in, or nothing yet, sealed.

See docs/protocol.md, "Sessions".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from crypto.errors import UnreadableError
from protocol.session import TOKEN_BYTES
from source_app.sealed_field import open_field, seal_field

_PURPOSE: Final = b"session-cookie"
_OPEN: Final = b"mailbox/1"
_REFUSED: Final = b"refused/1"
_NOTHING: Final = b"nothing/1"
_PLACES: Final = 8 * TOKEN_BYTES


@dataclass(frozen=True, slots=True)
class RefusedLogIn:
    """Result of a failed log-in: the positions, from 1, of the typed words that are on no word list."""

    unknown: tuple[int, ...]

    @classmethod
    def of(cls, unknown: Sequence[int]) -> Self:
        """Return the result of a failed log-in, with the positions that fit in a cookie: those up to 256."""
        return cls(tuple(each for each in unknown if each <= _PLACES))


def seal_cookie(content: bytes | RefusedLogIn | None, server_secret: bytes) -> str:
    """Encrypt the token of a session (32 bytes), or the result of a failed log-in, as the value of a cookie.

    If `content` is None, the cookie only shows that the browser keeps cookies. All values have one length.
    """
    # The length of the value must not show whether the log-in succeeded.
    if content is None:
        return seal_field(_NOTHING + bytes(TOKEN_BYTES), server_secret, _PURPOSE)
    if isinstance(content, RefusedLogIn):
        marks = sum(1 << (place - 1) for place in content.unknown)
        return seal_field(_REFUSED + marks.to_bytes(TOKEN_BYTES), server_secret, _PURPOSE)
    return seal_field(_OPEN + content, server_secret, _PURPOSE)


def open_cookie(given: str, server_secret: bytes) -> bytes | RefusedLogIn | None:
    """Decrypt a cookie that `seal_cookie` made: the token of a session, or the result of a failed log-in.

    Return None if the cookie has no content, or was not made by this server since its last start.
    """
    try:
        plaintext = open_field(given, server_secret, _PURPOSE)
    except UnreadableError:
        return None
    kind, content = plaintext[: len(_OPEN)], plaintext[len(_OPEN) :]
    if kind == _OPEN:
        return content
    if kind == _NOTHING:
        return None
    marks = int.from_bytes(content)
    return RefusedLogIn(tuple(place for place in range(1, _PLACES + 1) if marks >> (place - 1) & 1))
