"""Normalise text for search and for comparing names.

Each normal form is made of one character at a time. So the search form of two joined texts is their search
forms, joined, and no text takes long.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

# Characters that show nothing, but are not format characters (category Cf): fillers of Korean, Khmer and
# Braille, variation selectors, tags, and a joiner.
_FILLERS: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE1000))))
)
# Persian, Hindi and emoji need joiners. A joiner beside a Latin letter or a sign, or beside a joiner, hides.
_JOINERS: Final = "\u200c\u200d"
_STRAY_JOINER: Final = re.compile(
    f"(?<![^\0-\u036f{_JOINERS}])[{_JOINERS}]|[{_JOINERS}](?![^\0-\u036f{_JOINERS}])"
)
# Visible format characters (category Cf): Arabic, Syriac and Kaithi signs that stand around a number.
_VISIBLE: Final = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
# Letters that Unicode does not take apart, but that people type as other letters. U+0131 is i without a dot.
# The Arabic letters become yeh, kaf, alef and heh (also teh marbuta). Tatweel only makes a word longer.
_LIKE: Final = (
    dict(zip("øłđðħŧ\u0131", "olddhti", strict=True))
    | dict(zip("\u0649\u06cc\u06d2\u06a9\u06aa\u0671", "\u064a\u064a\u064a\u0643\u0643\u0627", strict=True))
    | dict.fromkeys("\u0629\u06d5\u06c1\u06be\u06c3", "\u0647")
    | {"æ": "ae", "œ": "oe", "þ": "th", "\u0640": ""}
)
# Combining classes of accents and vowel points. Other marks make another letter, as in Hindi and Thai.
_ACCENTS: Final = frozenset((*range(10, 37), *range(202, 241)))
_CACHED: Final = 0x20000  # limits the memory that a hostile text can fill


def is_invisible(char: str) -> bool:
    """Return True if a character shows nothing and takes no room, such as a joiner or a soft hyphen."""
    is_format = unicodedata.category(char) in {"Cc", "Cf"} and char not in _VISIBLE
    return char in _FILLERS or (is_format and not char.isspace())


def is_visible_line(name: str) -> bool:
    """Return True if a name is one line, is not empty, and has no invisible characters."""
    return bool(name.strip()) and name.isprintable() and not any(map(is_invisible, name))


def one_line(text: str) -> str:
    """Return a text as one line, without invisible characters except the joiners that some scripts need."""
    seen = "".join(char for char in text if char in _JOINERS or not is_invisible(char))
    joined = unicodedata.normalize("NFC", " ".join(seen.split()))
    return " ".join(unicodedata.normalize("NFC", _STRAY_JOINER.sub("", joined)).split())


def trim(text: str) -> str:
    """Return a text without white space around it. If the text shows nothing, return ""."""
    return "" if all(char.isspace() or is_invisible(char) for char in text) else text.strip()


def _plain(char: str) -> str:
    return "" if is_invisible(char) else unicodedata.normalize("NFKD", char).casefold()


def _loosen(char: str) -> str:
    if unicodedata.combining(char) in _ACCENTS:
        return ""
    number = unicodedata.decimal(char, None)
    return _LIKE.get(char, char) if number is None else str(number)


class _Table(dict[int, str]):
    """Table for `str.translate`, with the normal form of each character. Each form is computed once."""

    def __init__(self, form: Callable[[str], str]) -> None:
        self._form = form

    def __missing__(self, code: int) -> str:
        text = self._form(chr(code))
        if text != chr(code):
            text = text.translate(self)  # a normal form is not changed again
        if code < _CACHED:
            self[code] = text
        return text


_SEARCH: Final = _Table(lambda char: "".join(map(_loosen, _plain(char))))
_NAMES: Final = _Table(_plain)


def search_form(text: str) -> str:
    """Return the form in which search compares texts.

    Accents, capitals, invisible characters, full width, the kind of digit, and the variant of a letter (as in
    "ø" and "o") make no difference.
    """
    return text.translate(_SEARCH)


def name_form(name: str) -> str:
    """Return the form in which two names are compared. Names that look the same have the same form.

    Capitals, invisible characters, full width and the number of spaces make no difference, but accents do.
    """
    return " ".join(name.translate(_NAMES).split())
