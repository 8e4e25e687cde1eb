"""What goes back over a line: pouches one behind the other, each made while the one before is carried."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final

from crypto.framing import frame
from protocol.pouch.pouch_items import ITEM_BYTES
from sync.build import DIRECT_BYTES
from sync.errors import UnreachableError

POUCH_BYTES: Final = 2 * (DIRECT_BYTES + ITEM_BYTES)  # the last item may be one of the largest; and padding
_LENGTH_BYTES: Final = 4


def written(pouches: Iterator[bytes]) -> Iterator[bytes]:
    """Return the bytes of an answer: `frame(pouch) … frame("")`.

    What `pouches` refuses at its first is refused here, before a byte has gone.
    """
    return _written(itertools.chain([next(pouches)], pouches))


def _written(pouches: Iterator[bytes]) -> Iterator[bytes]:
    with ThreadPoolExecutor(1) as pool:
        yield from map(frame, ahead(pool, pouches))
    yield frame(b"")


def read_pouches(take: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the pouches of an answer, at least one. `take` gives so many bytes, fewer at the end of the line.

    Raises:
        UnreachableError: it breaks off, holds none, or one that is too long.
    """
    length = _length(take)
    if length == 0:
        raise UnreachableError
    while length:
        yield _exactly(take, length)
        length = _length(take)


def _length(take: Callable[[int], bytes]) -> int:
    length = int.from_bytes(_exactly(take, _LENGTH_BYTES))
    if length > POUCH_BYTES:
        raise UnreachableError
    return length


def _exactly(take: Callable[[int], bytes], length: int) -> bytes:
    taken = take(length)
    if len(taken) != length:
        raise UnreachableError
    return taken


def ahead(pool: Executor, pouches: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pouches, and have the next one come on a thread of `pool` while each is being used."""
    coming = pool.submit(next, pouches, None)
    while (pouch := coming.result()) is not None:
        coming = pool.submit(next, pouches, None)
        yield pouch
