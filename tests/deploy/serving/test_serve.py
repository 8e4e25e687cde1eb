import contextlib
import re
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from deploy.serving.gunicorn_server import GunicornServer
from deploy.serving.slow_clients import LEAST_BYTES_A_SECOND, STALL_SECONDS
from tests.deploy.servers import ServerProcess, read_all, toy_server
from web.headers import EVERY_ANSWER

pytestmark = pytest.mark.slow

CANARY = "zwartekanarie"
_FILES_OF_A_PROCESS = 1024  # the most files that a process may open by default


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with toy_server(tmp_path) as running:
        yield running


def _process(server: ServerProcess) -> int:
    return int(server.get("/process")[1])


def test_no_answer_names_the_server_program(server: ServerProcess) -> None:
    head, body = server.get("/")

    assert (body, b"server" in head.lower()) == (b"hello", False)
    assert b"gunicorn" not in head.lower()


def test_the_app_is_never_given_the_address_of_a_client(server: ServerProcess) -> None:
    assert server.get("/client")[1] == b"('', None)"


def test_a_flood_of_connections_leaves_files_for_the_store() -> None:
    gunicorn = GunicornServer(dict, binds=["127.0.0.1:0"], workers=1, threads=2, stop_seconds=1)

    assert gunicorn.cfg.worker_connections <= _FILES_OF_A_PROCESS // 2


def test_nothing_of_a_request_stays_while_its_connection_waits(server: ServerProcess) -> None:
    """The headers have the session's cookie, and a form the passphrase."""
    with server.connect() as waiting:
        waiting.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nCookie: {CANARY}\r\n\r\n".encode())
        assert waiting.recv(65536).startswith(b"HTTP/1.1 200")

        # Of the request that counts, one part of the app's and one of gunicorn's.
        assert any(server.get("/requests")[1] == b"2" for _ in range(20))


MALFORMED = {
    "a request line that is none": f"{CANARY}\r\n\r\n",
    "a method that is none": f"{CANARY}(a) / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a version that is none": f"GET /{CANARY} HTTP/9.{CANARY}\r\n\r\n",
    "a header without a name": f"GET /{CANARY} HTTP/1.1\r\n: {CANARY}\r\n\r\n",
    "a header with a name that is none": f"GET / HTTP/1.1\r\n{CANARY} {CANARY}: 1\r\n\r\n",
    "a folded header": f"GET / HTTP/1.1\r\nHost: x\r\n {CANARY}\r\n\r\n",
    "a line that is too long": f"GET /{CANARY * 1000} HTTP/1.1\r\n\r\n",
    "a header that is too long": f"GET / HTTP/1.1\r\nCookie: {CANARY * 1000}\r\n\r\n",
    "too many headers": "GET / HTTP/1.1\r\n" + f"{CANARY}: {CANARY}\r\n" * 200 + "\r\n",
    "a coding that is none": f"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {CANARY}\r\n\r\n",
    "two lengths": f"POST /{CANARY} HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{CANARY}",
    "an expectation that is none": f"GET / HTTP/1.1\r\nExpect: {CANARY}\r\n\r\n",
    "a chunk size that is none": f"POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n",
    "a body that breaks off": f"POST /read HTTP/1.1\r\nContent-Length: 900\r\n\r\n{CANARY}",
    "an app that fails": f"GET /raise?{CANARY} HTTP/1.1\r\nHost: x\r\n\r\n",
}


def test_nothing_of_a_request_stays_after_a_refusal_or_after_its_reader_left(server: ServerProcess) -> None:
    for raw in MALFORMED.values():
        server.exchange(raw.encode())
    with server.connect(receive_bytes=4096) as reader:
        reader.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reader.recv(1) == b"H"

    assert any(server.get("/requests")[1] == b"2" for _ in range(100))


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_neither_log_nor_answer_quotes_a_request(server: ServerProcess, raw: str) -> None:
    answer = server.exchange(raw.encode())

    assert server.get("/")[1] == b"hello"  # it still serves
    assert CANARY.encode() not in answer.lower()
    assert CANARY not in server.log.read_text().lower()
    assert b"server:" not in answer.lower()


