"""Limiter of requests that decrypt a mailbox: one at a time in a process, in a fair order, and few wait."""

from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Condition
from typing import Final

from source_app.errors import MailboxBusyError

REQUESTS_MAX: Final = 6  # of a process: over HTTP/1.1, a browser sends no more to a site at once
# Mailboxes, and failed log-ins, whose last request is remembered. Argon2id runs about eight times a second,
# so an hour brings fewer failed log-ins. After an hour, their cookies are old.
_REMEMBERED_MAX: Final = 50_000


class MailboxLimiter:
    """Queue of a worker process. One request at a time decrypts a mailbox, and the others wait.

    The mailbox whose previous request is the oldest comes first, so that many requests for one mailbox do not
    delay the others. If the queue has more than `REQUESTS_MAX` requests, the last one in the queue is
    refused.
    """

    def __init__(self) -> None:
        # The first one decrypts: this can take 100 MB and half a second. The others are in order. Each has
        # the number of the previous request for its mailbox, its own number, and its mailbox.
        self._queue: list[tuple[int, int, int]] = []
        # The number of the last request that had its turn, for each mailbox, in order. The key is a hash of
        # the mailbox, with a secret of the process: a stranger's cookie can be long.
        self._previous: dict[int, int] = {}
        self._queue_changed = Condition()
        self._numbers = count(1)

    @contextmanager
    def of(self, mailbox: str | bytes) -> Iterator[None]:
        """Wait until this request may decrypt its mailbox.

        `mailbox` identifies the mailbox, for example by its address. A second call in one request would
        wait forever. Do not call this function while the request's body still arrives.

        Raises:
            MailboxBusyError: too many requests wait.
        """
        with self._queue_changed:
            name = hash(mailbox)
            waiting = [number for _, number, other in self._queue if other == name]
            mine = (max(waiting, default=self._previous.get(name, 0)), next(self._numbers), name)
            insort(self._queue, mine, lo=min(1, len(self._queue)))
            del self._queue[REQUESTS_MAX:]
            self._queue_changed.notify_all()
            self._queue_changed.wait_for(lambda: mine not in self._queue or self._queue[0] == mine)
            if mine not in self._queue:
                raise MailboxBusyError("too many requests wait for a mailbox")
            self._previous.pop(name, None)
            self._previous[name] = mine[1]
            if len(self._previous) > _REMEMBERED_MAX:
                del self._previous[next(iter(self._previous))]
        try:
            yield
        finally:
            with self._queue_changed:
                self._queue.remove(mine)
                self._queue_changed.notify_all()
