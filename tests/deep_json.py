"""Attack: JSON that is nested so deep that a parser which descends into it ends with RecursionError."""

from typing import Final

from protocol.content import Content, Kind

LEVELS: Final = 20_000
ARRAYS: Final = b"[" * LEVELS
OBJECTS: Final = b'{"a":' * LEVELS
DEEP: Final = (
    ARRAYS,
    OBJECTS,
    b'{"kind":' + ARRAYS,
    b'{"later":' + ARRAYS + b"]" * LEVELS + b"}",
    b'{"later":' + OBJECTS,
)


class DeepContent(Content, frozen=True):
    """Content that a hostile writer encrypts: as bytes, it is JSON that is nested very deep."""

    def to_bytes(self) -> bytes:
        return DEEP[2]


def deep_content() -> Content:
    return DeepContent(kind=Kind.MESSAGE, text="")
