"""gunicorn's threaded worker, changed so that slow clients occupy no threads.

The event loop collects a small request as it arrives. A thread then answers the request without waiting, and
the loop sends what the client did not read at once. A large answer is made part by part, as the client reads.
A large upload needs one of a few places, in which a thread waits for the client.

To review this module, compare it with workers/gthread.py of gunicorn 27, the pinned version.
"""

import contextlib
import math
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn.http import errors
from gunicorn.workers import gthread

from deploy.serving.slow_clients import ANSWER_BYTES, STALL_SECONDS, Arrival, PatientSocket, Places

_NEW_SECONDS = 2  # a connection is not closed for another one before this time
_PLACE_SECONDS = 60  # an upload waits this long for a place
_LOOK_SECONDS = 1  # how often it looks for one
_READ_SECONDS = 120  # a client has this long to read the rest of an answer, or a part of a large answer
_LINGER_SECONDS = 5  # for a client that is still sending when it gets its answer
_UNREAD_BYTES = 16 * 1024 * 1024  # of all answers together, that wait for their clients

Conn = Any  # gunicorn's TConn, which has no types


class BufferingWorker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Threaded gunicorn worker that limits how many of its threads slow clients can occupy."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: set[Conn] = set()  # connections for which the event loop waits, until their `timeout`
        self._ready: deque[Conn] = deque()  # requests that have arrived and wait for a thread
        self._uploads: list[Conn] = []  # large requests that wait for a place
        self._held: set[Conn] = set()  # their answers are complete, and are sent later
        self._next_look = 0.0  # when the uploads look for a place again
        self._answering: set[Conn] = set()  # occupy a thread and have no place
        # gunicorn would stop accepting at this number, and would not go on while all clients send requests.
        self._connections_max, self.worker_connections = self.cfg.worker_connections, sys.maxsize
        self._place_count = max(2, self.cfg.threads // 2)
        self._places = Places(self._place_count)

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return a pool with the usual number of threads, and two more for each place for slow clients."""
        # The second thread is for the next client of a place, while the previous one still occupies a thread.
        return ThreadPoolExecutor(self.cfg.threads + 2 * self._place_count)

    @property
    def is_crowded(self) -> bool:
        """True if almost all connections are in use. Then each connection is closed after its answer."""
        # Attack: clients that send the next request after each answer. A new client would get no connection.
        return bool(self.nr_conns >= self._connections_max - self.cfg.threads)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001  # gunicorn's parameter
        """Start or stop accepting. Always stop if there is no room and no connection can be closed."""
        has_room = self.nr_conns < self._connections_max or self._least_useful() is not None
        super().set_accept_enabled(enabled and has_room)

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection. If there is no room, close the least useful of the older connections."""
        self.set_accept_enabled(True)
        if not self._accepting:
            return
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        if self.nr_conns >= self._connections_max:
            self._drop(self._least_useful())
        self.nr_conns += 1
        conn = gthread.TConn(self.cfg, PatientSocket(client), address, listener.getsockname())
        conn.sock.occupy = partial(self._occupy, conn)
        conn.unfinished, conn.accepted_at = None, time.monotonic()
        self._receive(conn)

    def _least_useful(self) -> Conn | None:
        """Return the connection to close first: an answered one, or else the one that is silent for longest.

        New connections do not count: their first byte may still be on its way through Tor.
        """
        # If the time limits decided, clients that read no answer, with a long limit, would outlast visitors.
        last = time.monotonic() - _NEW_SECONDS
        known = (conn for conn in self._waiting if conn.is_answered or conn.accepted_at <= last)
        return min(known, key=lambda conn: (not conn.is_answered, conn.sock.moved_at), default=None)

    def handle(self, conn: Conn) -> Any:  # noqa: ANN401  # gunicorn has no types
        """Answer one request, or make the next part of a large answer. A thread calls this method.

        The next part is made after the client has read most of the previous part.
        """
        if conn.unfinished is None:
            conn.data_ready = True
            return super().handle(conn)
        unfinished, conn.unfinished = conn.unfinished, None
        try:
            return unfinished.go_on()
        except OSError:  # the client disconnected
            return False

    def finish_request(self, conn: Conn, done: Future[Any]) -> None:
        """Send the unsent bytes of an answer, after a thread has made the answer or its next part."""
        self._answering.discard(conn)
        self._places.free(conn.sock)
        conn.is_kept = done.exception() is None and bool(done.result())
        if conn.unfinished is not None and not conn.is_kept:
            # A part of the request was not read. On this connection, it would count as the next request.
            conn.unfinished.force_close()
        conn.sock.start_over()
        if conn.parser is not None:
            conn.sock.received[:0] = conn.parser.unreader.take_buffered()  # of the next request
            if conn.parser.mesg is not None:
                conn.parser.mesg.body = None  # a chunked body has unread words, and refers to its request
            conn.parser.mesg = None  # its headers have the session's cookie
        conn.timeout = _seconds_from_now(_READ_SECONDS)
        self._send(conn)
        self._start_threads()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events, and send each held answer whose time has come.

        `timeout` is in seconds. The wait ends earlier if an answer must be sent earlier.
        """
        first = min((conn.sock.held_until for conn in self._held), default=math.inf) - time.monotonic()
        super().wait_for_and_dispatch_events(max(0, min(timeout, first)))
        now = time.monotonic()
        for conn in [each for each in self._held if each.sock.held_until <= now]:
            self._held.remove(conn)
            self._send(conn)

    def murder_keepalived(self, force: bool = False) -> None:  # noqa: FBT001, FBT002  # gunicorn's parameter
        """Close the connections whose time has ended. The event loop calls this method often."""
        now = time.monotonic()
        for conn in [each for each in self._waiting if force or each.timeout < now]:
            self._drop(conn)
        if now > self._next_look:
            self._next_look = now + _LOOK_SECONDS
            uploads, self._uploads = self._uploads, []
            for conn in self._waiting.intersection(uploads):
                # An upload whose bytes do not arrive would not use its place.
                self._wait(conn, selectors.EVENT_READ, self._seek_place, conn.timeout)

    def _keepalive_after(self, conn: Conn, keepalive: bool) -> bool:  # noqa: FBT001  # gunicorn's parameter
        """Discard the rest of a request's body. Return True if the connection may carry another request.

        If the body is malformed, return False.
        """
        # After an exception, gunicorn would send a second answer, perhaps in the middle of the first.
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except errors.ParseException:
            return False

    def _cap_keepalive(self, deadline: float) -> None:
        for conn in self._waiting:
            if not conn.sock.unsent:
                conn.timeout = min(conn.timeout, deadline)

    def _wait(self, conn: Conn, event: int, then: Callable[[Conn], None], until: float) -> None:
        """Call `then` when the socket is ready for `event`: read or write.

        If the socket is not ready at the time `until`, the connection is closed.
        """

        def resume(_client: object) -> None:
            if conn in self._waiting:  # otherwise it was closed just now
                self._resume(conn)
                then(conn)

        conn.timeout = until
        self._waiting.add(conn)
        self.poller.register(conn.sock, event, resume)

    def _resume(self, conn: Conn) -> None:
        self._waiting.remove(conn)
        with contextlib.suppress(KeyError):  # an upload that waits for a place
            self.poller.unregister(conn.sock)

    def _drop(self, conn: Conn) -> None:
        self._resume(conn)
        self._close(conn)

    def _close(self, conn: Conn) -> None:
        self.nr_conns -= 1
        conn.close()
        # Both refer to `conn`. What the client sent, and the page, would outlive the connection.
        conn.sock.occupy = None
        unfinished, conn.unfinished = conn.unfinished, None
        if unfinished is not None:
            self.tpool.submit(unfinished.close)

    def _receive(self, conn: Conn) -> None:
        """Collect more of a request. The time limit of the request starts at its first byte."""
        is_first = not conn.sock.received
        conn.is_answered = False
        try:
            arrival = conn.sock.collect()
        except OSError:
            self._close(conn)
            return
        if is_first:
            conn.timeout = _seconds_from_now(STALL_SECONDS)
        self._begin(conn, arrival)

    def _begin(self, conn: Conn, arrival: Arrival) -> None:
        """Wait for more of a request, queue the request, or refuse it.

        `arrival` says how much of the request has arrived.
        """
        if arrival is Arrival.PART:
            self._wait(conn, selectors.EVENT_READ, self._receive, conn.timeout)
        elif arrival is Arrival.NOTHING:
            self._close(conn)
        elif arrival is Arrival.LONG_HEAD:
            self.handle_error(None, conn.sock, None, errors.LimitRequestHeaders("the whole head"))
            conn.is_kept = False
            self._send(conn)
        elif arrival is Arrival.LARGE:
            conn.timeout = _seconds_from_now(_PLACE_SECONDS)
            self._seek_place(conn)
        else:
            self._ready.append(conn)
            self._start_threads()

    def _start_threads(self) -> None:
        while self._ready and len(self._answering) < self.cfg.threads:
            conn = self._ready.popleft()
            self._answering.add(conn)
            self.enqueue_req(conn)

    def _seek_place(self, conn: Conn) -> None:
        if self._places.claim(conn.sock):
            conn.sock.has_place = True
            self.enqueue_req(conn)
        else:
            self._waiting.add(conn)
            self._uploads.append(conn)

    def _occupy(self, conn: Conn) -> bool:
        """Return True if the client gets one of the places for slow clients."""
        if not self._places.claim(conn.sock):
            return False
        self.method_queue.defer(self._stop_counting, conn)
        return True

    def _stop_counting(self, conn: Conn) -> None:
        self._answering.discard(conn)
        self._start_threads()

    def _send(self, conn: Conn) -> None:
        if time.monotonic() < conn.sock.held_until:
            self._held.add(conn)
            return
        try:
            is_sent = conn.sock.send_rest()
        except OSError:
            self._close(conn)
            return
        if conn.unfinished is not None and len(conn.sock.unsent) <= ANSWER_BYTES // 2:
            self._ready.append(conn)
            self._start_threads()
        elif not is_sent:
            self._wait(conn, selectors.EVENT_WRITE, self._send, conn.timeout)
            self._limit_unread()
        elif conn.is_kept:
            conn.is_answered = not conn.sock.received
            conn.sock.answer_since = None
            seconds = STALL_SECONDS if conn.sock.received else self.cfg.keepalive
            conn.timeout = _seconds_from_now(seconds)
            self._begin(conn, conn.sock.arrival())
        else:
            # Closing the socket now would make the client's system discard an answer that it has not read.
            with contextlib.suppress(OSError):
                conn.sock.shutdown(socket.SHUT_WR)
            conn.is_answered = True
            self._wait(conn, selectors.EVENT_READ, self._linger, _seconds_from_now(_LINGER_SECONDS))

    def _limit_unread(self) -> None:
        """Close the connection of the slowest reader if too many answers are unread."""
        # The average speed decides. If the time of the last read decided, a flood of new clients that read
        # nothing would close the connections of all others.
        unread = [conn for conn in self._waiting if conn.sock.unsent]
        unfinished = [conn for conn in unread if conn.unfinished is not None]
        if len(unfinished) > 2 * self._place_count:
            self._drop(min(unfinished, key=_reading_lead_bytes))
        elif sum(len(conn.sock.unsent) for conn in unread) > _UNREAD_BYTES:
            self._drop(min(unread, key=_reading_lead_bytes))

    def _linger(self, conn: Conn) -> None:
        if conn.sock.discard():
            self._close(conn)
        else:
            conn.is_answered = False  # it is still sending: see above
            self._wait(conn, selectors.EVENT_READ, self._linger, conn.timeout)


def _reading_lead_bytes(conn: Conn) -> float:
    lead: float = conn.sock.reading_lead_bytes()
    return lead


def _seconds_from_now(seconds: float) -> float:
    return time.monotonic() + seconds
