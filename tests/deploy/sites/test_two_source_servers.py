"""Two source servers on one database of PostgreSQL, behind the real HAProxy with the files of the package."""

import html
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress

import pytest

from bench.browser import Answer, BadAnswerError, Browser
from bench.forms import URLENCODED, form_to
from protocol.content import TEXT_CHARS
from tests.deploy.on_postgresql import a_desk_on, a_second_server
from tests.deploy.servers import free_address, read_all
from tests.deploy.sites.proxied_sites import ADDRESS, VISITOR
from tests.deploy.sites.source_servers import TwoSourceServers, parts_of, set_in, two_source_servers
from tests.postgresql_cluster import start_cluster
from tests.proofs.http_clients import SourceClient

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a reverse proxy in a chroot"),
]

CANARY = "zwartekanarie"
ONION = "su65btplhtb2mxt4qvcr7ly7a4upguwit4cptdwqldw3ec4iz35fpeqd.onion"
COOKIES = {ADDRESS: "__Host-mailbox", ONION: "mailbox"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSourceServers]:
    folder = tmp_path_factory.mktemp("servers")
    cluster = start_cluster()
    try:
        first = a_desk_on(cluster, folder / "desk", free_address()).server
        second = a_second_server(first, folder / "second", free_address())
        for machine in (first, second):
            set_in(machine, "source", origin=f"https://{ADDRESS}", onion_host=ONION)
        with two_source_servers(first, second, folder) as made:
            yield made
    finally:
        cluster.stop()


class _ProxyBrowser(Browser):
    """Browser of a visitor of the web address, or of the onion address."""

    def __init__(self, servers: TwoSourceServers, host: str) -> None:
        super().__init__(host, 80)  # the Host header names no port
        self._servers = servers

    def _connect(self) -> socket.socket:
        if self.host == ADDRESS:
            return socket.create_connection(self._servers.web, 60, (VISITOR, 0))
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(60)
        line.connect(str(self._servers.socket))
        return line


Visit = Callable[[str], SourceClient]


@pytest.fixture
def visit(servers: TwoSourceServers) -> Iterator[Visit]:
    """Return a function that opens a new browser for a visitor of one of the two addresses."""
    with ExitStack() as stack:

        def _visit(host: str) -> SourceClient:
            source = stack.enter_context(SourceClient(host, 80))
            source.browser = stack.enter_context(_ProxyBrowser(servers, host))
            return source

        yield _visit
    _assert_nothing_noted(servers)


def _source_of(letter: str, visit: Visit, host: str = ONION) -> tuple[SourceClient, str]:
    """Return a source who started a mailbox at one of the two servers, and the passphrase."""
    while True:
        source = visit(host)
        passphrase = source.open_mailbox()
        if _server_of(source) == letter:
            return source, passphrase


def _server_of(source: SourceClient) -> str:
    ((name, value),) = source.browser.cookies.items()
    assert name == COOKIES[source.browser.host]
    return value.partition("~")[0]


def _logged_in_with_text(source: SourceClient, asked: Answer, passphrase: str, typed: str) -> Answer:
    log_in = form_to(asked, "/en/mailbox/write", ending="/log-in")
    body = log_in.filled({"words": passphrase, "text": typed})
    return source.browser.follow(source.browser.post(log_in.action, URLENCODED, body))


def _assert_nothing_noted(servers: TwoSourceServers) -> None:
    written = servers.written()
    assert sum("haproxy.cfg" in path or "output" in path for path in written) > 1  # so files are found
    for path, content in written.items():
        for secret in (CANARY, VISITOR, ONION, "/en/"):
            assert secret.encode() not in content, f"{secret} in {path}"


def test_if_no_server_runs_visitors_are_asked_to_try_again(servers: TwoSourceServers, visit: Visit) -> None:
    for machine in [*servers.sites]:
        servers.kill(machine)

    answer = visit(ONION).browser.post("/en/log-in", URLENCODED, f"text={CANARY}".encode())

    assert answer.status in {502, 503}  # HAProxy may have had a connection to a server that was killed
    assert b"Did you write a text?" in answer.body
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert answer.headers["retry-after"] == "60"


@pytest.mark.parametrize("host", COOKIES)
def test_a_session_stays_with_its_server_and_a_visitor_gets_one_cookie_only(
    servers: TwoSourceServers, visit: Visit, host: str
) -> None:
    servers.start()
    sources = {letter: _source_of(letter, visit, host)[0] for letter in "ab"}
    for letter, source in sources.items():
        for number in range(6):
            source.browser.close()  # the next request comes on a new connection
            source.write(f"{CANARY} {number}")
        assert f"{CANARY} 5" in source.mailbox()
        assert _server_of(source) == letter
    assert "set-cookie" not in visit(host).browser.get("/en/").headers
    cookie = sources["a"].press("/en/mailbox", "/log-out").headers["set-cookie"]

    name, is_safe = COOKIES[host], "Secure; " if host == ADDRESS else ""
    assert re.match(rf"{name}=a~;.* Max-Age=0; {is_safe}HttpOnly; Path=/; SameSite=Strict$", cookie)


