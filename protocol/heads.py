"""Heads: the newest entries of each writer in a mailbox, which a new entry names to say what its writer knew.

See docs/protocol.md, "Envelope".
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from crypto.errors import MalformedError
from crypto.framing import frame, unframe
from protocol.identifiers import DIGEST_BYTES, SOURCE_STRAND, STRAND_ID_BYTES, Digest, StrandId

HEADS_OF_STRAND: Final = 16  # a strand has one head, unless rows of the store were hidden for a moment
UNSEEN_OF_STRAND: Final = 64
HEADS_IN_ALL: Final = 64
UNSEEN_IN_ALL: Final = 256  # more names would fill the forms and the memory of every reader
LARGEST_NUMBER: Final = 2**63 - 1  # the largest number of a signed 64-bit column
_NUMBER_BYTES: Final = 8
_LENGTHS: Final = [(strand, _NUMBER_BYTES, DIGEST_BYTES) for strand in (len(SOURCE_STRAND), STRAND_ID_BYTES)]


class Head(NamedTuple):
    """Name of one entry: the id of its strand, its number in the strand (from 1) and its digest (32 bytes).

    A strand is the list of all entries of one writer.
    """

    strand: StrandId
    number: int
    digest: Digest


Heads = tuple[Head, ...]  # in ascending order, none twice


def heads_to_bytes(heads: Iterable[Head]) -> bytes:
    """Write heads (names of entries) as bytes: a frame for each head, all inside one frame."""
    return frame(
        *(frame(strand, number.to_bytes(_NUMBER_BYTES), digest) for strand, number, digest in sorted(heads))
    )


def heads_from_bytes(raw: bytes, most: int = UNSEEN_IN_ALL) -> Heads:
    """Parse at most `most` heads (names of entries) from bytes.

    Only the exact bytes that `heads_to_bytes` writes are accepted.

    Raises:
        MalformedError: `heads_to_bytes` never writes these bytes, or there are too many heads.
    """
    heads = tuple(_head_from_bytes(head) for head in unframe(raw)[: most + 1])
    if heads != tuple(sorted(set(heads))) or len(heads) > most:
        raise MalformedError
    return heads


def next_number(heads: Iterable[Head], strand: StrandId) -> int:
    """Return the number of a writer's next entry. `strand` is the writer's id.

    The result is 1 more than the largest number of this writer in `heads`. If `heads` does not have this
    writer, the result is 1.
    """
    return max((head.number for head in heads if head.strand == strand), default=0) + 1


def _head_from_bytes(raw: bytes) -> Head:
    fields = unframe(raw)
    if tuple(map(len, fields)) not in _LENGTHS:
        raise MalformedError
    strand, number, digest = fields
    head = Head(StrandId(strand), int.from_bytes(number), Digest(digest))
    if not 1 <= head.number <= LARGEST_NUMBER:
        raise MalformedError
    return head
