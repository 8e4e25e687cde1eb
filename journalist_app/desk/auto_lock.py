"""Who may use the open desk, and since when nobody did. One adviser, one browser, one worker's memory."""

import hmac
import secrets
import threading
import time
from collections.abc import Callable

from journalist_app.desk.open_desk import OpenDesk

_TOKEN_BYTES = 32


class AutoLock:
    """Holds the open desk between unlocking and locking; safe for threads.

    Locking is ending the worker: Python cannot wipe memory, the kernel can. `end_worker` does that.
    """

    def __init__(
        self,
        idle_seconds: float,
        end_worker: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.page_secret = secrets.token_bytes(_TOKEN_BYTES)  # for forms that are shown before unlocking
        self.unlocking = threading.Lock()  # Argon2id takes 256 MiB: one at a time
        self._idle_seconds = idle_seconds
        self._end_worker = end_worker
        self._clock = clock
        self._desk: OpenDesk | None = None
        self._token = b""
        self._last_use = 0.0
        self._closed = threading.Event()

    def admit(self, desk: OpenDesk) -> bytes:
        """Give the desk to whoever unlocked it; a browser that had it before is out. Returns their token."""
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
        """Return the desk for its token, unless it is locked or was idle for too long."""
        if self._desk is None or self._is_idle() or not hmac.compare_digest(token, self._token):
            return None
        return self._desk

    def touch(self) -> None:
        """Note that the adviser did something."""
        self._last_use = self._clock()

    def close(self) -> None:
        """Drop the keys. What Python left of them in memory goes with the worker: see `end`."""
        if self._desk is not None:
            self._desk.stop()
        self._desk = None
        self._token = b""
        self._closed.set()

    def end(self) -> None:
        """End the worker. Call it after the last answer has been sent."""
        self._end_worker()

    def _is_idle(self) -> bool:
        return self._clock() - self._last_use >= self._idle_seconds

    def _watch(self) -> None:
        while not self._is_idle():
            left = self._idle_seconds - (self._clock() - self._last_use)
            if self._closed.wait(max(left, 0.01)):
                return
        self.close()
        self.end()
