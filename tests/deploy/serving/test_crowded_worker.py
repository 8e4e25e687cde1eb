"""A worker with too many connections closes an answered one, or the one that is silent for longest."""

import contextlib
import selectors
import socket
from collections.abc import Iterator

import pytest
from gunicorn.config import Config

from deploy.serving import buffering_worker
from deploy.serving.buffering_worker import BufferingWorker, Conn

pytestmark = pytest.mark.enable_socket  # the worker accepts real connections, on loopback

_OTHERS = 4
_LONG = 3600


class FullWorker:
    """Worker with few connections, whose event loop the test runs step by step."""

    def __init__(self, ends: contextlib.ExitStack) -> None:
        self._ends = ends
        config = Config()
        config.set("worker_connections", _OTHERS + 1)
        config.set("threads", 1)
        self.worker = BufferingWorker(1, 1, [], None, 30, config, None)
        ends.callback(self.worker.tmp.close)
        ends.callback(lambda: [conn.sock.close() for conn in self.worker._waiting])
        self.worker.poller = ends.enter_context(selectors.DefaultSelector())
        self._listener = ends.enter_context(socket.create_server(("127.0.0.1", 0)))

    def knock(self) -> socket.socket:
        """Return a client whose connection the worker may accept."""
        client = self._ends.enter_context(socket.create_connection(self._listener.getsockname()))
        self.worker.accept(self._listener)
        return client

    def connect(self) -> tuple[socket.socket, Conn]:
        """Connect a client. Return the ends of the client and of the worker."""
        before = set(self.worker._waiting)
        client = self.knock()
        (conn,) = self.worker._waiting - before
        self._ends.callback(conn.sock.close)
        return client, conn

    def reader_that_stopped(self) -> Conn:
        """Connect a client that got an answer and does not read it: it has two minutes."""
        _, conn = self.connect()
        self.worker._resume(conn)
        conn.sock.sendall(bytes(4_000_000))
        conn.timeout, conn.is_kept = conn.timeout + 100, True
        self.worker._send(conn)
        return conn

    def busy_client(self) -> Conn:
        """Connect a client whose request waits for a thread."""
        _, conn = self.connect()
        self.worker._resume(conn)
        conn.is_kept = True
        return conn

    def answer(self, conn: Conn) -> None:
        """Send a short answer to a client whose request waited."""
        conn.sock.sendall(b"answer")
        self.worker._send(conn)

    def turn(self) -> None:
        """Handle what has arrived."""
        for key, _ in self.worker.poller.select(0):
            key.data(key.fileobj)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[FullWorker]:
    monkeypatch.setattr(buffering_worker, "_NEW_SECONDS", 0)
    with contextlib.ExitStack() as ends:
        yield FullWorker(ends)


def test_clients_that_read_nothing_do_not_push_out_a_visitor_who_has_just_connected(full: FullWorker) -> None:
    readers = [full.reader_that_stopped() for _ in range(_OTHERS)]
    _, visitor = full.connect()

    for number in range(_OTHERS):
        full.connect()
        assert readers[number] not in full.worker._waiting
        assert visitor in full.worker._waiting


def test_a_visitor_who_sends_slowly_outlasts_silent_clients(full: FullWorker) -> None:
    client, visitor = full.connect()
    silent = [full.connect()[1] for _ in range(_OTHERS)]

    client.sendall(b"GET /")
    assert full.worker.poller.select(10)
    full.turn()
    for number in range(_OTHERS):
        full.connect()
        assert silent[number] not in full.worker._waiting
        assert visitor in full.worker._waiting


def test_clients_that_always_have_a_request_waiting_keep_no_visitor_out(full: FullWorker) -> None:
    """Attack: each client sends its next request after each answer, so that no connection can be closed."""
    busy = [full.busy_client() for _ in range(_OTHERS + 1)]
    assert full.worker.is_crowded  # so the answers of these clients close their connections
    full.knock()
    assert (set(), False) == (full.worker._waiting, full.worker._accepting)

    full.answer(busy[2])
    full.worker.set_accept_enabled(enabled=True)
    full.worker.accept(full._listener)

    assert full.worker._accepting
    (visitor,) = full.worker._waiting
    assert visitor is not busy[2]
    assert full.worker.nr_conns == _OTHERS + 1


def test_an_answered_client_goes_before_a_visitor_who_has_sent_nothing_yet(full: FullWorker) -> None:
    """Over Tor, the first byte of a visitor arrives a second after the connection."""
    answered = [full.busy_client() for _ in range(_OTHERS)]
    _, visitor = full.connect()
    for place, conn in enumerate(answered):
        conn.is_kept = place % 2 == 0  # else it waits until its client has closed its end
        full.answer(conn)

    for number in range(_OTHERS):
        full.connect()
        assert answered[number] not in full.worker._waiting
        assert visitor in full.worker._waiting


def test_an_answered_client_that_is_still_sending_is_not_closed_first(full: FullWorker) -> None:
    """Its system would discard the answer, for example a page with a message that was too large."""
    client, sending = full.connect()
    full.worker._resume(sending)
    sending.is_kept = False
    full.answer(sending)
    client.sendall(b"the rest")
    assert full.worker.poller.select(10)
    full.turn()

    assert sending in full.worker._waiting
    assert not sending.is_answered


def test_no_connection_is_closed_for_another_in_its_first_two_seconds(
    full: FullWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dripping = full.connect()
    dripping.accepted_at -= 2 * _LONG
    monkeypatch.setattr(buffering_worker, "_NEW_SECONDS", _LONG)
    visitors = {full.connect()[1] for _ in range(_OTHERS)}
    dripping.sock.moved_at += _LONG  # an attacker sends a byte on old connections again and again

    visitors.add(full.connect()[1])
    assert visitors == full.worker._waiting
    full.knock()
    assert (visitors, False) == (full.worker._waiting, full.worker._accepting)
