"""Sockets of clients that may be slow, and the few places for slow clients that occupy a thread.

A client with a small request occupies no thread while it sends and reads: the worker's event loop collects
the request, and sends what the client has not read yet. Only a large upload occupies a thread for as long as
the client takes. The number of these clients is limited. If another client needs a place, the slowest of them
loses its place.
"""

import contextlib
import errno
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

STALL_SECONDS = 20  # for a small request as a whole, and the longest wait of a thread without a single byte
# Average over a request. Even a bad mobile connection is ten times as fast.
LEAST_BYTES_A_SECOND = 512
# Who is slower than this loses its place to another client, but not in its first seconds of waiting.
_FAIR_BYTES_A_SECOND = 8 * 1024
_GRACE_SECONDS = 2

HEAD_BYTES = 16 * 1024
SMALL_BODY_BYTES = 16 * 1024  # a larger body needs a place
ANSWER_BYTES = 256 * 1024  # if a client has not read more than this, making the rest of its answer pauses
# What the kernel keeps of an answer. With megabytes, a client could seem to read nothing for a minute.
_KERNEL_BYTES = 64 * 1024
_READ_BYTES = 128 * 1024  # of a body at once

# Attack: `000...0x`. Without "+" after each repetition, searching takes the square of the number of zeros.
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*+(?=\d)0*+(\d{0,15}+)(\d*+)[ \t]*+\r\n", re.IGNORECASE)
_CODING = re.compile(rb"\r\ntransfer-encoding:[ \t]*+(chunked[ \t]*+\r\n)?", re.IGNORECASE)
# The line break before a chunk, and its first line: the size, and perhaps an extension.
_CHUNK = re.compile(rb"\r\n([0-9a-f]{1,15}+)(?:[ \t]*+;[^\r\n]*+)?\r\n", re.IGNORECASE)
_CHUNK_LINE_BYTES = 256  # a longer line is malformed, so that no line is read again for each of its bytes
_EXPECT = re.compile(rb"\r\nexpect:", re.IGNORECASE)
_IS_REFUSED_WITH_EXPECT = b" HTTP/1.1"  # with HTTP/1.0, gunicorn ignores the header and reads the body


class Arrival(Enum):
    """State of an arriving request, such as partly arrived or complete."""

    PART = auto()
    WHOLE = auto()  # a thread can read the request without waiting
    LARGE = auto()  # the head and the beginning of a large body: a thread has to wait for the rest
    NOTHING = auto()  # the client closed its end before a new request
    LONG_HEAD = auto()  # the head is over its limit


@dataclass(frozen=True, slots=True)
class _Head:
    """Facts in the head of a request. `end` is the position of the empty line after the head."""

    end: int
    body_bytes: int
    is_coded: bool  # the body is in chunks
    is_odd: bool  # nothing more is read: two lengths, or another coding than chunks
    is_refused: bool


def _read_head(received: bytearray) -> _Head | None:
    """Parse the head of a request. Return None if the head has not arrived completely."""
    end = received.find(b"\r\n\r\n", 0, HEAD_BYTES)
    if end < 0:
        return None
    head = received[: end + 2]
    length, coding = _LENGTH.search(head), _CODING.search(head)
    body_bytes = 0 if length is None else int(length[1] or 0)
    if length and length[2]:  # more than 15 digits
        body_bytes = sys.maxsize
    is_refused = head.partition(b"\r\n")[0].endswith(_IS_REFUSED_WITH_EXPECT) and _EXPECT.search(head)
    return _Head(
        end, body_bytes, bool(coding), bool(coding and (length or not coding[1])), is_refused=bool(is_refused)
    )


