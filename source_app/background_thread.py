"""Background thread for work that a visitor does not wait for, such as read receipts."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

_DELAY_SECONDS: Final = 1  # the requests for the rest of a page come earlier


class BackgroundThread:
    """Thread that runs functions one after another.

    Each function begins at least one second after `call` received it.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._thread = ThreadPoolExecutor(1, "background")  # starts its thread at first use, after the fork

    def call(self, work: Callable[[], None]) -> None:
        """Call `work` in the background, at least one second after this call."""
        # If work delayed the next response, an observer could measure, for example, that a message was read.
        due = time.monotonic() + _DELAY_SECONDS
        self._thread.submit(self._call_at, due, work)

    def _call_at(self, due: float, work: Callable[[], None]) -> None:
        self._sleep(max(0.0, due - time.monotonic()))
        work()
