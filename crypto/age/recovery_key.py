"""Text forms of an age identity for paper: Bech32, and 24 words that have a checksum."""

import hashlib
import secrets
from contextlib import suppress
from typing import Final

from crypto.age.recipients import SEED_BYTES, PQIdentity
from crypto.errors import MalformedError
from crypto.passphrase import Language, typed_words, word_lists

RECOVERY_WORDS: Final = 24
_LISTED: Final = 4096  # the first words of a list: 12 bits for each word
_CHECKSUM_BYTES: Final = 4  # 24 words x 12 bits - 256 bits of the seed


def draw_identity() -> PQIdentity:
    """Draw a random post-quantum identity (secret key)."""
    return PQIdentity(secrets.token_bytes(SEED_BYTES))


def identity_words(identity: PQIdentity, language: Language) -> list[str]:
    """Return the seed of an identity, and a checksum of the seed, as 24 words of a word list."""
    seed = identity.to_bytes()
    number = int.from_bytes(seed + _checksum(seed))
    listed = word_lists()[language]
    places = (number // _LISTED**place % _LISTED for place in reversed(range(RECOVERY_WORDS)))
    return [listed[place] for place in places]


def read_identity(typed: str) -> PQIdentity | None:
    """Read an identity (secret key) that someone typed or scanned, as Bech32 or as words.

    Case and spaces make no difference. Return None for any other text, such as words with a wrong checksum.
    """
    with suppress(MalformedError):
        return PQIdentity.from_text("".join(typed.split()).upper())
    words = typed_words(typed)
    for listed in word_lists().values():
        places = {word: place for place, word in enumerate(listed[:_LISTED])}
        if len(words) == RECOVERY_WORDS and places.keys() >= set(words):
            number = sum(places[word] * _LISTED**power for power, word in enumerate(reversed(words)))
            raw = number.to_bytes(SEED_BYTES + _CHECKSUM_BYTES)
            if _checksum(raw[:SEED_BYTES]) == raw[SEED_BYTES:]:
                return PQIdentity(raw[:SEED_BYTES])
    return None


def _checksum(seed: bytes) -> bytes:
    return hashlib.sha256(seed).digest()[:_CHECKSUM_BYTES]
