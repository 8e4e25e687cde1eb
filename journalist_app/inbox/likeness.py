"""Near-identical texts: a sketch (MinHash) of a text's pairs of words, to find texts that differ little."""

import re
from hashlib import blake2b
from itertools import pairwise
from typing import Final

from web.normal_text import search_form

_CHARS: Final = 4_000  # only the beginning of a text counts
_SAMPLE: Final = 16  # hashes in a sketch
HASH_BYTES: Final = 4  # texts that are alike usually have the same smallest hash
_WORD: Final = re.compile(r"[^\W\d_]+")


def sketch_of(text: str) -> bytes:
    """Return the sketch of a text: the 16 smallest hashes of its pairs of neighbouring words, sorted.

    Numbers, punctuation, capitals, accents and invisible characters make no difference. The sketch is
    empty if the text has no word.
    """
    words = _WORD.findall(search_form(text)[:_CHARS])
    pairs = {" ".join(pair) for pair in pairwise(words)} or set(words)
    hashes = sorted(blake2b(pair.encode(), digest_size=HASH_BYTES).digest() for pair in pairs)
    return b"".join(hashes[:_SAMPLE])


def is_alike(one: bytes, other: bytes) -> bool:
    """Return True if two texts seem to share at least half of their pairs of neighbouring words.

    `one` and `other` are the sketches of the texts. Texts without a word are alike.
    """
    mine, theirs = _hashes(one), _hashes(other)
    smallest = sorted(mine | theirs)[:_SAMPLE]
    return 2 * sum(each in mine and each in theirs for each in smallest) >= len(smallest)


def _hashes(sketch: bytes) -> set[bytes]:
    return {sketch[at : at + HASH_BYTES] for at in range(0, len(sketch), HASH_BYTES)}
