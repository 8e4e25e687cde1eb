"""Typing errors in a passphrase that opened nothing, as a page tells them without showing the words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from crypto.passphrase import PASSPHRASE_WORDS, all_words

PLACES_MAX: Final = 104  # the session cookie has two bits for each place
_LETTERS_MAX = 9  # of a word on a list


@dataclass(frozen=True, slots=True)
class PassphraseTypos:
    """Probable errors in a typed passphrase of `count` words.

    `joined` and `unknown` have the positions, from 1 to 120, of words that are on no word list. A word in
    `joined` is several listed words without spaces between them.
    """

    wanted: ClassVar[int] = PASSPHRASE_WORDS
    count: int
    unknown: tuple[int, ...] = ()
    joined: tuple[int, ...] = ()


def find_typos(words: Sequence[str]) -> PassphraseTypos:
    """Return what is probably wrong with the words of a typed passphrase."""
    first = enumerate(words[:PLACES_MAX], 1)
    strange = {place: word for place, word in first if word not in all_words()}
    joined = tuple(place for place, word in strange.items() if _is_joined(word))
    return PassphraseTypos(len(words), tuple(place for place in strange if place not in joined), joined)


def _is_joined(text: str) -> bool:
    ends = {0}
    for end in range(1, len(text) + 1):
        if any(at in ends and text[at:end] in all_words() for at in range(end - _LETTERS_MAX, end)):
            ends.add(end)
    return len(text) in ends
