"""Heads: number and digest of the newest entry of every strand, in the form used in signed statements.

See docs/protocol.md, "Removals and endings".
"""

from collections.abc import Mapping
from typing import Final

from crypto.errors import MalformedError
from crypto.framing import frame, unframe
from protocol.identifiers import DIGEST_BYTES, SOURCE_STRAND, STRAND_ID_BYTES, Digest, StrandId

_NUMBER_BYTES: Final = 8
_FIELDS: Final = 3

Head = tuple[int, Digest]  # number and digest of the newest entry of a strand
Heads = Mapping[StrandId, Head]


def heads_to_bytes(heads: Heads) -> bytes:
    """Write heads as bytes: one frame that contains a frame for each strand, sorted by strand."""
    return frame(
        *(
            frame(strand, number.to_bytes(_NUMBER_BYTES), digest)
            for strand, (number, digest) in sorted(heads.items())
        )
    )


def heads_from_bytes(raw: bytes) -> Heads:
    """Parse heads from bytes. Only the exact bytes that `heads_to_bytes` writes are accepted.

    Raises:
        MalformedError: `heads_to_bytes` never writes these bytes.
    """
    heads: dict[StrandId, Head] = {}
    for head in unframe(raw):
        fields = unframe(head)
        if len(fields) != _FIELDS:
            raise MalformedError
        strand, number, digest = fields
        if (
            len(strand) not in (len(SOURCE_STRAND), STRAND_ID_BYTES)
            or len(number) != _NUMBER_BYTES
            or len(digest) != DIGEST_BYTES
        ):
            raise MalformedError
        heads[StrandId(strand)] = (int.from_bytes(number), Digest(digest))
    if heads_to_bytes(heads) != raw:
        raise MalformedError
    return heads
