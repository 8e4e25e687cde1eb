"""Passphrases of sources: draw one, normalise a typed one, and derive the root key (Argon2id)."""

import re
import secrets
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal, NewType

import nacl.pwhash.argon2id

RootKey = NewType("RootKey", bytes)
ROOT_KEY_BYTES: Final = 32

# The languages of the adviser's site. The names of mailboxes are Dutch words in every language.
Language = Literal["nl", "en"]
LANGUAGES: Final[tuple[Language, Language]] = ("nl", "en")
DUTCH, ENGLISH = LANGUAGES

SALT_BYTES: Final = nacl.pwhash.argon2id.SALTBYTES

PASSPHRASE_WORDS: Final = 7  # from a list of 7,700 or more: at least 7 x 12.91 = 90.3 bits
_WORDS_OF_A_SHORT_LIST: Final = 8
_FULL_LIST: Final = 7_700
_TYPED_CHARS: Final = 1_000  # ten times the longest passphrase
# The typewriter apostrophe, grave and acute accent (twice in Unicode), single quotation marks, prime, and the
# modifier letters and the full-width form of them. They are dropped.
_APOSTROPHES: Final = dict.fromkeys(
    [
        *(0x27, 0x60, 0xB4, 0x2018, 0x2019, 0x201A, 0x201B, 0x2032),
        *(0x2B9, 0x2BB, 0x2BC, 0x2BD, 0x2C8, 0x1FFD, 0xFF07),
    ]
)
_NO_LETTERS: Final = {code: " " for code in range(128) if not chr(code).isalpha()}
_LETTERS_AND_DIGITS: Final = re.compile(r"[^\W_]+")
_LEAST_MEMORY = 8192  # bytes; libsodium's minimum
_DOTLESS_I: Final = "\N{LATIN SMALL LETTER DOTLESS I}"


@dataclass(frozen=True, slots=True)
class Argon2Params:
    """Cost of one guess of a passphrase: Argon2id makes `t` passes over `m_kib` KiB of memory in `p` lanes.

    libsodium allows only one lane. A guess with the default cost takes about an eighth of a second.
    """

    t: int = 3
    m_kib: int = 65_536
    p: int = 1


@cache
def word_lists() -> dict[str, tuple[str, ...]]:
    """Return the word list of each language that has a file in `wordlists/`. Each process reads them once.

    A key is the code of a language, which is the name of its file. The lists are public, and sorted.
    """
    found = [path for path in files("crypto.wordlists").iterdir() if path.name.endswith(".txt")]
    return {path.name.removesuffix(".txt"): tuple(path.read_text("ascii").split()) for path in found}


@cache
def all_words() -> frozenset[str]:
    """Return the words of the lists of all languages."""
    return frozenset(word for listed in word_lists().values() for word in listed)


def generate_passphrase(language: str) -> str:
    """Draw a new passphrase: seven random words with spaces between. From a short list, draw eight words."""
    listed = word_lists()[language]
    count = PASSPHRASE_WORDS if len(listed) >= _FULL_LIST else _WORDS_OF_A_SHORT_LIST
    return " ".join(secrets.choice(listed) for _ in range(count))


def normalise_passphrase(typed: str) -> str:
    """Return the normal form of a typed or pasted passphrase, which is the same for all spellings.

    The normal form ignores accents, case, punctuation and the kind of white space. Digits are kept, so a page
    must not number the words. Only the first 1,000 characters are used.
    """
    start = typed[:_TYPED_CHARS].translate(_APOSTROPHES)
    folded = _without_marks(_without_category(start, "Cf")).casefold().replace(_DOTLESS_I, "i")
    plain = _without_marks(folded).translate(_APOSTROPHES)
    words = _LETTERS_AND_DIGITS.findall(plain)
    return " ".join(words)[:_TYPED_CHARS].rstrip()  # normalising may turn one letter into eighteen


def _without_marks(text: str) -> str:
    return _without_category(unicodedata.normalize("NFKD", text), "M")


def _without_category(text: str, start: str) -> str:
    """Return a text without the characters whose Unicode category begins with `start`."""
    dropped = [char for char in set(text) if unicodedata.category(char).startswith(start)]
    return text.translate(dict.fromkeys(map(ord, dropped)))


def typed_words(typed: str) -> list[str]:
    """Return the words of a typed passphrase in normal form, without words that are only digits.

    A person may type "1" before the first word, "2" before the second, and so on. These numbers are left out.
    """
    return [word for word in normalise_passphrase(typed).split() if not word.isdecimal()]


def contains_passphrase(text: str) -> bool:
    """Return True if a text has seven words of the word lists in a row, like a drawn passphrase.

    Digits, punctuation and line ends between the words make no difference. A passphrase with a typing error
    is not recognised.
    """
    lower = text.casefold()
    plain = lower.translate(_NO_LETTERS)  # without a regular expression, the search takes half as long
    words = plain.split() if plain.isascii() else re.findall(r"[^\W\d_]+", lower)
    if not plain.isascii() or text != text.translate(_APOSTROPHES):
        # The normal form finds a passphrase that was typed with other accents.
        words += ["", *normalise_passphrase(text).split()]
    known = all_words()
    return "x" * PASSPHRASE_WORDS in "".join(["x" if word in known else " " for word in words])


def derive_root_key(typed: str, site_salt: bytes, params: Argon2Params) -> RootKey:
    """Derive the root key (32 bytes) of a mailbox from its passphrase.

    Every text gives a root key, so a wrong passphrase raises no exception. `site_salt` is 16 bytes, public,
    and fixed as long as the desk exists.
    """
    password = normalise_passphrase(typed).encode()
    memory = params.m_kib * 1024
    kdf = nacl.pwhash.argon2id.kdf
    root = RootKey(kdf(ROOT_KEY_BYTES, password, site_salt, opslimit=params.t, memlimit=memory))
    # libsodium leaves the key on this thread's stack. A second run, as small as possible, overwrites it.
    kdf(ROOT_KEY_BYTES, b"", site_salt, opslimit=1, memlimit=_LEAST_MEMORY)
    return root
