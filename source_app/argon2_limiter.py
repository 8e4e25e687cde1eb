"""Where people wait for Argon2id: 64 MiB and a tenth of a second of a core each, over all workers.

Three kinds of locks lie in one folder on tmpfs: a place in the line, the gate where the first in line stands,
and a slot to work in. They are flocks, which the kernel frees when a worker is killed; a counter in a file
would stay too high for ever.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from source_app.errors import LineFullError

_T = TypeVar("_T")

_LOOK_SECONDS = 0.002  # how often the first in line looks for a free slot
_NICENESS = 10  # whoever reads a page goes before whoever waits for a passphrase


class Argon2Limiter:
    """A line of at most `waiting` people before `at_once` slots. Safe for threads, forks and processes."""

    def __init__(self, folder: Path, *, at_once: int, waiting: int) -> None:
        self._gate = folder / "gate"
        self._places = [folder / f"place-{number}" for number in range(at_once + waiting)]
        self._slots = [folder / f"slot-{number}" for number in range(at_once)]
        # Starts its threads at first use, so after the fork. Raising a thread's niceness cannot be undone.
        self._workers = ThreadPoolExecutor(at_once, "argon2", initializer=_give_way)

    def run(self, work: Callable[[], _T]) -> _T:
        """Wait in line, then work.

        Raises:
            LineFullError: every place is taken; nothing was done.
        """
        with ExitStack() as place:
            if not any(place.enter_context(_claim(path)) for path in self._places):
                raise LineFullError("every place in the line is taken")
            with ExitStack() as slot:
                with _wait_for(self._gate):
                    while not any(slot.enter_context(_claim(path)) for path in self._slots):
                        time.sleep(_LOOK_SECONDS)
                return self._workers.submit(work).result()


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)  # on Linux 0 names this thread alone


@contextmanager
def _claim(path: Path) -> Iterator[bool]:
    """Hold a lock, if it is free; say whether we do."""
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(lock)


@contextmanager
def _wait_for(path: Path) -> Iterator[None]:
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
