"""The open part of an entry: what everyone may read, and what is signed (docs/protocol.md, "Entries")."""

from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Final, Self

from crypto.errors import MalformedError
from crypto.framing import frame, unframe
from crypto.kdf import hkdf
from protocol.identifiers import (
    ADDRESS_BYTES,
    DIGEST_BYTES,
    ENTRY_ID_BYTES,
    NO_DIGEST,
    SOURCE_STRAND,
    STRAND_ID_BYTES,
    Address,
    Digest,
    EntryId,
    StrandId,
)

COMMIT_BYTES = 32


def commit_to_key(file_key: bytes, *names: bytes) -> bytes:
    """Commit to an age file key for one address, entry id and, for a file, attachment id.

    It stops two attacks. Someone who can write to the store signs another mailbox's payload under an address
    of their own, keeps its header, and lets the desk's re-wrapping open it to them: the names differ, so does
    the commitment. And ChaCha20-Poly1305 does not commit to its key: without this one ciphertext could open
    to two texts for two readers.
    """
    return hkdf(file_key, info=b"steunpunt/v1/commit" + frame(*names))


_ENTRY: Final = b"steunpunt/v1/entry"  # a later version of the format gets a label of its own
_MARK: Final = b"steunpunt/v1/mark"
_FIELDS: Final = 12
_NUMBER_BYTES: Final = 8
_LARGEST_NUMBER: Final = 2**63 - 1  # what a signed 64-bit column holds
_DAY_BYTES: Final = 4


class Author(IntEnum):
    """Whose entry it is."""

    SOURCE = 0
    DESK = 1


@dataclass(frozen=True, slots=True)
class Envelope:
    """What everyone may read of an entry, and what its signature covers.

    `strand` is empty for the source and 8 bytes for a workstation; `number` counts up from 1 in each strand;
    `previous` is the digest of the strand's entry before this one, 32 zero bytes for the first; `seen` holds
    the digests of the newest entry of every strand of the *other* side that the writer had before them,
    sorted; `day` is a UTC day; `payload_sha256` covers the age payload without its header; `commit` binds the
    file key. What does not speak (`speaks`) is a mark: its writer had the other side's entries before them,
    and said nothing. Everybody may know that, because a mailbox with a mark alone waits for no answer.

    The header is left out on purpose: it is made anew when an epoch ends, without the writer. What binds the
    header's file key to the payload is `commit`.
    """

    address: Address
    entry_id: EntryId
    author: Author
    strand: StrandId
    number: int
    previous: Digest
    seen: tuple[Digest, ...]
    day: date
    letterhead_serial: int
    payload_sha256: bytes
    commit: bytes
    speaks: bool = True

    def to_bytes(self) -> bytes:
        """Write the open part; these are the very bytes that are signed."""
        return frame(
            _ENTRY if self.speaks else _MARK,
            self.address,
            self.entry_id,
            bytes((self.author,)),
            self.strand,
            self.number.to_bytes(_NUMBER_BYTES),
            self.previous,
            b"".join(self.seen),
            day_to_bytes(self.day),
            self.letterhead_serial.to_bytes(_NUMBER_BYTES),
            self.payload_sha256,
            self.commit,
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Accept exactly what `to_bytes` writes.

        Raises:
            MalformedError: another version, another number or length of fields, a day that does not exist,
            heads
                that are not in order, or a strand that is not its author's.
        """
        fields = unframe(raw)
        if len(fields) != _FIELDS or fields[0] not in {_ENTRY, _MARK}:
            raise MalformedError
        (
            label,
            address,
            entry_id,
            author,
            strand,
            number,
            previous,
            seen,
            day,
            serial,
            payload_sha256,
            commitment,
        ) = fields
        if not (
            len(address) == ADDRESS_BYTES
            and len(entry_id) == ENTRY_ID_BYTES
            and len(number) == len(serial) == _NUMBER_BYTES
            and len(previous) == len(payload_sha256) == DIGEST_BYTES
            and len(seen) % DIGEST_BYTES == 0
            and len(commitment) == COMMIT_BYTES
        ):
            raise MalformedError
        heads = tuple(Digest(seen[at : at + DIGEST_BYTES]) for at in range(0, len(seen), DIGEST_BYTES))
        envelope = cls(
            address=Address(address),
            entry_id=EntryId(entry_id),
            author=author_from_bytes(author, strand),
            strand=StrandId(strand),
            number=int.from_bytes(number),
            previous=Digest(previous),
            seen=heads,
            day=day_from_bytes(day),
            letterhead_serial=int.from_bytes(serial),
            payload_sha256=payload_sha256,
            commit=commitment,
            speaks=label == _ENTRY,
        )
        # One set of heads has one writing, and numbers fit the signed 64-bit column they are kept in.
        if heads != tuple(sorted(set(heads))) or not 1 <= envelope.number <= _LARGEST_NUMBER:
            raise MalformedError
        if (envelope.number == 1) != (envelope.previous == NO_DIGEST):
            raise MalformedError
        return envelope


def author_from_bytes(author: bytes, strand: bytes) -> Author:
    """Read an author, who must fit the strand: a source's has no name, a workstation's has 8 bytes.

    Raises:
        MalformedError: it is none, or the strand is the other side's.
    """
    if author == bytes((Author.SOURCE,)) and strand == SOURCE_STRAND:
        return Author.SOURCE
    if author == bytes((Author.DESK,)) and len(strand) == STRAND_ID_BYTES:
        return Author.DESK
    raise MalformedError


def day_to_bytes(day: date) -> bytes:
    """Write a day as its number, counted from 1 January of year 1, in 4 bytes, big endian."""
    return day.toordinal().to_bytes(_DAY_BYTES)


def day_from_bytes(raw: bytes) -> date:
    """Accept exactly what `day_to_bytes` writes.

    Raises:
        MalformedError: another length, or no day of the years 1 to 9999.
    """
    if len(raw) != _DAY_BYTES:
        raise MalformedError
    try:
        return date.fromordinal(int.from_bytes(raw))
    except (ValueError, OverflowError) as why:
        raise MalformedError from why
