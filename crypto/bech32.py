"""Bech32 without a length limit, as age writes keys.

Source: BIP 173, checksum and encoding; C2SP age, "Conventions used in this document".
"""

from crypto.errors import MalformedError

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)  # BIP 173, bech32_polymod
_CHECKSUM_DIGITS = 6


def to_bech32(prefix: str, raw: bytes) -> str:
    """Write bytes behind a prefix of one case; the whole text takes that case."""
    low = prefix.lower()
    digits = _to_digits(raw)
    text = low + "1" + "".join(_ALPHABET[digit] for digit in digits + _checksum(low, digits))
    return text if prefix == low else text.upper()


def from_bech32(prefix: str, text: str) -> bytes:
    """Read exactly what `to_bech32` writes with this prefix.

    The bytes are written again and compared: that refuses a wrong checksum, mixed case, another prefix and
    stray bits at the end, without a rule for each.

    Raises:
        MalformedError: anything else.
    """
    start, end = len(prefix) + 1, len(text) - _CHECKSUM_DIGITS
    digits = [_ALPHABET.find(letter) for letter in text[start:end].lower()]
    if -1 in digits:
        raise MalformedError
    raw = _from_digits(digits)
    if to_bech32(prefix, raw) != text:
        raise MalformedError
    return raw


def _to_digits(raw: bytes) -> list[int]:
    """Cut bytes into groups of five bits, the last filled with zeroes."""
    groups = -(-len(raw) * 8 // 5)
    number = int.from_bytes(raw) << (groups * 5 - len(raw) * 8)
    return [number >> (5 * place) & 31 for place in reversed(range(groups))]


def _from_digits(digits: list[int]) -> bytes:
    length = len(digits) * 5 // 8
    number = 0
    for digit in digits:
        number = number << 5 | digit
    return (number >> (len(digits) * 5 - length * 8)).to_bytes(length)


def _checksum(prefix: str, digits: list[int]) -> list[int]:
    spread = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    state = 1
    for digit in [*spread, *digits, *[0] * _CHECKSUM_DIGITS]:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ digit
        for place, generator in enumerate(_GENERATORS):
            state ^= generator if top >> place & 1 else 0
    state ^= 1
    return [state >> (5 * place) & 31 for place in reversed(range(_CHECKSUM_DIGITS))]
