"""Names of the protocol's things, as types, so that an address cannot be passed as an entry id."""

import hashlib
from typing import NewType

from crypto.framing import frame
from crypto.passphrase import word_list

Address = NewType("Address", bytes)
EntryId = NewType("EntryId", bytes)
AttachmentId = NewType("AttachmentId", bytes)
StrandId = NewType("StrandId", bytes)
Digest = NewType("Digest", bytes)

ADDRESS_BYTES = 20
ENTRY_ID_BYTES = 16
ATTACHMENT_ID_BYTES = 16
STRAND_ID_BYTES = 8
DIGEST_BYTES = 32

SOURCE_STRAND = StrandId(b"")  # a source has one strand, and it needs no name
NO_DIGEST = Digest(bytes(DIGEST_BYTES))  # stands before the first entry of a strand


_LABEL_WORDS = 3
_DIGEST_WORDS = 4
_NUMBER_BYTES = 8  # a remainder of 64 bits favours no word of a list by more than one in 2**50


def mailbox_label(address: Address) -> str:
    """Return the three words by which people know a mailbox, joined by hyphens; the same on every machine.

    An aid against mistakes, not a proof: there are 2**38 labels, and someone who computes for a year can make
    a mailbox that carries the label of another. What an answer is sealed and signed to is the whole address.
    """
    return "-".join(_words(b"steunpunt/v1/label", address, _LABEL_WORDS))


def digest_words(digest: Digest) -> str:
    """Return the four words of an entry's digest that stand on its receipt, joined by hyphens."""
    return "-".join(_words(b"steunpunt/v1/digest", digest, _DIGEST_WORDS))


def _words(purpose: bytes, named: bytes, count: int) -> list[str]:
    # The Dutch list, whatever the reader's language: two people must be able to read a label to each other.
    # It is fixed by the protocol; a test pins its digest.
    listed = word_list("nl")
    hashed = hashlib.blake2b(frame(purpose, named), digest_size=count * _NUMBER_BYTES).digest()
    numbers = (int.from_bytes(hashed[at : at + _NUMBER_BYTES]) for at in range(0, len(hashed), _NUMBER_BYTES))
    return [listed[number % len(listed)] for number in numbers]