@pytest.mark.parametrize("letter", ["a", "b"])
def test_when_a_server_dies_its_sources_log_in_at_the_other_with_their_text(
    servers: TwoSourceServers, visit: Visit, letter: str
) -> None:
    servers.start()
    typed = f"{CANARY} {'w' * (TEXT_CHARS - 30)}"
    source, passphrase = _source_of(letter, visit)
    neighbour, _ = _source_of("b" if letter == "a" else "a", visit)
    source.write("before")
    form = source.write_form()
    servers.kill(servers.first if letter == "a" else servers.second)

    asked = source.send(form, typed)
    kept = _logged_in_with_text(source, asked, passphrase, typed)
    assert typed in html.unescape(asked.body.decode())
    assert typed in html.unescape(kept.body.decode())
    assert _server_of(source) != letter
    assert "before" in source.mailbox()
    neighbour.write("while it is away")

    servers.start()
    source.write("after")
    neighbour.write("afterwards")
    assert _server_of(source) != letter
    _source_of(letter, visit)[0].write("at the server that came back")


@pytest.mark.parametrize("files", [{}, {"a.png": bytes(200_000)}], ids=["text", "file"])
def test_a_form_that_a_server_received_before_it_died_is_answered_by_the_other(
    servers: TwoSourceServers, visit: Visit, files: dict[str, bytes]
) -> None:
    """HAProxy does not keep a form with a large file, and cannot send it again. The visitor does so."""
    servers.start()
    typed = f"{CANARY} {'w' * (TEXT_CHARS - 30)}"
    source, passphrase = _source_of("a", visit)
    form = source.write_form()

    with _frozen(servers.sites[servers.first]), ThreadPoolExecutor() as sender:
        sent = sender.submit(source.send, form, typed, files)
        time.sleep(0.2)  # the server does not read the form, or the part that it has
        assert not sent.done()
        servers.kill(servers.first)
        with suppress(BadAnswerError) if files else nullcontext():
            asked = sent.result()
    if files:
        source.browser.close()
        asked = source.send(form, typed, files)

    assert typed in html.unescape(asked.body.decode())
    kept = _logged_in_with_text(source, asked, passphrase, typed)
    assert typed in html.unescape(kept.body.decode())


@pytest.mark.parametrize("what", ["machine", "site"])
def test_when_a_server_freezes_its_sources_log_in_at_the_other_with_their_text(
    servers: TwoSourceServers, visit: Visit, what: str
) -> None:
    """If only the site freezes, HAProxy connects, sends the form, and waits for an answer."""
    servers.start()
    source, passphrase = _source_of("b" if what == "machine" else "a", visit)
    form = source.write_form()

    with _frozen(servers.second_proxy if what == "machine" else servers.sites[servers.first]):
        asked = source.send(form, CANARY)
        kept = _logged_in_with_text(source, asked, passphrase, CANARY)

    assert CANARY in asked.body.decode()
    assert CANARY in kept.body.decode()


def test_a_visitor_cannot_send_many_requests_at_once_on_one_connection(servers: TwoSourceServers) -> None:
    """Attack: HAProxy accepts HTTP/2 without TLS. 20 connections made it open 2,000 to the sites."""
    for address in (str(servers.socket), servers.web):
        with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as line:
            line.settimeout(60)
            line.connect(address)
            line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            assert read_all(line).startswith(b"HTTP/1.1 400 ")


def test_the_second_server_answers_only_to_the_certificate_of_the_first(servers: TwoSourceServers) -> None:
    servers.start()
    page = f"GET /en/ HTTP/1.1\r\nHost: {ONION}\r\nConnection: close\r\n\r\n".encode()
    keys = servers.folder / "first proxy/files/etc/haproxy"
    stranger, first = (ssl.create_default_context(cafile=str(keys / "other.pem")) for _ in range(2))
    stranger.check_hostname = first.check_hostname = False
    first.load_cert_chain(keys / "own.pem", keys / "own.pem.key")

    def ask(context: ssl.SSLContext | None) -> bytes:
        plain = socket.create_connection(servers.between, timeout=60)
        with plain if context is None else context.wrap_socket(plain) as line:
            line.sendall(page)
            return read_all(line)

    assert ask(first).startswith(b"HTTP/1.1 200 ")
    assert ask(None) == b""
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        ask(stranger)


@contextmanager
def _frozen(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Freeze a program with all its parts until the block ends."""
    parts = parts_of(process)
    for part in parts:
        os.kill(part, signal.SIGSTOP)
    try:
        yield
    finally:
        for part in parts:
            with suppress(ProcessLookupError):
                os.kill(part, signal.SIGCONT)
