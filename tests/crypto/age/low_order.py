"""The points of low order of X25519: with such a public key, everyone knows the shared secret."""

from typing import Final

_PRIME: Final = 2**255 - 19
_OF_ORDER_8: Final = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
LOW_ORDER_POINTS: Final = tuple(
    number.to_bytes(32, "little") for number in (0, 1, *_OF_ORDER_8, _PRIME - 1, _PRIME, _PRIME + 1)
)
