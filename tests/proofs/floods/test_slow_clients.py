"""A crowd of slow clients delays no visitor and ends no honest upload, and large forms take little memory."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pytest

from bench import desk_servers, memory
from bench.forms import URLENCODED
from bench.processes import Server
from source_app.forms import TEXT_BYTES
from tests.proofs.http_clients import SourceClient, file_links, multipart
from tests.proofs.proof_sizes import IS_WHOLE, LARGE_FORMS, SLOW_CLIENTS, UPLOAD_SECONDS, print_result

pytestmark = pytest.mark.slow

_VISITS = 20
_LONGEST_SECONDS = 2
_UPLOAD_BYTES_A_SECOND = 20_000
_GROWTH_BYTES = 100_000_000
_POST = "POST /en/log-in HTTP/1.1\r\nHost: {host}\r\nContent-Type: " + URLENCODED + "\r\nContent-Length: "


@dataclass
class Crowd:
    """Clients that send a beginning and then a byte each second, and connect again when they are closed.

    At most 25 connect in a second: requests as fast as possible would be another attack.
    """

    server: Server
    beginning: bytes
    _clients: list[socket.socket] = field(default_factory=list)
    _ends: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._clients = [self._connect() for _ in range(SLOW_CLIENTS)]
        self._thread = threading.Thread(target=self._trickle)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        for client in self._clients:
            client.close()

    def _connect(self) -> socket.socket:
        time.sleep(1 / 25)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(5)
        with contextlib.suppress(OSError):
            client.connect((self.server.host, self.server.port))
            client.sendall(self.beginning)
        return client

    def _trickle(self) -> None:
        while not self._ends.wait(1):
            for place, client in enumerate(self._clients):
                try:
                    client.send(b"a")
                except OSError:
                    client.close()
                    self._clients[place] = self._connect()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Server, SourceClient]]:
    desk = desk_servers.set_up(tmp_path / "var")
    with desk_servers.serving(desk, "source") as server, SourceClient(server.host, server.port) as source:
        source.open_mailbox()
        yield server, source


def _beginning(kind: str, server: Server, source: SourceClient) -> bytes:
    host = f"{server.host}:{server.port}"
    post = _POST.format(host=host)
    if kind == "a file that no one reads":
        source.write("text", {"large.png": os.urandom(4_000_000)})
        (path,) = file_links(source.thread_page()).values()
        cookie = "; ".join(f"{name}={value}" for name, value in source.browser.cookies.items())
        return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n".encode()
    return {
        "headers": f"GET / HTTP/1.1\r\nHost: {host}\r\nX: ".encode(),
        "bodies": f"{post}3000\r\n\r\nwords=".encode(),
        "large bodies": f"{post}1000000\r\n\r\ntext=".encode() + b"x" * 20_000,
    }[kind]


def _upload_slowly(server: Server, source: SourceClient) -> bytes:
    """Send a message with a file at 20 kB/s. Return the first line of the answer."""
    form = source.write_form()
    content = os.urandom(_UPLOAD_BYTES_A_SECOND * UPLOAD_SECONDS)
    media_type, body = multipart({**form.hidden, "text": "honest"}, {"photo.png": content})
    cookie = "; ".join(f"{name}={value}" for name, value in source.browser.cookies.items())
    with socket.create_connection((server.host, server.port), timeout=60) as client:
        client.sendall(
            f"POST {form.action} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nCookie: {cookie}\r\n"
            f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        for start in range(0, len(body), _UPLOAD_BYTES_A_SECOND // 10):
            client.sendall(body[start : start + _UPLOAD_BYTES_A_SECOND // 10])
            time.sleep(0.1)
        return client.recv(4096).partition(b"\r\n")[0]


@pytest.mark.parametrize("kind", ["headers", "bodies", "large bodies", "a file that no one reads"])
def test_a_crowd_of_slow_clients_delays_no_visitor_and_ends_no_honest_upload(
    site: tuple[Server, SourceClient], kind: str
) -> None:
    server, source = site
    beginning = _beginning(kind, server, source)
    waited = []
    with Crowd(server, beginning):
        for _ in range(_VISITS):
            source.browser.close()  # each visitor connects again
            since = time.monotonic()
            assert source.browser.get("/en/").status == 200
            waited.append(time.monotonic() - since)
        uploaded = _upload_slowly(server, source)

    assert b"303" in uploaded
    assert not IS_WHOLE or max(waited) <= _LONGEST_SECONDS
    print_result(
        f"{SLOW_CLIENTS} slow clients ({kind}): {_VISITS} visitors waited at most {max(waited):.2f} s, and "
        f"an upload of {UPLOAD_SECONDS} s at 20 kB/s was kept"
    )


class _Memory:
    """Highest memory of all processes of a server together, from when it is entered until it is left."""

    def __init__(self, server: Server) -> None:
        self._pids = [server.process.pid, *server.workers]
        self._ends = threading.Event()
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, sum(map(memory.proportional_bytes, self._pids)))
            if self._ends.wait(0.05):
                return


def _send_at_once(server: Server, forms: list[tuple[str, bytes]]) -> list[int]:
    """Send each form from its own client, all at the same time. Return the statuses."""
    statuses: list[int] = []
    ready = threading.Barrier(len(forms))

    def send(path: str, body: bytes) -> None:
        with SourceClient(server.host, server.port) as client:
            client.browser.get("/en/")
            ready.wait()
            client.browser.close()
            statuses.append(client.browser.post(path, URLENCODED, body).status)

    threads = [threading.Thread(target=send, args=form) for form in forms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_the_largest_forms_of_fifty_clients_take_little_memory(site: tuple[Server, SourceClient]) -> None:
    server, _ = site
    small = [("/en/log-in", b"words=a+b+c")] * LARGE_FORMS  # each visitor computes an Argon2id, or is refused
    text = quote("\N{GRINNING FACE}" * (TEXT_BYTES // 4)).encode()
    kinds = {
        "a text of full length": [("/en/log-in", b"words=a+b+c&text=" + text)],
        "escapes": [("/en/log-in", b"words=a+b+c&text=" + b"%26" * TEXT_BYTES)],
        "4 MB": [
            ("/en/log-in", b"words=" + b"%26" * 1_400_000),
            ("/en/practise", b"ticket=" + b"%2526" * 800_000),
            ("/en/log-in", b"&a" * 2_000_000),
        ],
    }
    with _Memory(server) as usual:
        for _ in range(3):
            _send_at_once(server, small)

    growths = {}
    for kind, forms in kinds.items():
        with _Memory(server) as under_load:
            for _ in range(3 if IS_WHOLE else 1):
                statuses = _send_at_once(server, (forms * LARGE_FORMS)[:LARGE_FORMS])
        assert len(statuses) == LARGE_FORMS
        growths[kind] = under_load.peak_bytes - usual.peak_bytes

    shown = ", ".join(f"{kind} {growth // 1_000_000} MB" for kind, growth in growths.items())
    print_result(
        f"{LARGE_FORMS} clients with large forms: above {usual.peak_bytes // 1_000_000} MB with small forms, "
        f"all processes grew by: {shown}"
    )
    assert max(growths.values()) <= _GROWTH_BYTES
