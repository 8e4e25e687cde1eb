"""The passphrase of a source: drawing it, reading it as it is typed, and turning it into the root key."""

import secrets
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal, NewType

import nacl.pwhash.argon2id

RootKey = NewType("RootKey", bytes)
ROOT_KEY_BYTES: Final = 32

Language = Literal["nl", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("nl", "en")

SALT_BYTES: Final = nacl.pwhash.argon2id.SALTBYTES

_WORDS: Final = 7  # of 7,700 or more: at least 7 x 12.91 = 90.3 bits
_WORDS_OF_A_SHORT_LIST: Final = 8
_FULL_LIST: Final = 7_700
_TYPED_CHARS: Final = 1_000  # ten times the longest passphrase
_APOSTROPHES: Final = dict.fromkeys(
    # the typewriter apostrophe, grave and acute accent (twice in Unicode), single quotation marks, prime, and
    # the modifier letters and the full-width form of them
    (
        0x27,
        0x60,
        0xB4,
        0x2018,
        0x2019,
        0x201A,
        0x201B,
        0x2032,
        0x2B9,
        0x2BB,
        0x2BC,
        0x2BD,
        0x2C8,
        0x1FFD,
        0xFF07,
    )
)
_DOTLESS_I: Final = "\N{LATIN SMALL LETTER DOTLESS I}"


@dataclass(frozen=True, slots=True)
class Argon2Params:
    """Cost of a guess: `t` passes over `m_kib` KiB of memory in `p` lanes (libsodium allows one).

    The defaults took 113 to 135 ms on one core of an ordinary server. With 90 bits in the passphrase nobody
    guesses it even without this cost; it is there for the passphrase that was seen in part.
    """

    t: int = 3
    m_kib: int = 65_536
    p: int = 1


@cache
def word_list(language: Language) -> tuple[str, ...]:
    """Return the words of one language, sorted; read from the package once per process (they are public)."""
    listed = files("crypto.wordlists").joinpath(f"{language}.txt").read_text("ascii")
    return tuple(listed.split())


@cache
def _all_words() -> frozenset[str]:
    return frozenset(word for language in LANGUAGES for word in word_list(language))


def generate_passphrase(language: Language) -> str:
    """Draw a new passphrase: seven words (eight from a short list) with a space between them."""
    listed = word_list(language)
    count = _WORDS if len(listed) >= _FULL_LIST else _WORDS_OF_A_SHORT_LIST
    return " ".join(secrets.choice(listed) for _ in range(count))


def normalise_passphrase(typed: str) -> str:
    """Return the normal form of what was typed or pasted; two forms of one passphrase become equal.

    Accents, case, punctuation, line ends and the kind of space do not count. What no eye can see inside a
    word (a soft hyphen, a zero-width joiner, a byte-order mark) is dropped and does not split it. Digits do
    count: a page that shows a passphrase must not number its words.

    The normal form knows no list, so that a passphrase keeps opening its mailbox whatever becomes of the
    lists. Only the first 1,000 characters count: one log-in form with 60,000 accents and no letter between
    them held the interpreter, and so the whole site, for 13 seconds; twice as many take four times as long.
    """
    start = typed[:_TYPED_CHARS].translate(_APOSTROPHES)
    seen = "".join(char for char in start if unicodedata.category(char) != "Cf")
    plain = _without_marks(_without_marks(seen).casefold().replace(_DOTLESS_I, "i")).translate(_APOSTROPHES)
    words = "".join(char if char.isalnum() else " " for char in plain).split()
    return " ".join(words)[:_TYPED_CHARS].rstrip()  # one letter may have become eighteen


def _without_marks(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.category(char).startswith("M"))


def unknown_words(typed: str) -> list[int]:
    """Return the positions, from 0, of the words that stand on no list: likely slips of the typist."""
    known = _all_words()
    return [
        position for position, word in enumerate(normalise_passphrase(typed).split()) if word not in known
    ]


def derive_root_key(typed: str, site_salt: bytes, params: Argon2Params) -> RootKey:
    """Turn a passphrase into the root key of its mailbox; any text has one, so it never says "wrong".

    `site_salt` is 16 bytes, public and fixed for the desk's life. It makes a table of guesses computed for
    one desk useless at another; a salt per mailbox would have to be looked up by something that names the
    mailbox. The interpreter's lock is released while it runs.
    """
    key = nacl.pwhash.argon2id.kdf(
        ROOT_KEY_BYTES,
        normalise_passphrase(typed).encode(),
        site_salt,
        opslimit=params.t,
        memlimit=params.m_kib * 1024,
    )
    return RootKey(key)
