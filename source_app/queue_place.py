"""Place in the queue of log-ins: how long a visitor has waited, sealed in the form that they send again.

See docs/protocol.md, "Sessions".
"""

import hashlib
import secrets
import struct
import time
from dataclasses import dataclass
from typing import Final, Self

from crypto.errors import UnreadableError
from crypto.framing import frame
from source_app.sealed_field import open_field, seal_field

PLACE_SECONDS: Final = 120  # a visitor who comes back within this time keeps the place

_PURPOSE: Final = b"queue-place"
_FIELDS: Final = struct.Struct(">QQ8s")  # the moment of the first attempt, the last moment, the number
_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, order=True)
class QueuePlace:
    """Place of one visitor in the queue: the moment of the first attempt, and a random number of 8 bytes.

    The visitor who has waited longest comes first. `since` is in nanoseconds of the monotonic clock that all
    processes share.
    """

    since: int
    number: bytes  # of one wait only: says nothing about the visitor

    @classmethod
    def new(cls) -> Self:
        """Return the place of a visitor who begins to wait now."""
        return cls(time.monotonic_ns(), secrets.token_bytes(8))

    @property
    def waited_seconds(self) -> float:
        """Return how long the visitor has waited."""
        return (time.monotonic_ns() - self.since) / _SECOND

    @property
    def spent_name(self) -> bytes:
        """Return the name (32 bytes) by which the session store remembers that this place was used."""
        return hashlib.sha256(frame(b"steunpunt/v1/spent-place", self.number)).digest()


def seal_place(place: QueuePlace, server_secret: bytes) -> str:
    """Encrypt a visitor's place in the queue for a form. The result is valid for two minutes."""
    last = time.monotonic_ns() + PLACE_SECONDS * _SECOND
    return seal_field(_FIELDS.pack(place.since, last, place.number), server_secret, _PURPOSE)


def open_place(given: str, server_secret: bytes) -> QueuePlace:
    """Decrypt a visitor's place in the queue, from a form that the visitor sent again.

    Raises:
        UnreadableError: the place is older than two minutes, was changed, or was made before the server was
            started again.
    """
    since, last, number = _FIELDS.unpack(open_field(given, server_secret, _PURPOSE))
    if time.monotonic_ns() > last:
        raise UnreadableError
    return QueuePlace(since, number)
