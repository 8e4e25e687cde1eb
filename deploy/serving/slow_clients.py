"""A client's connection that waits for a slow line, but not for one that only keeps a thread busy."""

import errno
import socket
import struct
import time
from typing import Any

STALL_SECONDS = 20  # without a single byte
LEAST_BYTES_A_SECOND = 512  # over the whole of a request or answer; a bad mobile line does ten times that


class PatientSocket:
    """Wrap a socket so that a stalled or dripping client is cut off.

    The kernel ends a single wait after `STALL_SECONDS`. A client that sends one byte every so often would
    still hold a thread for ever (an attack that costs nothing), so after the first `STALL_SECONDS` of
    waiting, what was moved must be at least `LEAST_BYTES_A_SECOND` for each second waited. Only waiting
    counts: what the server itself takes is not the client's fault.
    """

    def __init__(self, wrapped: socket.socket) -> None:
        self._wrapped = wrapped
        self.start_over()
        limit = struct.pack("ll", STALL_SECONDS, 0)
        wrapped.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        wrapped.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def start_over(self) -> None:
        """Begin a new request with a clean slate."""
        self._waited_seconds = 0.0
        self._moved_bytes = 0

    def recv(self, size: int) -> bytes:
        """Receive at most `size` bytes.

        Raises:
            ConnectionResetError: the client stalls or drips.
        """
        since = time.monotonic()
        try:
            received = self._wrapped.recv(size)
        except BlockingIOError as stalled:
            raise _gave_up() from stalled
        self._count(since, len(received))
        return received

    def sendall(self, outgoing: bytes) -> None:
        """Send all of `outgoing`.

        Raises:
            ConnectionResetError: the client does not take it.
        """
        rest = memoryview(outgoing)
        while rest:
            since = time.monotonic()
            try:
                sent = self._wrapped.send(rest)
            except BlockingIOError as stalled:
                raise _gave_up() from stalled
            self._count(since, sent)
            rest = rest[sent:]

    def _count(self, since: float, moved_bytes: int) -> None:
        self._waited_seconds += time.monotonic() - since
        self._moved_bytes += moved_bytes
        if self._waited_seconds > STALL_SECONDS:
            least = self._waited_seconds * LEAST_BYTES_A_SECOND
            if self._moved_bytes < least:
                raise _gave_up()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the wrapped socket has
        return getattr(self._wrapped, name)


def _gave_up() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, "the client stalled")
