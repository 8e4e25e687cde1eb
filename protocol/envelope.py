"""Envelope: the signed, unencrypted header of every entry (docs/protocol.md, "Envelope")."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from functools import cached_property
from typing import Final, Self

from crypto.errors import MalformedError
from crypto.framing import frame, unframe
from crypto.kdf import hkdf
from protocol.heads import (
    HEADS_IN_ALL,
    HEADS_OF_STRAND,
    LARGEST_NUMBER,
    UNSEEN_OF_STRAND,
    Heads,
    heads_from_bytes,
    heads_to_bytes,
    next_number,
)
from protocol.identifiers import (
    ADDRESS_BYTES,
    DIGEST_BYTES,
    ENTRY_ID_BYTES,
    SOURCE_STRAND,
    STRAND_ID_BYTES,
    Address,
    Digest,
    EntryId,
    StrandId,
)

COMMIT_BYTES = 32
REMOVED_AT_ONCE: Final = 32  # the largest number of entries that one removal names


def commit_to_key(file_key: bytes, *names: bytes) -> bytes:
    """Return the commitment (32 bytes) that ties an age file key to one entry or file.

    `names` are the address, the entry id and, for a file, the attachment id. The commitment stops two
    attacks:

    - Someone copies an encrypted entry of another mailbox to their own mailbox, to decrypt the copy later
    - Someone makes a ciphertext that decrypts to different texts for two readers
    """
    return hkdf(file_key, info=b"steunpunt/v1/commit" + frame(*names))


def digest_of_files(files: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the digest that names all encrypted files of an entry: 32 bytes, or b"" if there are no files.

    Each item of `files` is a pair, in any order: attachment id, and SHA-256 digest of the encrypted payload.
    """
    pairs = sorted(files)
    return hashlib.sha256(frame(*(frame(*pair) for pair in pairs))).digest() if pairs else b""


_LABEL: Final = b"steunpunt/v1/envelope"  # a later version of the format gets its own label
_NUMBER_BYTES: Final = 8
_DAY_BYTES: Final = 4


class Author(IntEnum):
    """Side that wrote an entry: the source or the desk."""

    SOURCE = 0
    DESK = 1


class EntryClass(IntEnum):
    """Class of an entry, which everyone can read without decrypting the entry.

    - WORDS: a message, step, proposal, answer or closing. Only words have an encrypted part
    - RECEIPT: read receipt. Its heads name the newest entries that its writer was shown
    - REMOVAL: the source removed entries. Their encrypted parts are destroyed
    - END: the source ended the mailbox
    """

    WORDS = 0
    RECEIPT = 1
    REMOVAL = 2
    END = 3


_CLASSES: Final = {bytes((each,)): each for each in EntryClass}
_DIGEST_LENGTHS: Final = (0, DIGEST_BYTES)
_STRAND_LENGTHS: Final = (len(SOURCE_STRAND), STRAND_ID_BYTES)
_REMOVES_LENGTHS: Final = range(0, REMOVED_AT_ONCE * DIGEST_BYTES + 1, DIGEST_BYTES)
_LENGTHS: Final = (  # of each field; () means that the field is checked by its parser
    *((), (ADDRESS_BYTES,), (ENTRY_ID_BYTES,), (1,), _STRAND_LENGTHS, (), (), (), (_NUMBER_BYTES,), ()),
    *(_REMOVES_LENGTHS, _DIGEST_LENGTHS, _DIGEST_LENGTHS, (0, COMMIT_BYTES)),
)
_OF_THE_SOURCE: Final = frozenset({EntryClass.REMOVAL, EntryClass.END})


