"""Folded texts in memory, and in which mailboxes some words stand.

Chosen by measuring, with 10,000 mailboxes of five texts of 4 KiB: looking through the texts takes under a
tenth of a second for each core's half, and adding one takes 5 microseconds. An inverted index answers in
milliseconds, but reading the store, which is waited for after every unlocking, took half as long again.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import accumulate

QUERY_WORDS_MAX = 8  # of one question
# Unicode's normal forms sort a run of marks, which takes as long as its length squared: 8 s for one message
# of nothing else. In pieces it takes 20 ms, and no letter that can be searched for comes out otherwise.
_PIECE_CHARS = 100
_WORD = re.compile(r"\w+")
_MARKS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)


def fold_case_and_accents(text: str) -> str:
    """Return a text as it is compared: without case and accents."""
    if text.isascii():
        return text.lower()
    pieces = (text[at : at + _PIECE_CHARS] for at in range(0, len(text), _PIECE_CHARS))
    return _MARKS.sub("", "".join(unicodedata.normalize("NFKD", piece) for piece in pieces)).casefold()


def query_words(text: str) -> list[str]:
    """Return the folded words of a question, in their order."""
    return _WORD.findall(fold_case_and_accents(text))


class TextIndex:
    """The folded texts of the parts of mailboxes. Not safe for threads."""

    def __init__(self) -> None:
        self._mailboxes: dict[bytes, dict[int, bytes]] = {}

    def put(self, address: bytes, part: int, texts: Iterable[str]) -> None:
        """Keep the texts of one part of a mailbox, in the place of what stood there before.

        A text that folding makes more than twice as long is kept in part: one letter (U+FDFA) becomes
        eighteen, and a few mailboxes of nothing else would fill the memory.
        """
        folded = "\0".join(
            fold_case_and_accents(text)[: 2 * len(text)] for text in texts
        )  # no word reaches into the next text
        self._mailboxes.setdefault(address, {})[part] = folded.encode("utf-8")

    def drop(self, address: bytes) -> None:
        """Forget a mailbox."""
        self._mailboxes.pop(address, None)

    def find(self, words: Sequence[str]) -> list[bytes]:
        """Return the mailboxes in which every one of the folded words stands, be it as a part of a word."""
        # The longest first: it is found fastest, and leaves the fewest mailboxes for the others.
        needles = sorted({word.encode("utf-8") for word in words[:QUERY_WORDS_MAX]}, key=len, reverse=True)
        return [
            address
            for address, parts in self._mailboxes.items()
            if all(any(needle in text for text in parts.values()) for needle in needles)
        ]


def snippet(texts: Iterable[str], words: Sequence[str], around: int) -> str:
    """Return the place in the first of the texts that holds one of the folded words, with what is around it.

    `around` is how many characters are shown before it, and three times as many after it. Empty when no text
    holds any.
    """
    for text in texts:
        at = _place_of(text, words)
        if at is not None:
            start, end = max(0, at - around), at + 3 * around
            line = " ".join(text[start:end].split())
            return f"{'…' if start else ''}{line}{'…' if end < len(text) else ''}"
    return ""


def _place_of(text: str, words: Sequence[str]) -> int | None:
    folded = fold_case_and_accents(text)
    found = min((at for word in words if (at := folded.find(word)) >= 0), default=None)
    if found is None or len(folded) == len(text):
        return found
    lengths = accumulate(
        len(fold_case_and_accents(character)) for character in text
    )  # folding changed the length: count along
    return next((place for place, reached in enumerate(lengths) if reached > found), len(text))
