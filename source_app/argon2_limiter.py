"""Rate limit for Argon2id: a bounded queue with a limit on parallel runs, shared by all worker processes.

One run of Argon2id takes 64 MiB and a tenth of a second of a core. The queue consists of lock files in one
folder on tmpfs: one for each place in the queue, a gate for the first caller in the queue, and one for each
parallel run (slot). The kernel releases these locks (flock) when a worker is killed. A counter in a file
would then stay too high forever.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from source_app.errors import QueueFullError

_T = TypeVar("_T")

_POLL_SECONDS = 0.002  # the first in the queue checks this often whether a slot is free
_NICENESS = 10  # reading a page has priority over deriving a key


class Argon2Limiter:
    """Queue that limits how many Argon2id computations run at once on the whole server.

    `at_once` callers run in parallel, and at most `waiting` more callers wait. Threads and worker processes
    share the queue through lock files in `folder`.
    """

    def __init__(self, folder: Path, *, at_once: int, waiting: int) -> None:
        self._gate = folder / "gate"
        self._places = [folder / f"place-{number}" for number in range(at_once + waiting)]
        self._slots = [folder / f"slot-{number}" for number in range(at_once)]
        # The pool starts its threads at first use, after the fork. A raised niceness cannot be lowered again.
        self._workers = ThreadPoolExecutor(at_once, "argon2", initializer=_lower_priority)

    def run(self, work: Callable[[], _T]) -> _T:
        """Wait in the queue for a free slot, then call `work` in a thread and return the result of `work`.

        Raises:
            QueueFullError: every place in the queue is taken. `work` was not called.
        """
        with ExitStack() as place:
            if not any(place.enter_context(_claim(path)) for path in self._places):
                raise QueueFullError("every place in the queue is taken")
            with ExitStack() as slot:
                with _claim(self._gate, waits=True):
                    while not any(slot.enter_context(_claim(path)) for path in self._slots):
                        time.sleep(_POLL_SECONDS)
                return self._workers.submit(work).result()


def _lower_priority() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)  # on Linux, 0 means this thread only


@contextmanager
def _claim(path: Path, *, waits: bool = False) -> Iterator[bool]:
    """Try to lock a lock file until the end of the `with` block.

    Yield True if the lock was free, and False otherwise. If `waits` is True, wait until the lock is free.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(lock)
