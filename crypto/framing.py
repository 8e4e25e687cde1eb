"""Framing: join byte strings, each after its length, into one string (docs/protocol.md, "Primitives")."""

from crypto.errors import MalformedError

_LENGTH_BYTES = 4


def frame(*fields: bytes) -> bytes:
    """Join byte strings into one. The length of each string comes before it, in four bytes, big endian.

    Different lists of strings never give the same result.
    """
    return b"".join([part for field in fields for part in (len(field).to_bytes(_LENGTH_BYTES), field)])


def unframe(raw: bytes) -> tuple[bytes, ...]:
    """Split a byte string into the fields that `frame` joined.

    Raises:
        MalformedError: a length points past the end of the byte string.
    """
    fields: list[bytes] = []
    at = 0
    while at < len(raw):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(raw[at:start])
        fields.append(raw[start:at])
    if at != len(raw):
        raise MalformedError
    return tuple(fields)
