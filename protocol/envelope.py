"""Envelope: the signed, unencrypted header of an entry (in docs/protocol.md, "Entries": the *open part*)."""

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
    """Return the commitment to an age file key, 32 bytes.

    `names` are the address, the entry id and, for a file, the attachment id. The commitment stops two
    attacks. In the first attack, someone who can write to the store takes another mailbox's payload with its
    age header, and signs it under an address of their own. The desk's re-wrapping would then decrypt that
    payload for the attacker. The commitment reveals this attack, because the ids differ. In the second
    attack, one ciphertext decrypts to two texts for two readers: ChaCha20-Poly1305 alone does not commit to
    its key.
    """
    return hkdf(file_key, info=b"steunpunt/v1/commit" + frame(*names))


_ENTRY: Final = b"steunpunt/v1/entry"  # a later version of the format gets its own label
_MARK: Final = b"steunpunt/v1/mark"
_FIELDS: Final = 12
_NUMBER_BYTES: Final = 8
_LARGEST_NUMBER: Final = 2**63 - 1  # the largest number of a signed 64-bit column
_DAY_BYTES: Final = 4


class Author(IntEnum):
    """Side that wrote an entry."""

    SOURCE = 0
    DESK = 1


@dataclass(frozen=True, slots=True)
class Envelope:
    """Signed header of an entry, which everyone may read.

    - `strand`: empty for the source, 8 bytes for a workstation
    - `number`: counts from 1 in each strand
    - `previous`: digest of the entry before this one in the strand; 32 zero bytes for the first
    - `seen`: sorted digests of the newest entry that the writer had seen in each strand of the *other* side
    - `day`: a UTC day
    - `payload_sha256`: digest of the age payload, without the age header
    - `commit`: commitment to the file key (`commit_to_key`)
    - `speaks`: False for a mark (read receipt), whose writer had seen entries and wrote nothing. The store
    reads this field, because a mark does not make a mailbox wait for an answer

    The signature does not cover the age header. When an epoch ends, the desk encrypts the file key again
    without the writer, which changes the age header. `commit` ties the file key in the age header to the
    payload.
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
        """Write the envelope as bytes. The signature of the entry covers exactly these bytes."""
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
        """Parse an envelope. Only the exact bytes that `to_bytes` writes are accepted.

        Raises:
            MalformedError: the version is another one, a field is missing or has a wrong length, the day does
                not exist, `seen` is not sorted, or the strand does not fit the author.
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
        # `seen` has one spelling, and a number must fit the signed 64-bit column of the store.
        if heads != tuple(sorted(set(heads))) or not 1 <= envelope.number <= _LARGEST_NUMBER:
            raise MalformedError
        if (envelope.number == 1) != (envelope.previous == NO_DIGEST):
            raise MalformedError
        return envelope


def author_from_bytes(author: bytes, strand: bytes) -> Author:
    """Read an author from one byte, and check that the strand fits the author.

    The strand of a source is empty. The strand of a workstation of the desk has 8 bytes.

    Raises:
        MalformedError: the byte is not an author, or the strand belongs to the other side.
    """
    if author == bytes((Author.SOURCE,)) and strand == SOURCE_STRAND:
        return Author.SOURCE
    if author == bytes((Author.DESK,)) and len(strand) == STRAND_ID_BYTES:
        return Author.DESK
    raise MalformedError


def day_to_bytes(day: date) -> bytes:
    """Write a day as 4 bytes, big endian: the number of the day, counted from 1 January of year 1."""
    return day.toordinal().to_bytes(_DAY_BYTES)


def day_from_bytes(raw: bytes) -> date:
    """Parse a day from the 4 bytes that `day_to_bytes` writes.

    Raises:
        MalformedError: there are not 4 bytes, or the number is not a day of the years 1 to 9999.
    """
    if len(raw) != _DAY_BYTES:
        raise MalformedError
    try:
        return date.fromordinal(int.from_bytes(raw))
    except (ValueError, OverflowError) as why:
        raise MalformedError from why
