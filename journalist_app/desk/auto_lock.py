"""Automatic lock: gives one browser access to the open desk, and locks the site after the idle time.

One adviser uses the site, in one browser. The desk's keys are in the memory of one worker process.
"""

import hmac
import secrets
import threading
import time
from collections.abc import Callable

from journalist_app.desk.open_desk import OpenDesk

_TOKEN_BYTES = 32


class AutoLock:
    """Automatic lock, which drops the unlocked desk and its keys after a time without activity.

    Locking calls `end_worker`, which ends the worker process. Thread-safe.
    """

    # Python cannot wipe keys from memory, but the kernel wipes the memory of a process that ends.

    def __init__(
        self,
        idle_seconds: float,
        end_worker: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Signs the forms that are shown before unlocking.
        self.page_secret = secrets.token_bytes(_TOKEN_BYTES)
        self.unlocking = threading.Lock()  # tries one passphrase at a time: Argon2id uses 256 MiB
        self._idle_seconds = idle_seconds
        # Ends the worker process, which wipes its memory. To be called after the last response was sent.
        self.end = end_worker
        self._clock = clock
        self._desk: OpenDesk | None = None
        self._token = b""
        self._last_use = 0.0
        self._closed = threading.Event()

    def admit(self, desk: OpenDesk) -> bytes:
        """Keep the unlocked desk in memory. Return a token for the cookie of the browser that unlocked it.

        From then on, tokens of earlier unlockings are refused.
        """
        self._token = secrets.token_bytes(_TOKEN_BYTES)
        self._last_use = self._clock()
        is_first = self._desk is None
        if self._desk is not None:
            self._desk.stop()
        self._desk = desk
        if is_first:
            threading.Thread(target=self._watch, name="idle lock", daemon=True).start()
        return self._token

    def desk_of(self, token: bytes) -> OpenDesk | None:
        """Return the unlocked desk for a browser's token.

        If the token is wrong or the desk is locked, return None.
        """
        if self._desk is None or self._is_idle() or not hmac.compare_digest(token, self._token):
            return None
        return self._desk

    def touch(self) -> None:
        """Reset the idle timer, because the adviser did something."""
        self._last_use = self._clock()

    def close(self) -> None:
        """Lock the site: drop the unlocked desk and its keys.

        Copies of the keys stay in memory until the worker process ends.
        """
        if self._desk is not None:
            self._desk.stop()
        self._desk = None
        self._token = b""
        self._closed.set()

    def _is_idle(self) -> bool:
        if self._desk is not None and self._desk.is_busy:
            self.touch()
        return self._clock() - self._last_use >= self._idle_seconds

    def _watch(self) -> None:
        while not self._is_idle():
            left = self._idle_seconds - (self._clock() - self._last_use)
            if self._closed.wait(max(left, 0.01)):
                return
        self.close()
        self.end()
