"""The real server answers a malformed chunked body with 400, whatever is wrong, and stores nothing."""

import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench import desk_servers
from bench.processes import Server
from tests.deploy.servers import read_all
from tests.proofs.http_clients import SourceClient, multipart

pytestmark = pytest.mark.slow

TEXT = "een tekst die niet weg mag"
# What follows the first sound chunk, which is the first part of the form.
MALFORMED = {
    "a size that is not a number": b"zz\r\nabc\r\n0\r\n\r\n",
    "an empty size": b"\r\nabc\r\n0\r\n\r\n",
    "a negative size": b"-3\r\nabc\r\n0\r\n\r\n",
    "a size with a prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a size with an underscore": b"1_0\r\nabcdefghijklmnop\r\n0\r\n\r\n",
    "a size with a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "a size with a space": b"3 \r\nabc\r\n0\r\n\r\n",
    "a size that is too small": b"2\r\nabc\r\n0\r\n\r\n",
    "a size that is too large": b"9\r\nabc\r\n0\r\n\r\n",
    "a size of hundreds of digits": b"f" * 400 + b"\r\nabc\r\n0\r\n\r\n",
    "no line break after a size": b"3abc\r\n0\r\n\r\n",
    "a bare line feed after a size": b"3\nabc\r\n0\r\n\r\n",
    "no line break after a chunk": b"3\r\nabc0\r\n\r\n",
    "a bare line feed after a chunk": b"3\r\nabc\n0\r\n\r\n",
    "a bare carriage return after a chunk": b"3\r\nabc\r0\r\n\r\n",
    "an extension that is too long": b"3;" + b"a" * 9000 + b"\r\nabc\r\n0\r\n\r\n",
    "an extension that never ends": b"3;" + b"a" * 100_000,
    "an extension with a carriage return": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "an extension without a name": b"3;=\r\nabc\r\n0\r\n\r\n",
    "an extension with an open quote": b'3;a="b\r\nabc\r\n0\r\n\r\n',
    "a trailer that is not a header": b"0\r\nnonsense\r\n\r\n",
    "a trailer with a space in its name": b"0\r\na b: c\r\n\r\n",
    "a trailer without a name": b"0\r\n: c\r\n\r\n",
    "a folded trailer": b"0\r\na: b\r\n c\r\n\r\n",
    "a trailer with a bare line feed": b"0\r\na: b\nc: d\r\n\r\n",
    "a trailer that announces a length": b"0\r\nContent-Length: 3\r\n\r\n",
    "a trailer that is too long": b"0\r\na: " + b"b" * 9000 + b"\r\n\r\n",
    "too many trailers": b"0\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    "the end before a size": b"",
    "the end in a size": b"3",
    "the end after a size": b"3\r\n",
    "the end in a chunk": b"3\r\nab",
    "the end after a chunk": b"3\r\nabc",
    "the end before the last chunk": b"3\r\nabc\r\n",
    "the end after the last chunk": b"0\r\n",
    "the end in a trailer": b"0\r\na: b",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, SourceClient, Path]]:
    desk = desk_servers.set_up(tmp_path_factory.mktemp("desk") / "var")
    with desk_servers.serving(desk, "source") as running, SourceClient(running.host, running.port) as source:
        source.open_mailbox()
        yield running, source, desk.path("source", "store_path")


def _exchange(running: Server, path: str, media_type: str, cookie: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {running.host}:{running.port}\r\nAccept-Language: en\r\n"
        f"Cookie: {cookie}\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((running.host, running.port), timeout=120) as client:
        client.sendall(head.encode() + body)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@pytest.mark.parametrize("how", MALFORMED)
@pytest.mark.parametrize("where", ["log in", "text", "file"])
def test_a_malformed_chunked_body_is_a_bad_request(
    server: tuple[Server, SourceClient, Path], how: str, where: str
) -> None:
    running, source, store = server
    cookie, path = "", "/en/log-in"
    media_type, form = "application/x-www-form-urlencoded", b"words=a+b+c&text=" + TEXT.encode()
    if where != "log in":
        page = source.write_form()
        path = page.action
        files = {"photo.jpg": bytes(2_000_000)} if where == "file" else {}
        media_type, form = multipart({**page.hidden, "text": TEXT}, files)
        form = form[: form.index(TEXT.encode()) + 10] if where == "text" else form[:-100]
        cookie = "; ".join(f"{name}={value}" for name, value in source.browser.cookies.items())

    answer = _exchange(running, path, media_type, cookie, _chunk(form) + MALFORMED[how])

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert 1 == len(re.findall(rb"HTTP/1\.1 \d\d\d ", answer))  # what follows is not read as another request
    with closing(sqlite3.connect(store)) as connection:
        assert (0,) == connection.execute("SELECT count(*) FROM entry").fetchone()


def test_a_log_out_with_a_malformed_chunked_body_ends_the_session_and_the_connection(
    server: tuple[Server, SourceClient, Path],
) -> None:
    running = server[0]
    with SourceClient(running.host, running.port) as visitor:
        visitor.open_mailbox()
        cookie = "; ".join(f"{name}={value}" for name, value in visitor.browser.cookies.items())
    site = f"Host: {running.host}:{running.port}\r\nCookie: {cookie}\r\n"
    body = "zz\r\nabc\r\n0\r\n\r\n"
    log_out = f"POST /en/log-out HTTP/1.1\r\n{site}Transfer-Encoding: chunked\r\n\r\n{body}"
    write = f"GET /en/mailbox/write HTTP/1.1\r\nConnection: close\r\n{site}\r\n"

    def answer_to(sent: str) -> bytes:
        with socket.create_connection((running.host, running.port), timeout=120) as client:
            client.sendall(sent.encode())
            return read_all(client)  # until the server closes the connection

    assert answer_to(write).startswith(b"HTTP/1.1 200 ")
    answer = answer_to(log_out + write)

    assert answer.startswith(b"HTTP/1.1 303 ")
    assert 1 == len(re.findall(rb"HTTP/1\.1 \d\d\d ", answer))
    assert answer_to(write).startswith(b"HTTP/1.1 303 ")  # to the log-in page


@pytest.fixture(scope="module")
def adviser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    desk = desk_servers.set_up(tmp_path_factory.mktemp("desk") / "var")
    with desk_servers.serving(desk, "adviser") as running:
        yield running


@pytest.mark.parametrize("how", MALFORMED)
def test_a_malformed_chunked_body_is_a_bad_request_at_the_advisers_site_too(
    adviser: Server, how: str
) -> None:
    form = _chunk(b"passphrase=" + TEXT.encode())

    answer = _exchange(adviser, "/unlock", "application/x-www-form-urlencoded", "", form + MALFORMED[how])

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert 1 == len(re.findall(rb"HTTP/1\.1 \d\d\d ", answer))


def test_a_sound_chunked_body_with_an_extension_and_a_trailer_is_accepted(
    server: tuple[Server, SourceClient, Path], adviser: Server
) -> None:
    form = b"words=a+b+c"
    body = b"%x;name=value\r\n%s\r\n0\r\nName: value\r\n\r\n" % (len(form), form)
    media_type = "application/x-www-form-urlencoded"

    entered = _exchange(server[0], "/en/log-in", media_type, "", body)
    unlocked = _exchange(adviser, "/unlock", media_type, "", body)

    assert re.match(rb"HTTP/1\.1 (303|422) ", entered)
    assert re.match(rb"HTTP/1\.1 403 ", unlocked)  # the form has no token
