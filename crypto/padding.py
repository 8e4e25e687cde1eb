"""Padding: sizes that reveal little about the true length (docs/protocol.md, "Primitives")."""

from typing import Final

STEPS: Final = (4096, 8192, 16384, 32768, 65536)


def padme(length: int) -> int:
    """Return the size to which the Padmé scheme pads `length` bytes.

    From 64 bytes on, the padding adds less than 12 %.

    Source: Nikitin, Barman, Lueks and others, "Reducing metadata leakage from encrypted files and
    communication with PURBs", PoPETs 2019(4), algorithm 1.
    """
    if length <= 2:  # noqa: PLR2004  # the logarithms below start at 3
        return length
    exponent = length.bit_length() - 1
    free_bits = exponent - exponent.bit_length()
    mask = (1 << free_bits) - 1
    return (length + mask) & ~mask


def padded_size(length: int) -> int:
    """Return the size in bytes to which JSON of `length` bytes is padded."""
    return next((size for size in STEPS if length <= size), padme(length))


def pad_json(raw: bytes) -> bytes:
    """Pad JSON with spaces at the end, up to its padded size. Every JSON parser ignores the spaces."""
    return raw.ljust(padded_size(len(raw)), b" ")
