"""Stream of several pouches (sync bundles) over one connection.

Each pouch is built while the pouch before it is transferred.
"""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final

from crypto.framing import frame
from protocol.pouch.pouch_items import ITEM_BYTES
from sync.build import TARGET_BYTES
from sync.errors import SyncRefusal, SyncRefusedError

POUCH_PATH: Final = "/pouch"  # where the HTTP endpoint receives and answers the stream
# Largest pouch that a receiver accepts. The last item may be one of the largest, and there is padding.
POUCH_BYTES: Final = 2 * (TARGET_BYTES + ITEM_BYTES)
_LENGTH_BYTES: Final = 4


def frame_pouches(pouches: Iterator[bytes]) -> Iterator[bytes]:
    """Write several pouches (sync bundles) as one stream.

    The length of each pouch comes before the pouch. A length of 0 ends the stream. The first pouch is built
    before this function returns, so that a failure is raised here.
    """
    return _framed(itertools.chain([next(pouches)], pouches))


def _framed(pouches: Iterator[bytes]) -> Iterator[bytes]:
    with ThreadPoolExecutor(1) as pool:
        yield from map(frame, prefetch(pool, pouches))
    yield frame(b"")


def read_pouches(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the pouches (sync bundles) of the server's answer, at least one.

    `read(n)` returns n bytes, or fewer bytes at the end of the connection.

    Raises:
        SyncRefusedError: UNREACHABLE: the stream breaks off, has no pouch, or has a pouch that is too long.
    """
    is_empty = True
    while length := int.from_bytes(_read_exactly(read, _LENGTH_BYTES)):
        if length > POUCH_BYTES:
            raise SyncRefusedError(SyncRefusal.UNREACHABLE)
        yield _read_exactly(read, length)
        is_empty = False
    if is_empty:
        raise SyncRefusedError(SyncRefusal.UNREACHABLE)


def _read_exactly(read: Callable[[int], bytes], length: int) -> bytes:
    found = read(length)
    if len(found) != length:
        raise SyncRefusedError(SyncRefusal.UNREACHABLE)
    return found


def prefetch(pool: Executor, pouches: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pouches (sync bundles). While the caller uses one pouch, a thread of `pool` gets the next one."""
    upcoming = pool.submit(next, pouches, None)
    while (pouch := upcoming.result()) is not None:
        upcoming = pool.submit(next, pouches, None)
        yield pouch
