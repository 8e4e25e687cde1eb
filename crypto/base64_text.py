"""Base64 without padding, in the one canonical spelling (RFC 4648, sections 3.5 and 4)."""

import base64
import binascii

from crypto.errors import MalformedError


def to_base64(raw: bytes) -> str:
    """Write bytes as unpadded base64."""
    return base64.b64encode(raw).rstrip(b"=").decode("ascii")


def from_base64(text: str) -> bytes:
    """Read exactly what `to_base64` writes.

    A second spelling of the same bytes would let a file change without its meaning changing, so the result is
    written again and compared: that one line refuses padding, white space, and stray bits at the end.

    Raises:
        MalformedError: anything else.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as why:
        raise MalformedError from why
    if to_base64(raw) != text:
        raise MalformedError
    return raw