class Places:
    """Limited number of places. A slow client may occupy a thread only while the client has a place."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken: set[PatientSocket] = set()
        self._lock = threading.Lock()

    def claim(self, client: "PatientSocket") -> bool:
        """Give a client a place, so that the client may occupy a thread. Return False if no place is free.

        If all places are taken, the slowest client loses its place if it sends less than 8 KiB a second.
        """
        with self._lock:
            if len(self._taken) >= self._count:
                slowest = min(self._taken, key=PatientSocket.lead_bytes)
                if slowest.lead_bytes() >= 0:
                    return False
                self._taken.remove(slowest)
                slowest.disconnect()
            self._taken.add(client)
            return True

    def free(self, client: "PatientSocket") -> None:
        """Free the place of a client, if the client has one."""
        with self._lock:
            self._taken.discard(client)


class PatientSocket:
    """Socket of a client that can be slow. Only `recv` waits for the client.

    The event loop calls `collect` and `send_rest`. A thread calls `recv` and `sendall`, as on any socket.
    """

    def __init__(self, wrapped: socket.socket, occupy: Callable[[], bool] = lambda: True) -> None:
        self.occupy = occupy
        self.received = bytearray()
        self.unsent = bytearray()
        self._wrapped = wrapped
        self._is_at_end = False  # nothing more is read: the client closed its end, or sent a malformed body
        self._is_disconnected = False
        self.answer_since: float | None = None
        self._read_bytes = 0  # of this answer
        self.moved_at = time.monotonic()  # when the client connected, or last sent or read a byte
        self.held_until = 0.0  # on the monotonic clock: no part of an answer is sent before this moment
        self.start_over()
        limit = struct.pack("ll", STALL_SECONDS, 0)
        wrapped.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        wrapped.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)

    def start_over(self) -> None:
        """Set the counts of waiting time and bytes to zero, before a new request on the same connection."""
        self._waited_seconds = 0.0
        self._moved_bytes = 0
        self._waits_since: float | None = None
        self._least_bytes_a_second = LEAST_BYTES_A_SECOND
        self.has_place = False
        self._head: _Head | None = None  # read once, although a body can arrive byte by byte
        self._chunk_at = 0  # in `received`: the chunk that has not arrived completely

    def hurry(self) -> None:
        """Raise the required speed of this client to 8 KiB a second.

        The app calls this method for a visitor without a session. A slower request is refused after
        `STALL_SECONDS` of waiting.
        """
        self._least_bytes_a_second = _FAIR_BYTES_A_SECOND

    def hold(self, seconds: float) -> None:
        """Make the event loop send the answer after `seconds`, and not before. No thread waits for this."""
        self.held_until = time.monotonic() + seconds

    def collect(self) -> Arrival:
        """Receive what has arrived of a request, without waiting. Return how much of the request is here.

        Raises:
            OSError: the client disconnected.
        """
        try:
            piece = self._wrapped.recv(
                HEAD_BYTES + SMALL_BODY_BYTES - len(self.received), socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return Arrival.PART
        self.received += piece
        self.moved_at = time.monotonic()
        self._is_at_end = not piece
        return self.arrival()

    def arrival(self) -> Arrival:
        """Return how much of a request has arrived."""
        if self._is_at_end:
            return Arrival.WHOLE if self.received else Arrival.NOTHING
        self._head = self._head or _read_head(self.received)
        if not self._head:
            return Arrival.LONG_HEAD if len(self.received) >= HEAD_BYTES else Arrival.PART
        head, body_bytes = self._head, len(self.received) - self._head.end - 4
        self._is_at_end = head.is_odd
        if head.is_refused or (head.is_coded and self._has_last_chunk(head.end + 2)):
            return Arrival.WHOLE
        if head.is_coded or head.body_bytes > SMALL_BODY_BYTES:
            return Arrival.LARGE if body_bytes >= SMALL_BODY_BYTES else Arrival.PART
        return Arrival.WHOLE if body_bytes >= head.body_bytes else Arrival.PART

    def _has_last_chunk(self, first: int) -> bool:
        """Return True if a chunked body has arrived completely, or if it is malformed.

        `first` is the position of the line break before the first chunk.
        """
        self._chunk_at = max(first, self._chunk_at)
        while chunk := _CHUNK.match(self.received, self._chunk_at, self._chunk_at + _CHUNK_LINE_BYTES):
            if not int(chunk[1], 16):
                return self.received.find(b"\r\n\r\n", chunk.end() - 2) >= 0  # the end of the trailers
            self._chunk_at = chunk.end() + int(chunk[1], 16)
        line = self.received[self._chunk_at : self._chunk_at + _CHUNK_LINE_BYTES]
        is_malformed = line[:2] != b"\r\n"[: len(line)] or b"\n" in line[2:]
        self._is_at_end |= is_malformed or len(line) == _CHUNK_LINE_BYTES
        return self._is_at_end

    def send_rest(self) -> bool:
        """Send as much as the connection accepts now, without waiting. Return True if everything is sent.

        Nothing is sent while the app holds the answer.

        Raises:
            OSError: the client disconnected.
        """
        while self.unsent:
            if time.monotonic() < self.held_until:
                return False
            try:
                sent = self._wrapped.send(self.unsent, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            del self.unsent[:sent]
            self._read_bytes += sent
            self.moved_at = time.monotonic()
        return True

    def discard(self) -> bool:
        """Discard bytes that have arrived, without waiting. Return True if the client has closed its end."""
        try:
            return not self._wrapped.recv(HEAD_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def recv(self, size: int) -> bytes:
        """Receive at most `size` bytes from the client.

        Raises:
            ConnectionResetError: the client stalls or is too slow, or there is no place for slow clients.
        """
        if self.received:
            piece = bytes(self.received[:size])
            del self.received[:size]
            return piece
        if self._is_at_end or self._is_disconnected:
            return b""
        self._take_place()
        since = self._waits_since = time.monotonic()
        try:
            received = self._wrapped.recv(min(size, _READ_BYTES))  # gunicorn asks for a megabyte
        except BlockingIOError as stalled:
            raise _too_slow() from stalled
        finally:
            self._waits_since = None
            self._waited_seconds += time.monotonic() - since
        self._moved_bytes += len(received)
        least = self._waited_seconds * self._least_bytes_a_second
        if self._waited_seconds > STALL_SECONDS and self._moved_bytes < least:
            raise _too_slow()
        return received

    def sendall(self, outgoing: bytes) -> None:
        """Send as much as the connection accepts now, and keep the rest for the event loop.

        Raises:
            OSError: the client disconnected.
        """
        if self.answer_since is None:
            self.answer_since, self._read_bytes = time.monotonic(), 0
        self.unsent += outgoing
        self.send_rest()

    def lead_bytes(self) -> float:
        """Return how many bytes the client has sent, minus 8 KiB for each second of waiting.

        The first two seconds of waiting do not count. A client with a negative result can lose its place.
        """
        since = self._waits_since
        waited = self._waited_seconds + (0 if since is None else time.monotonic() - since)
        return self._moved_bytes - _FAIR_BYTES_A_SECOND * max(0, waited - _GRACE_SECONDS)

    def reading_lead_bytes(self) -> float:
        """Return how many bytes of its answer the client has read, minus 8 KiB for each second so far.

        The result is negative if the client reads less than 8 KiB a second.
        """
        since = self.answer_since
        waited = 0 if since is None else time.monotonic() - since
        return self._read_bytes - _FAIR_BYTES_A_SECOND * waited

    def disconnect(self) -> None:
        """End the wait of the thread that this client occupies. Call this method from another thread.

        The client still gets an answer, which says that its request did not arrive completely.
        """
        self._is_disconnected = True
        with contextlib.suppress(OSError):  # the client disconnected
            self._wrapped.shutdown(socket.SHUT_RD)

    def _take_place(self) -> None:
        self.has_place = self.has_place or self.occupy()
        if not self.has_place:
            raise _too_slow()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # any attribute of the wrapped socket
        return getattr(self._wrapped, name)


def _too_slow() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, "the client stalled")
