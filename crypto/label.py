"""Words for addresses and digests, for people to compare."""

import hashlib

from crypto.framing import frame
from crypto.names import Address, Digest
from crypto.passphrase import words

_LABEL_WORDS = 3
_DIGEST_WORDS = 4
_NUMBER_BYTES = 8  # a remainder of 64 bits favours no word of a list by more than one in 2**50


def label(address: Address) -> str:
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
    listed = words("nl")
    hashed = hashlib.blake2b(frame(purpose, named), digest_size=count * _NUMBER_BYTES).digest()
    numbers = (int.from_bytes(hashed[at : at + _NUMBER_BYTES]) for at in range(0, len(hashed), _NUMBER_BYTES))
    return [listed[number % len(listed)] for number in numbers]
