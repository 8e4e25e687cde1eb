"""Rate limit for Argon2id: a limit on parallel runs, and a queue in which the longest waiting come first.

One run of Argon2id takes 64 MiB and a tenth of a second of a core. All worker processes share the limit on
parallel runs, through one lock file for each run (slot) in a folder on tmpfs. The kernel releases these locks
(flock) when a worker is killed. A counter in a file would then stay too high forever.
"""

import fcntl
import os
import threading
from bisect import insort
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from source_app.errors import QueueFullError
from source_app.queue_place import QueuePlace

_T = TypeVar("_T")

WAIT_SECONDS: Final = range(10, 61, 10)  # a page asks visitors to wait this long before they try again

_POLL_SECONDS = 0.002  # the first in the queue checks this often whether a slot is free
_NICENESS = (
    1  # above the server's own: reading a page comes first, but a flood of pages must not stop the log-ins
)


class Argon2Limiter:
    """Limit on the number of Argon2id computations that run at the same time on the whole server.

    Each worker process has its own queue, in which at most `waiting` callers wait. If this queue is full, the
    caller who has waited the shortest time is refused.
    """

    def __init__(self, folder: Path, *, at_once: int, waiting: int) -> None:
        self._slots = [folder / f"slot-{number}" for number in range(at_once)]
        self._waiting = waiting
        self._queue: list[QueuePlace] = []  # in order: the first has waited longest
        self._in_use: set[QueuePlace] = set()  # of callers in the queue, and of those whose work runs
        self._queue_changed = threading.Condition()
        self._last_wait_seconds = 0.0  # how long the last one who got a slot had waited
        # The pool starts its threads at first use, after the fork. On Linux, `nice` changes only one thread.
        # A raised niceness cannot be lowered again.
        self._workers = ThreadPoolExecutor(at_once, "argon2", initializer=os.nice, initargs=(_NICENESS,))

    def run(self, work: Callable[[], _T], place: QueuePlace | None = None) -> _T:
        """Wait in the queue for a free slot, then call `work` in a thread and return the result of `work`.

        `place` says since when the caller has waited. If `place` is None, the wait begins now.

        Raises:
            QueueFullError: the queue is full of callers who have waited longer, or another caller waits with
                the same `place`. `work` was not called.
        """
        place = place or QueuePlace.new()
        with self._queue_changed:
            if place in self._in_use:
                raise self._refusal(place)
            self._in_use.add(place)
        try:
            with os.fdopen(self._wait_for_slot(place)):  # closing it frees the lock
                return self._workers.submit(work).result()
        finally:
            self._in_use.remove(place)

    def _wait_for_slot(self, place: QueuePlace) -> int:
        with self._queue_changed:
            if len(self._queue) >= self._waiting > 0 and place > self._queue[-1]:
                raise self._refusal(place)  # the usual case in a flood: disturbs no one who waits
            insort(self._queue, place)
            self._queue_changed.notify_all()
            try:
                while True:
                    is_first = self._queue[0] == place
                    if is_first and (slot := _lock_one(self._slots)) is not None:
                        self._last_wait_seconds = place.waited_seconds
                        return slot
                    if place in self._queue[self._waiting :]:
                        raise self._refusal(place)
                    self._queue_changed.wait(_POLL_SECONDS if is_first else None)
            finally:
                self._queue.remove(place)
                self._queue_changed.notify_all()

    def _refusal(self, place: QueuePlace) -> QueueFullError:
        left = self._last_wait_seconds - place.waited_seconds
        return QueueFullError(place, next((each for each in WAIT_SECONDS if each >= left), WAIT_SECONDS[-1]))


def _lock_one(paths: Sequence[Path]) -> int | None:
    """Lock the first free file. Return its open file descriptor, or None if no file is free."""
    for path in paths:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return lock
    return None