@dataclass(frozen=True)
class Envelope:
    """Signed header of an entry, which everyone may read.

    - `strand`: the writer's id, empty for the source, 8 bytes for a workstation
    - `heads`: the newest entries that the writer wrote or was shown
    - `unseen`: entries of other writers that the writer knew of, but was not shown
    - `day`: a UTC day
    - `due`: the day from which the mailbox may be deleted, if the desk closes the mailbox
    - `removes`: digests of the entries that a removal removes, 1 to 32, sorted
    - `files_sha256`: digest of the entry's encrypted files (`digest_of_files`), or empty
    - `payload_sha256`: digest of the encrypted payload, without the age header, or empty
    - `commit`: value that ties the file key to this entry (`commit_to_key`), or empty
    """

    address: Address
    entry_id: EntryId
    entry_class: EntryClass
    strand: StrandId
    heads: Heads
    unseen: Heads
    day: date
    letterhead_serial: int
    due: date | None = None
    removes: tuple[Digest, ...] = ()
    files_sha256: bytes = b""
    payload_sha256: bytes = b""
    commit: bytes = b""

    @property
    def author(self) -> Author:
        """Return the side that wrote the entry: the source or the desk."""
        return Author.DESK if self.strand else Author.SOURCE

    @cached_property
    def number(self) -> int:
        """Return the number of the entry. The entries of each writer are numbered from 1."""
        return next_number(self.heads, self.strand)

    @property
    def is_words(self) -> bool:
        """Return True if the entry is a message or another entry with an encrypted part (class WORDS)."""
        return self.entry_class is EntryClass.WORDS

    def to_bytes(self) -> bytes:
        """Write the envelope as bytes. The signature of the entry covers exactly these bytes."""
        return self._raw

    @cached_property
    def _raw(self) -> bytes:
        return frame(
            _LABEL,
            self.address,
            self.entry_id,
            bytes((self.entry_class,)),
            self.strand,
            heads_to_bytes(self.heads),
            heads_to_bytes(self.unseen),
            day_to_bytes(self.day),
            self.letterhead_serial.to_bytes(_NUMBER_BYTES),
            b"" if self.due is None else day_to_bytes(self.due),
            b"".join(self.removes),
            self.files_sha256,
            self.payload_sha256,
            self.commit,
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse the envelope (signed header) of an entry.

        Only the exact bytes that `to_bytes` writes are accepted.

        Raises:
            MalformedError: the bytes are not an envelope, or its fields do not fit each other.
        """
        fields = unframe(raw)
        if len(fields) != len(_LENGTHS) or fields[0] != _LABEL or fields[3] not in _CLASSES:
            raise MalformedError
        if any(sizes and len(each) not in sizes for each, sizes in zip(fields, _LENGTHS, strict=True)):
            raise MalformedError
        _, address, entry_id, kind, strand, heads, unseen, day, serial, due, removes, files, *sealed = fields
        envelope = cls(
            address=Address(address),
            entry_id=EntryId(entry_id),
            entry_class=_CLASSES[kind],
            strand=StrandId(strand),
            heads=heads_from_bytes(heads, HEADS_IN_ALL),
            unseen=heads_from_bytes(unseen),
            day=day_from_bytes(day),
            letterhead_serial=int.from_bytes(serial),
            due=day_from_bytes(due) if due else None,
            removes=tuple(
                Digest(removes[at : at + DIGEST_BYTES]) for at in range(0, len(removes), DIGEST_BYTES)
            ),
            files_sha256=files,
            payload_sha256=sealed[0],
            commit=sealed[1],
        )
        if not (_fits_class(envelope) and _has_sound_heads(envelope)):
            raise MalformedError
        vars(envelope)["_raw"] = raw  # so that `to_bytes` need not write the same bytes again
        return envelope


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


def _fits_class(envelope: Envelope) -> bool:
    """Return True if the author and the fields of an envelope (signed header) fit its class of entry.

    For example, only a removal has `removes`, and only the desk can set `due`.
    """
    is_words, is_desk, removes = envelope.is_words, envelope.author is Author.DESK, envelope.removes
    is_removal = envelope.entry_class is EntryClass.REMOVAL
    return (
        bool(envelope.payload_sha256) == bool(envelope.commit) == is_words
        and (is_words or not envelope.files_sha256)
        and not (is_desk and envelope.entry_class in _OF_THE_SOURCE)
        and (envelope.due is None or (is_words and is_desk and envelope.due >= envelope.day))
        and bool(removes) == is_removal
        and removes == tuple(sorted(set(removes)))
    )


def _has_sound_heads(envelope: Envelope) -> bool:
    for most, named in ((HEADS_OF_STRAND, envelope.heads), (UNSEEN_OF_STRAND, envelope.unseen)):
        if len(named) > most and max(Counter(head.strand for head in named).values()) > most:
            return False
    return (
        envelope.number <= LARGEST_NUMBER
        and all(head.strand != envelope.strand for head in envelope.unseen)
        and set(envelope.heads).isdisjoint(envelope.unseen)
    )
