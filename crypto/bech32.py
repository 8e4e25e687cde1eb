"""Bech32 without a length limit, the text form of age keys.

Source: BIP 173, checksum and encoding; C2SP age, "Conventions used in this document".
"""

import functools
import operator
from collections.abc import Iterable

from crypto.errors import MalformedError

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)  # BIP 173, bech32_polymod
_CARRIED = tuple(  # value that is XORed into the state, for each value of its top five bits
    functools.reduce(operator.xor, (each for at, each in enumerate(_GENERATORS) if top >> at & 1), 0)
    for top in range(32)
)
_CHECKSUM_DIGITS = 6


def to_bech32(prefix: str, raw: bytes) -> str:
    """Encode bytes as Bech32 text with this prefix.

    The letters of the text are all lower case or all upper case, like the prefix.
    """
    low = prefix.lower()
    digits = _to_digits(raw)
    text = low + "1" + "".join(_ALPHABET[digit] for digit in digits + _checksum(low, digits))
    return text if prefix == low else text.upper()


def from_bech32(prefix: str, text: str) -> bytes:
    """Decode Bech32 text, and accept only the text that `to_bech32` writes with this prefix.

    Raises:
        MalformedError: `to_bech32` never writes this text with this prefix.
    """
    start, end = len(prefix) + 1, len(text) - _CHECKSUM_DIGITS
    digits = [_ALPHABET.find(letter) for letter in text[start:end].lower()]
    if -1 in digits:
        raise MalformedError
    raw = bytes(_regroup(digits, 5, 8))
    # This refuses a wrong checksum, mixed case, another prefix, and stray bits at the end.
    if to_bech32(prefix, raw) != text:
        raise MalformedError
    return raw


def _to_digits(raw: bytes) -> list[int]:
    """Split bytes into groups of five bits, one for each Bech32 character.

    Zero bits fill up the last group.
    """
    return _regroup([*raw, 0], 8, 5)[: -(-len(raw) * 8 // 5)]


def _regroup(groups: Iterable[int], of_bits: int, to_bits: int) -> list[int]:
    """Join the bits of `groups`, and split them into new groups of `to_bits` bits.

    Each old group has `of_bits` bits. Bits that do not fill the last new group are dropped.
    """
    regrouped = []
    held = bits = 0
    for group in groups:
        held = held << of_bits | group
        bits += of_bits
        while bits >= to_bits:
            bits -= to_bits
            regrouped.append(held >> bits)
            held &= (1 << bits) - 1
    return regrouped


def _checksum(prefix: str, digits: list[int]) -> list[int]:
    spread = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    state = 1
    for digit in [*spread, *digits, *[0] * _CHECKSUM_DIGITS]:
        state = (state & 0x1FFFFFF) << 5 ^ digit ^ _CARRIED[state >> 25]
    state ^= 1
    return [state >> (5 * place) & 31 for place in reversed(range(_CHECKSUM_DIGITS))]
