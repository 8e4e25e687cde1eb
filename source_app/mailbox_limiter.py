"""Limiter of requests that decrypt a mailbox: one at a time in a process, and few for one mailbox."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from protocol.identifiers import Address
from source_app.errors import MailboxBusyError

_REQUESTS_AT_ONCE: Final = 6  # for one mailbox: over HTTP/1.1, a browser sends no more to a site at once


class MailboxLimiter:
    """Lock with which only one request of a process at a time decrypts a mailbox.

    If too many requests for the same mailbox already wait for the lock, further requests are refused.
    """

    def __init__(self) -> None:
        self._lock = Lock()  # decrypting a mailbox can take 100 MB and half a second
        self._counting = Lock()
        self._requests: Counter[Address] = Counter()  # that wait or decrypt

    @contextmanager
    def of(self, address: Address) -> Iterator[None]:
        """Wait until this request may decrypt the mailbox with this address.

        A second call in one request would wait forever. Do not call this function while the request's body
        still arrives.

        Raises:
            MailboxBusyError: too many requests for this mailbox already wait.
        """
        with self._counting:
            if self._requests[address] >= _REQUESTS_AT_ONCE:
                raise MailboxBusyError("too many requests for one mailbox")
            self._requests[address] += 1
        try:
            with self._lock:
                yield
        finally:
            with self._counting:
                self._requests[address] -= 1
                if not self._requests[address]:
                    del self._requests[address]
