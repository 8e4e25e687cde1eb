"""Requests that have arrived go to a thread, and few slow clients may occupy a thread."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from deploy.serving import slow_clients
from deploy.serving.slow_clients import (
    ANSWER_BYTES,
    HEAD_BYTES,
    SMALL_BODY_BYTES,
    Arrival,
    PatientSocket,
    Places,
)

SMALL = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"
LARGE = b"POST / HTTP/1.1\r\nCONTENT-LENGTH: 999999\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[PatientSocket, socket.socket]]:
    server, client = socket.socketpair()
    with server, client:
        yield PatientSocket(server), client


@pytest.mark.parametrize(
    ("sent", "arrival"),
    [
        (b"GET / HTT", Arrival.PART),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Arrival.WHOLE),
        (SMALL + b"1234", Arrival.PART),
        (SMALL + b"12345", Arrival.WHOLE),
        (LARGE + b"x" * (SMALL_BODY_BYTES - 1), Arrival.PART),
        (LARGE + b"x" * SMALL_BODY_BYTES, Arrival.LARGE),
        (CHUNKED + b"2\r\nab\r\n", Arrival.PART),
        (CHUNKED + b"2\r\nab\r\n0\r\n\r\n", Arrival.WHOLE),
        (CHUNKED + b"ffff\r\n" + b"x" * SMALL_BODY_BYTES, Arrival.LARGE),
        (CHUNKED + b"7\r\nab\r\n0\r\n\r", Arrival.PART),
        (CHUNKED + b"7\r\nab\r\n0\r\n\r\n", Arrival.PART),  # the end is inside the chunk
        (CHUNKED + b"2;name=value\r\nab\r\n0;name\r\n\r\n", Arrival.WHOLE),
        (CHUNKED + b"2\r\nab\r\n0\r\nName: value\r\n", Arrival.PART),
        (CHUNKED + b"2\r\nab\r\n0\r\nName: value\r\n\r\n", Arrival.WHOLE),
        (CHUNKED + b"2\r\nab\r\n00\r\n\r\n", Arrival.WHOLE),
        (CHUNKED + b"2\r\nab\r\n0\r\n\r\nGET / HTTP/1.1\r\n", Arrival.WHOLE),
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", Arrival.WHOLE),
        (b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", Arrival.PART),
        (b"POST / HTTP/1.1\r\nContent-Length: 0000000000000000009\r\n\r\n", Arrival.PART),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", Arrival.PART),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES, Arrival.LONG_HEAD),
    ],
)
def test_a_request_goes_to_a_thread_only_if_enough_of_it_has_arrived(
    pair: tuple[PatientSocket, socket.socket], sent: bytes, arrival: Arrival
) -> None:
    server, client = pair
    client.sendall(sent)

    assert server.collect() is arrival
    if arrival is not Arrival.LONG_HEAD:
        assert server.collect() in {arrival, Arrival.PART}  # nothing more has arrived


MALFORMED_CHUNKS = [
    b"zz\r\n",
    b"\r\n",
    b"2\nab",
    b"2\r\nabXX0\r\n",
    b"2\r\nab\n0",
    b"2 \r\n",
    b"0x2\r\n",
    b"f" * 16 + b"\r\n",
    b"2;" + b"x" * 300,  # would be read again at each byte
]
ODD_CODINGS = [
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding:\x0bchunked",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
]


@pytest.mark.parametrize(
    "sent",
    [
        *(CHUNKED + chunks for chunks in MALFORMED_CHUNKS),
        *(b"POST / HTTP/1.1\r\n" + each + b"\r\n\r\n" for each in ODD_CODINGS),
    ],
)
def test_a_malformed_chunked_body_is_refused_at_once_although_the_client_waits(
    pair: tuple[PatientSocket, socket.socket], sent: bytes
) -> None:
    server, client = pair
    server.occupy = lambda: False  # a thread that would wait for the client gets an error
    client.sendall(sent)

    assert server.collect() is Arrival.WHOLE
    assert server.recv(1000) == sent
    assert server.recv(1000) == b""


def test_thousands_of_tiny_chunks_that_arrive_byte_by_byte_are_each_looked_at_once(
    pair: tuple[PatientSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = pair
    looks: list[int] = []

    class Counted:
        def match(self, received: bytearray, at: int, stop: int) -> object:
            looks.append(at)
            return original.match(received, at, stop)

    original = slow_clients._CHUNK
    monkeypatch.setattr(slow_clients, "_CHUNK", Counted())
    client.sendall(CHUNKED)
    for _ in range(500):
        for byte in b"1\r\na\r\n":
            client.send(bytes([byte]))
            assert server.collect() is Arrival.PART

    assert len(looks) <= 2 * 6 * 500
    client.sendall(b"0\r\n\r\n")
    assert server.collect() is Arrival.WHOLE


@pytest.mark.parametrize("head", [CHUNKED + b"ffff\r\n", b"POST / HTTP/1.1\r\nContent-Length: 999\r\n\r\n"])
def test_the_head_of_a_body_that_arrives_byte_by_byte_is_searched_once(
    pair: tuple[PatientSocket, socket.socket], monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    server, client = pair
    searches: list[int] = []

    class Counted:
        def search(self, head: bytearray) -> object:
            searches.append(len(head))
            return original.search(head)

    original = slow_clients._LENGTH
    monkeypatch.setattr(slow_clients, "_LENGTH", Counted())
    client.sendall(head)
    for _ in range(100):
        client.send(b"x")
        assert server.collect() is Arrival.PART

    assert len(searches) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "form"),
    [
        (name, form)
        for name in (b"Content-Length: ", b"Transfer-Encoding: ", b"Expect: ", b"X: ")
        for form in (b"%sx", b"%s x", b" %sx", b"1%sx", b"chunked%sx")
    ],
)
@pytest.mark.parametrize("filler", [b"0", b"1", b" ", b"\t", b"\r\n"])
def test_no_head_takes_the_square_of_its_length(name: bytes, form: bytes, filler: bytes) -> None:
    """Processor time, not a clock: 16 times the bytes would take 256 times as long in a square."""

    def seconds(count: int) -> float:
        line = b"\r\n" + name + form.replace(b"%s", filler * (count // len(filler)))
        received = bytearray(b"POST / HTTP/1.1" + line + b"\r\n\r\n")
        since = time.thread_time()
        slow_clients._read_head(received)
        return time.thread_time() - since

    short = max(min(seconds(1000) for _ in range(5)), 20e-6)
    assert min(seconds(16_000) for _ in range(3)) < 64 * short


def test_the_next_chunked_request_of_a_connection_is_read_from_its_beginning(
    pair: tuple[PatientSocket, socket.socket],
) -> None:
    server, client = pair
    for body in (b"2\r\nab\r\n" * 100 + b"0\r\n\r\n", b"2\r\nab\r\n0\r\n\r\n"):
        client.sendall(CHUNKED + body)
        assert server.collect() is Arrival.WHOLE
        assert server.recv(10_000) == CHUNKED + body
        server.start_over()


def test_a_client_that_closes_its_end_is_answered_if_it_sent_something(
    pair: tuple[PatientSocket, socket.socket],
) -> None:
    server, client = pair
    client.sendall(SMALL + b"1")
    server.collect()
    client.shutdown(socket.SHUT_WR)

    assert server.collect() is Arrival.WHOLE
    assert server.recv(1000) == SMALL + b"1"
    assert server.recv(1000) == b""
    assert server.arrival() is Arrival.NOTHING


def test_no_connection_keeps_more_than_its_share_of_memory(pair: tuple[PatientSocket, socket.socket]) -> None:
    server, client = pair
    client.sendall(LARGE + bytes(100_000))

    for _ in range(10):
        server.collect()

    assert len(server.received) <= HEAD_BYTES + SMALL_BODY_BYTES


def test_an_answer_waits_for_its_client_without_a_thread(pair: tuple[PatientSocket, socket.socket]) -> None:
    server, client = pair
    server.occupy = lambda: False  # no place for a slow client
    answer = bytes(range(256)) * (ANSWER_BYTES // 256)

    server.sendall(answer)

    received = b""
    while not server.send_rest() or len(received) < len(answer):
        received += client.recv(65536)
    assert received == answer


def test_a_missing_body_needs_a_place(pair: tuple[PatientSocket, socket.socket]) -> None:
    server, _ = pair
    server.occupy = lambda: False

    with pytest.raises(ConnectionResetError):
        server.recv(1)


def _slow(clock: list[float], monkeypatch: pytest.MonkeyPatch, server: PatientSocket) -> None:
    """Let a client wait for so long that its place goes to another client."""
    monkeypatch.setattr(slow_clients.time, "monotonic", lambda: clock[0])
    server._waits_since = 0.0


def test_only_a_client_that_is_too_slow_loses_its_place(
    pair: tuple[PatientSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = pair
    other = PatientSocket(client)
    clock = [0.0]
    _slow(clock, monkeypatch, server)
    places = Places(1)

    assert places.claim(server)
    clock[0] = 1.9
    assert not places.claim(other)
    clock[0] = 2.1
    assert places.claim(other)
    assert server.recv(1) == b""  # the request of the slow client broke off
    places.free(other)
    assert places.claim(server)


def test_an_upload_at_twenty_kilobytes_a_second_keeps_its_place(
    pair: tuple[PatientSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = pair
    clock = [0.0]
    _slow(clock, monkeypatch, server)
    places = Places(1)
    places.claim(server)

    for second in range(1000):
        clock[0] = float(second)
        server._moved_bytes = 20_000 * second
        assert not places.claim(PatientSocket(client))


@pytest.mark.parametrize(
    ("is_hurried", "bytes_a_second", "is_kept"),
    [(True, 20_000, True), (True, 8_000, False), (False, 600, True), (False, 500, False)],
)
def test_a_client_without_a_session_gets_less_patience_but_an_honest_upload_is_kept(
    pair: tuple[PatientSocket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_hurried: bool,
    bytes_a_second: int,
    is_kept: bool,
) -> None:
    server, client = pair
    clock = iter(range(1000))  # each wait takes a second
    monkeypatch.setattr(slow_clients.time, "monotonic", lambda: next(clock))
    if is_hurried:
        server.hurry()

    def upload(seconds: int) -> None:
        for _ in range(seconds):
            client.sendall(bytes(bytes_a_second))
            server.recv(bytes_a_second)

    upload(20)  # every client gets this much time
    with contextlib.nullcontext() if is_kept else pytest.raises(ConnectionResetError):
        upload(1)


def test_a_held_answer_is_sent_at_its_moment_and_not_before(
    pair: tuple[PatientSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = pair
    now = [1000.0]
    monkeypatch.setattr(slow_clients.time, "monotonic", lambda: now[0])
    server.hold(0.1)
    server.sendall(b"an answer")

    now[0] += 0.099
    assert not server.send_rest()
    with pytest.raises(BlockingIOError):
        client.recv(1, socket.MSG_DONTWAIT)
    now[0] += 0.001
    assert server.send_rest()
    assert client.recv(100) == b"an answer"


def test_the_next_request_of_a_hurried_connection_gets_the_usual_patience(
    pair: tuple[PatientSocket, socket.socket],
) -> None:
    server, client = pair
    client.sendall(b"x")
    server.hurry()

    server.start_over()

    server._waited_seconds, server._moved_bytes = 100.0, 60_000
    assert server.recv(1) == b"x"


def test_a_thread_stops_waiting_for_a_client_that_loses_its_place(
    pair: tuple[PatientSocket, socket.socket],
) -> None:
    server, client = pair
    ended: list[bytes] = []
    thread = threading.Thread(target=lambda: ended.append(server.recv(1)))
    thread.start()
    while server._waits_since is None:
        pass

    server.disconnect()
    thread.join(10)

    assert ended == [b""]
    server.sendall(b"your text")  # the page with what arrived
    assert client.recv(100) == b"your text"


def test_a_client_that_is_gone_is_discarded(pair: tuple[PatientSocket, socket.socket]) -> None:
    server, client = pair
    assert not server.discard()
    client.sendall(b"more")
    assert not server.discard()
    client.close()
    assert server.discard()
    server.disconnect()
