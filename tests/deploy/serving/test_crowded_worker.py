"""A worker with too many connections closes the one that has moved no byte for longest."""

import contextlib
import selectors
import socket
from collections.abc import Iterator

import pytest
from gunicorn.config import Config

from deploy.serving.buffering_worker import BufferingWorker, Conn

pytestmark = pytest.mark.enable_socket  # the worker accepts real connections, on loopback

_OTHERS = 4


class FullWorker:
    """Worker with few connections, whose event loop the test runs step by step."""

    def __init__(self, ends: contextlib.ExitStack) -> None:
        self._ends = ends
        config = Config()
        config.set("worker_connections", _OTHERS + 2)
        self.worker = BufferingWorker(1, 1, [], None, 30, config, None)
        ends.callback(self.worker.tmp.close)
        self.worker.poller = ends.enter_context(selectors.DefaultSelector())
        self._listener = ends.enter_context(socket.create_server(("127.0.0.1", 0)))

    def connect(self) -> tuple[socket.socket, Conn]:
        """Connect a client. Return the ends of the client and of the worker."""
        client = self._ends.enter_context(socket.create_connection(self._listener.getsockname()))
        before = set(self.worker._waiting)
        self.worker.accept(self._listener)
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

    def turn(self) -> None:
        """Handle what has arrived."""
        for key, _ in self.worker.poller.select(0):
            key.data(key.fileobj)


@pytest.fixture
def full() -> Iterator[FullWorker]:
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
