"""Identifiers: ids, digests, and the words that people read instead (docs/protocol.md, "Mailbox keys").

Each kind of identifier has its own type, so that no one can pass an address where an entry id is needed.
"""

import hashlib
from typing import Annotated, NewType

from msgspec import Meta

from crypto.framing import frame
from crypto.passphrase import DUTCH, word_lists

Address = NewType("Address", bytes)
EntryId = NewType("EntryId", bytes)
AttachmentId = NewType("AttachmentId", bytes)
StrandId = NewType("StrandId", bytes)
Digest = NewType("Digest", bytes)
LanguageCode = Annotated[str, Meta(pattern=r"^[a-z]{2,3}\Z")]

ADDRESS_BYTES = 20
ENTRY_ID_BYTES = 16
ATTACHMENT_ID_BYTES = 16
STRAND_ID_BYTES = 8
DIGEST_BYTES = 32

SOURCE_STRAND = StrandId(b"")  # a source has one strand, which has no id

_LABEL_WORDS = 3
# For three words (38 bits), an attacker could find a mailbox with the same words within days.
_SEALING_WORDS = 6
_RECEIPT_DIGITS = 16
_RECEIPT_GROUP = 4
_NUMBER_BYTES = 8  # with 64 bits, the chances of two words differ by less than one in 2**50


def mailbox_label(address: Address) -> str:
    """Return the label of a mailbox: three words, joined by hyphens, by which people recognise the mailbox.

    A label proves nothing: with some days of computing, anyone can make a mailbox with the same label.
    """
    return "-".join(_words(b"steunpunt/v1/label", address, _LABEL_WORDS))


def sealing_words(address: Address) -> str:
    """Return six words, joined by hyphens, that tie a text to one mailbox.

    A source writes the words in a text, and then encrypts the text.
    """
    return "-".join(_words(b"steunpunt/v1/sealing-words", address, _SEALING_WORDS))


def receipt_number(digest: Digest) -> str:
    """Return the number of an entry for the source's receipt: 16 digits in groups of four.

    `digest` is the digest of the entry.
    """
    hashed = hashlib.blake2b(frame(b"steunpunt/v1/digest", digest), digest_size=_NUMBER_BYTES).digest()
    digits = f"{int.from_bytes(hashed) % 10**_RECEIPT_DIGITS:0{_RECEIPT_DIGITS}}"
    return " ".join(digits[at : at + _RECEIPT_GROUP] for at in range(0, _RECEIPT_DIGITS, _RECEIPT_GROUP))


def _words(purpose: bytes, named: bytes, count: int) -> list[str]:
    # Always use the Dutch list, so that two people with different languages can read a label to each other.
    # The protocol fixes this list, and a test pins the digest of the list.
    listed = word_lists()[DUTCH]
    hashed = hashlib.blake2b(frame(purpose, named), digest_size=count * _NUMBER_BYTES).digest()
    numbers = (int.from_bytes(hashed[at : at + _NUMBER_BYTES]) for at in range(0, len(hashed), _NUMBER_BYTES))
    return [listed[number % len(listed)] for number in numbers]
