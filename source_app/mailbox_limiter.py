"""Limiter of requests that decrypt a mailbox: one at a time in a process, in a fair order, and few wait."""

from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Condition
from typing import Final

from source_app.errors import MailboxBusyError

REQUESTS_MAX: Final = 6  # of a process: over HTTP/1.1, a browser sends no more to a site at once


class MailboxLimiter:
    """Queue in which only one request of a process at a time decrypts a mailbox.

    The mailboxes take turns: a second request for a mailbox comes after the first request for each other
    mailbox. If more than `REQUESTS_MAX` requests decrypt or wait, the last in this order is refused.
    """

    def __init__(self) -> None:
        # In order, and the first one decrypts: this can take 100 MB and half a second. Each has the number of
        # its round, its own number, and its mailbox.
        self._queue: list[tuple[int, int, object]] = []
        self._queue_changed = Condition()
        self._numbers = count()

    @contextmanager
    def of(self, mailbox: object) -> Iterator[None]:
        """Wait until it is the turn of this request for a mailbox, such as the mailbox's address.

        A second call in one request would wait forever. Do not call this function while the request's body
        still arrives.

        Raises:
            MailboxBusyError: too many requests wait.
        """
        with self._queue_changed:
            mine = self._join(mailbox)
            self._queue_changed.wait_for(lambda: self._queue[0] == mine or mine not in self._queue)
            if mine not in self._queue:
                raise MailboxBusyError("too many requests wait for a mailbox")
        try:
            yield
        finally:
            with self._queue_changed:
                self._queue.remove(mine)
                self._queue_changed.notify_all()

    def _join(self, mailbox: object) -> tuple[int, int, object]:
        before = [turn[0] for turn in self._queue if turn == self._queue[0] or turn[2] == mailbox]
        mine = (max(before, default=0) + 1, next(self._numbers), mailbox)
        insort(self._queue, mine)
        del self._queue[REQUESTS_MAX:]
        self._queue_changed.notify_all()
        return mine