@pytest.mark.parametrize(
    "fault", ["a line that is too long", "a header that is too long", "two lengths", "an app that fails"]
)
def test_an_error_answer_of_the_server_itself_has_the_headers_too(server: ServerProcess, fault: str) -> None:
    answer = server.exchange(MALFORMED[fault].encode()).decode()

    assert [name for name, value in EVERY_ANSWER.items() if f"\r\n{name}: {value}\r\n" not in answer] == []


def test_a_download_that_turns_out_to_be_damaged_is_shorter_than_announced(server: ServerProcess) -> None:
    """A browser then reports that the download failed, and keeps no file that looks whole."""
    head, body = server.get("/damaged")

    assert b"\r\nContent-Length: 2000000" in head
    assert len(body) == 1_000_000
    assert "a damaged second half" not in server.log.read_text()
    assert "ValueError (toy_server.py:" in server.log.read_text()


def test_the_log_holds_a_day_and_a_place_but_no_hour_and_no_address(server: ServerProcess) -> None:
    server.exchange(f"GET /raise?{CANARY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    server.exchange(f"{CANARY}\r\n\r\n".encode())

    logged = server.log.read_text()

    assert re.search(r"(?m)^\d{4}-\d\d-\d\d error .*ValueError \(toy_server\.py:\d+", logged)
    assert "InvalidRequestLine" in logged
    assert not re.search(r"\d\d:\d\d:\d\d|127\.0\.", logged)


def test_ending_a_worker_sends_its_answer_first_and_starts_a_new_one_at_once(server: ServerProcess) -> None:
    before = _process(server)
    with (
        server.connect() as idle
    ):  # a kept-alive connection must not keep the old worker, and its keys, alive
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        idle.recv(65536)

        _, body = server.get("/end")
        since = time.monotonic()
        after = _process(server)

    assert body == b"ending"
    assert before != after
    assert time.monotonic() - since < 10
    assert _comes_true(lambda: not Path(f"/proc/{before}").exists(), seconds=8)


def test_ending_a_worker_does_not_wait_for_a_client_that_reads_nothing(server: ServerProcess) -> None:
    before = _process(server)
    with server.connect() as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        greedy.recv(100)

        server.get("/end")

        assert _comes_true(lambda: not Path(f"/proc/{before}").exists(), seconds=8)


def test_a_secret_made_in_the_master_reaches_a_worker_that_is_started_later(server: ServerProcess) -> None:
    before = server.get("/secret")[1]
    server.get("/end")

    assert before == server.get("/secret")[1]


def test_a_client_that_stalls_in_its_body_is_disconnected_and_delays_no_one(server: ServerProcess) -> None:
    with contextlib.ExitStack() as stack:
        stalled = [stack.enter_context(server.connect()) for _ in range(2)]  # one for each thread
        for client in stalled:
            client.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
        since = time.monotonic()
        ended = [read_all(client) for client in stalled]
        waited = time.monotonic() - since

        assert server.get("/")[1] == b"hello"
    assert STALL_SECONDS - 2 < waited < STALL_SECONDS + 10
    assert not any(b"200 OK" in answer for answer in ended)


def test_a_client_that_sends_too_slowly_is_disconnected_too(server: ServerProcess) -> None:
    with server.connect() as client:
        client.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        since = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - since < 3 * STALL_SECONDS:
                client.sendall(b"x" * (LEAST_BYTES_A_SECOND // 8))
                time.sleep(1)

    assert time.monotonic() - since < 2 * STALL_SECONDS


def test_a_slow_client_without_a_session_is_disconnected_although_others_may_be_as_slow(
    server: ServerProcess,
) -> None:
    with server.connect() as client:
        client.sendall(b"POST /hurry HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + bytes(20_000))
        since = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - since < 3 * STALL_SECONDS:
                client.sendall(bytes(4 * LEAST_BYTES_A_SECOND))
                time.sleep(1)

    assert time.monotonic() - since < 2 * STALL_SECONDS


_SLOW = {
    "nothing": b"",
    "headers": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "small bodies": b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf",
    "large bodies": b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\nhalf",
    "begun uploads": b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + bytes(20_000),
    "chunks": b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    "readers": b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "readers of a large answer": b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
}


def _slow_clients(stack: contextlib.ExitStack, server: ServerProcess, sent: bytes) -> list[socket.socket]:
    """Connect twenty times as many clients as the server has threads. They read nothing."""
    clients = []
    for _ in range(40):
        client = stack.enter_context(server.connect(receive_bytes=4096))
        client.sendall(sent)
        clients.append(client)
    return clients


def _are_open(clients: list[socket.socket]) -> bool:
    """Return True if the server has disconnected none of these clients."""
    for client in clients:
        client.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while client.recv(65536):
                pass
            return False
    return True


@pytest.mark.parametrize("kind", ["nothing", "headers", "small bodies", "large bodies", "chunks", "readers"])
def test_a_visitor_is_answered_before_a_crowd_of_slow_clients_ends(server: ServerProcess, kind: str) -> None:
    with contextlib.ExitStack() as stack:
        clients = _slow_clients(stack, server, _SLOW[kind])

        assert [server.get("/")[1] for _ in range(5)] == [b"hello"] * 5
        assert kind == "readers" or _are_open(clients)


@pytest.mark.parametrize("kind", ["begun uploads", "readers of a large answer"])
def test_the_slow_clients_that_occupy_threads_delay_no_visitor_and_no_upload(
    server: ServerProcess, kind: str
) -> None:
    upload = _SLOW["begun uploads"] + bytes(880_000)
    with contextlib.ExitStack() as stack:
        _slow_clients(stack, server, _SLOW[kind])

        assert [server.get("/")[1] for _ in range(5)] == [b"hello"] * 5
        assert server.exchange(upload).endswith(b"\r\n\r\n900000")


def test_answers_that_are_held_occupy_no_threads_and_are_sent_in_the_end(server: ServerProcess) -> None:
    held = b"GET /held%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with contextlib.ExitStack() as stack:
        clients = _slow_clients(stack, server, held % b"-long")

        assert [server.get("/")[1] for _ in range(5)] == [b"hello"] * 5
        assert server.exchange(held % b"").endswith(b"\r\n\r\nhello")
        assert _are_open(clients)  # and have read nothing


def test_a_slow_reader_gets_its_whole_answer(server: ServerProcess) -> None:
    with server.connect(receive_bytes=4096) as client:
        client.sendall(_SLOW["readers"])
        assert server.get("/")[1] == b"hello"
        answer = b""
        while piece := client.recv(2000):
            answer += piece

    assert len(answer.partition(b"\r\n\r\n")[2]) == 200_000


def _reader_of_a_large_answer(stack: contextlib.ExitStack, server: ServerProcess) -> socket.socket:
    """Return a client that asked for a large answer, after which the server closes the connection."""
    client = stack.enter_context(server.connect(receive_bytes=4096))
    client.sendall(_SLOW["readers of a large answer"].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    return client


def test_a_reader_of_a_large_answer_is_kept_while_a_crowd_reads_nothing(server: ServerProcess) -> None:
    with contextlib.ExitStack() as stack:
        client = _reader_of_a_large_answer(stack, server)
        answer = client.recv(65536)
        for _ in range(40):
            crowd = stack.enter_context(server.connect(receive_bytes=4096))
            crowd.sendall(_SLOW["readers of a large answer"])
            assert server.get("/")[1] == b"hello"
            answer += b"".join(client.recv(65536) for _ in range(100))
        answer += read_all(client)

    assert len(answer.partition(b"\r\n\r\n")[2]) == 32 << 20


def test_a_crowd_that_reads_nothing_closes_no_slow_reader(server: ServerProcess) -> None:
    """Attack: each new client asks for a large answer, so the client that read last is always a new one."""
    with contextlib.ExitStack() as stack:
        client = _reader_of_a_large_answer(stack, server)
        read = sum(len(client.recv(65536)) for _ in range(50))
        for _ in range(60):  # the client reads nothing while they arrive
            crowd = stack.enter_context(server.connect(receive_bytes=4096))
            crowd.sendall(_SLOW["readers of a large answer"])
            assert server.get("/")[1] == b"hello"
        read += len(read_all(client))

    assert read > 32 << 20


def test_pages_that_no_one_reads_take_a_limited_memory(server: ServerProcess) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect(receive_bytes=4096)) for _ in range(400)]
        for client in clients:
            client.sendall(_SLOW["readers"])

        assert server.get("/")[1] == b"hello"
        for client in clients[1:]:  # now the server has begun to send each page
            with contextlib.suppress(ConnectionResetError):
                client.recv(1)
        with contextlib.suppress(ConnectionResetError):
            assert len(read_all(clients[0])) < 200_000  # this client reads most slowly
        assert len(read_all(clients[-1]).partition(b"\r\n\r\n")[2]) == 200_000


def test_at_the_limit_of_connections_the_oldest_is_closed_and_visitors_are_answered(
    server: ServerProcess,
) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(600)]

        assert server.get("/")[1] == b"hello"
        assert clients[0].recv(1) == b""
        assert _are_open(clients[-100:])


@contextlib.contextmanager
def _clients_that_never_wait(server: ServerProcess, count: int) -> Iterator[None]:
    """Run clients that send the next request after each answer, and connect again when they are closed."""
    ends = threading.Event()

    def run() -> None:
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            missing = count
            while not ends.is_set():
                for _ in range(missing):
                    client = stack.enter_context(server.connect())
                    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    selector.register(client, selectors.EVENT_READ)
                missing = 0
                for key, _ in selector.select(1):
                    client = cast("socket.socket", key.fileobj)
                    with contextlib.suppress(OSError):
                        if client.recv(65536):
                            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                            continue
                    selector.unregister(client)
                    client.close()
                    missing += 1

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run)
        yield
        ends.set()
        running.result()


def test_clients_that_send_one_request_after_another_keep_no_visitor_out(server: ServerProcess) -> None:
    with _clients_that_never_wait(server, 700):
        time.sleep(3)
        assert [server.get("/")[1] for _ in range(5)] == [b"hello"] * 5


def test_two_requests_that_arrive_together_are_both_answered(server: ServerProcess) -> None:
    first = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345"

    answers = server.exchange(first + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert re.findall(rb"\r\n\r\n(5|hello)", answers) == [b"5", b"hello"]


@pytest.mark.parametrize("path", [b"/large", b"/page", b"/"])
@pytest.mark.parametrize(
    "kind", [b"Content-Length: 300000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n493e0\r\n"]
)
def test_the_rest_of_a_body_that_no_one_reads_is_not_another_request(
    server: ServerProcess, path: bytes, kind: bytes
) -> None:
    """Attack: a reverse proxy uses the connection again, and sends the next visitor the wrong answer."""
    rest = b"x" * 65536 + b"GET /process HTTP/1.1\r\nHost: x\r\n\r\n"

    with server.connect() as client:
        client.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n" % path + kind + rest.ljust(300_000, b"y"))
        answer = read_all(client)

    assert answer.count(b"HTTP/1.1 ") == 1
    assert str(_process(server)).encode() not in answer


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000, b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: x\r\n" * 20_000, b"431"),
        (b"GET /" + b"x" * 100_000, b"431"),
        (b"POST /read HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", b"417"),
    ],
)
def test_a_head_without_end_and_an_expectation_are_refused_at_once(
    server: ServerProcess, raw: bytes, status: bytes
) -> None:
    with server.connect() as client:
        client.sendall(raw)

        assert client.recv(1000).split()[1] == status


def test_a_chunked_body_is_read_with_and_without_a_place(server: ServerProcess) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    large = b"".join(b"%x\r\n%s\r\n" % (size, bytes(size)) for size in (30_000, 30_000)) + b"0\r\n\r\n"

    for body, size in ((b"2\r\nab\r\n0\r\n\r\n", b"2"), (large, b"60000")):
        with server.connect() as client:
            client.sendall(head + body)
            assert read_all(client).endswith(b"\r\n\r\n" + size)


def test_a_termination_signal_ends_it_cleanly(server: ServerProcess) -> None:
    server.get("/page")  # the server listens a moment before it waits for signals

    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(timeout=15) == 0


def test_a_worker_leaves_no_core_file_and_cannot_be_read_by_a_debugger(server: ServerProcess) -> None:
    limits = Path(f"/proc/{_process(server)}/limits").read_text()

    assert re.search(r"Max core file size\s+0\s+0\s", limits)
    assert server.get("/dumpable")[1] == b"0"


def _comes_true(condition: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False
