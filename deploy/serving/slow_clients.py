"""Socket wrapper that waits for slow clients, and disconnects clients that only keep a thread busy."""

import errno
import socket
import struct
import time
from typing import Any

STALL_SECONDS = 20  # longest wait without a single byte
# Average over a request or an answer. Even a bad mobile connection is ten times as fast.
LEAST_BYTES_A_SECOND = 512


class PatientSocket:
    """Socket that disconnects a client if the client stalls or sends too slowly.

    The kernel ends a single wait after `STALL_SECONDS`. An attacker could still occupy a thread forever, at
    no cost, by sending one byte every now and then. So after the first `STALL_SECONDS` of waiting, at least
    `LEAST_BYTES_A_SECOND` must have been transferred for each second of waiting. Only waiting counts, because
    the time that the server itself needs is not the client's fault.
    """

    def __init__(self, wrapped: socket.socket) -> None:
        self._wrapped = wrapped
        self.start_over()
        limit = struct.pack("ll", STALL_SECONDS, 0)
        wrapped.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        wrapped.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def start_over(self) -> None:
        """Set the counts of waiting time and bytes to zero, before a new request on the same connection."""
        self._waited_seconds = 0.0
        self._moved_bytes = 0

    def recv(self, size: int) -> bytes:
        """Receive at most `size` bytes from the client.

        Raises:
            ConnectionResetError: the client stalls or is too slow.
        """
        since = time.monotonic()
        try:
            received = self._wrapped.recv(size)
        except BlockingIOError as stalled:
            raise _too_slow() from stalled
        self._count(since, len(received))
        return received

    def sendall(self, outgoing: bytes) -> None:
        """Send all bytes of `outgoing` to the client.

        Raises:
            ConnectionResetError: the client does not read, or reads too slowly.
        """
        rest = memoryview(outgoing)
        while rest:
            since = time.monotonic()
            try:
                sent = self._wrapped.send(rest)
            except BlockingIOError as stalled:
                raise _too_slow() from stalled
            self._count(since, sent)
            rest = rest[sent:]

    def _count(self, since: float, moved_bytes: int) -> None:
        self._waited_seconds += time.monotonic() - since
        self._moved_bytes += moved_bytes
        least = self._waited_seconds * LEAST_BYTES_A_SECOND
        if self._waited_seconds > STALL_SECONDS and self._moved_bytes < least:
            raise _too_slow()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # any attribute of the wrapped socket
        return getattr(self._wrapped, name)


def _too_slow() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, "the client stalled")
