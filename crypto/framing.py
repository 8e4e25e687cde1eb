"""Fields of known length, one after the other, as docs/protocol.md ("Primitives") frames them."""

from crypto.errors import MalformedError

_LENGTH_BYTES = 4


def frame(*fields: bytes) -> bytes:
    """Join fields, each behind its length in four bytes, big endian.

    What is signed, hashed or given to a KDF is always framed: without the lengths, ("ab", "c") and
    ("a", "bc") would be one message with two meanings.
    """
    return b"".join(part for field in fields for part in (len(field).to_bytes(_LENGTH_BYTES), field))


def unframe(raw: bytes) -> tuple[bytes, ...]:
    """Take apart exactly what `frame` writes.

    Raises:
        MalformedError: a length runs past the end.
    """
    fields: list[bytes] = []
    at = 0
    while at < len(raw):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(raw[at:start])
        if at > len(raw) or start > len(raw):
            raise MalformedError
        fields.append(raw[start:at])
    return tuple(fields)
