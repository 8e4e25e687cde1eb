"""Session cookie: the token of an open mailbox, the result of a failed log-in, or nothing yet, sealed.

See docs/protocol.md, "Sessions".
"""

from collections.abc import Sequence
from typing import Final

from crypto.errors import UnreadableError
from protocol.session import TOKEN_BYTES
from source_app.passphrase_typos import PLACES_MAX, PassphraseTypos
from source_app.sealed_field import open_field, seal_field

_PURPOSE: Final = b"session-cookie"
_OPEN: Final = b"mailbox/1"
_REFUSED: Final = b"refused/1"
_NOTHING: Final = b"nothing/1"
_REFUSED_HALF_HOURS: Final = 2  # the result of a failed log-in is old after this time
_TIME_BYTES: Final = 4
_COUNT_BYTES: Final = 2
_MARKS_BYTES: Final = PLACES_MAX // 8


def seal_cookie(content: bytes | PassphraseTypos | None, server_secret: bytes, now: int) -> str:
    """Return the encrypted value of the session cookie.

    `content` is the token of a session (32 bytes), the result of a failed log-in, or None. With None, the
    cookie only shows that the browser keeps cookies. `now` is the number of half hours since 1970.
    """
    # The length of the value must not show whether the log-in succeeded.
    if content is None:
        return seal_field(_NOTHING + bytes(TOKEN_BYTES), server_secret, _PURPOSE)
    if isinstance(content, PassphraseTypos):
        said = now.to_bytes(_TIME_BYTES) + content.count.to_bytes(_COUNT_BYTES)
        marks = _marks(content.unknown) + _marks(content.joined)
        return seal_field(_REFUSED + said + marks, server_secret, _PURPOSE)
    return seal_field(_OPEN + content, server_secret, _PURPOSE)


def open_cookie(given: str, server_secret: bytes, now: int) -> bytes | PassphraseTypos | None:
    """Decrypt a cookie that `seal_cookie` made, and return its content.

    Return None if the cookie has no content, if this server did not make it since its last start, or if its
    content is a failed log-in of more than an hour ago.
    """
    # Attack: collect the cookies of many failed log-ins. Each has a turn of its own before the mailboxes.
    try:
        plaintext = open_field(given, server_secret, _PURPOSE)
    except UnreadableError:
        return None
    kind, content = plaintext[: len(_OPEN)], plaintext[len(_OPEN) :]
    if kind == _OPEN:
        return content
    if kind == _NOTHING:
        return None
    at, rest = int.from_bytes(content[:_TIME_BYTES]), content[_TIME_BYTES:]
    if not 0 <= now - at < _REFUSED_HALF_HOURS:
        return None
    count, marks = int.from_bytes(rest[:_COUNT_BYTES]), rest[_COUNT_BYTES:]
    return PassphraseTypos(count, _places(marks[:_MARKS_BYTES]), _places(marks[_MARKS_BYTES:]))


def _marks(places: Sequence[int]) -> bytes:
    return sum(1 << (place - 1) for place in places).to_bytes(_MARKS_BYTES)


def _places(marks: bytes) -> tuple[int, ...]:
    bits = int.from_bytes(marks)
    return tuple(place for place in range(1, bits.bit_length() + 1) if bits >> (place - 1) & 1)
