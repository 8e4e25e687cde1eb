"""Base64 without padding, in its one canonical spelling (RFC 4648, sections 3.5 and 4)."""

import base64

from crypto.errors import MalformedError


def to_base64(raw: bytes) -> str:
    """Encode bytes as base64 without padding."""
    return base64.b64encode(raw).rstrip(b"=").decode("ascii")


def from_base64(text: str) -> bytes:
    """Decode base64 without padding, and accept only the spelling that `to_base64` writes.

    Raises:
        MalformedError: `to_base64` never writes this text.
    """
    raw = decode_base64(text + "=" * (-len(text) % 4))
    # With a second spelling, someone could change a file without changing its meaning.
    if to_base64(raw) != text:
        raise MalformedError
    return raw


def decode_base64(text: str | bytes) -> bytes:
    """Decode base64 with padding. Unlike `from_base64`, accept every spelling of the same bytes.

    Raises:
        MalformedError: a character (such as a space) does not belong to base64, or the padding is wrong.
    """
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as why:
        raise MalformedError from why
