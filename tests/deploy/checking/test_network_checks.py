"""Checks of the site through a reverse proxy (an invented one, on loopback), and of Tor without a Tor."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.checking.check_results import CheckResult, Level
from deploy.checking.machine_files import read_machine_settings
from deploy.checking.network_checks import check_site, make_network_checks
from tests.deploy.checking.machines import levels, set_text
from tests.deploy.sites.proxied_sites import certify
from tests.deploy.two_machines import Machine
from web.headers import EVERY_ANSWER

pytestmark = pytest.mark.enable_socket


@contextmanager
def _a_proxy(headers: dict[str, str], status: int = 200, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answer each request with these headers. Yield the address."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"{'https://localhost' if tls else 'http://127.0.0.1'}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _site(headers: dict[str, str], status: int = 200) -> list[CheckResult]:
    with _a_proxy(headers, status) as origin:
        return list(check_site(origin))


def test_a_proxy_that_changes_nothing_is_fine() -> None:
    assert [Level.OK] == levels(_site(dict(EVERY_ANSWER)), "site")


@pytest.mark.parametrize(
    "changes",
    [
        {"Content-Security-Policy": "default-src *"},
        {"Cache-Control": "max-age=60"},
        {"Content-Encoding": "gzip"},
        {"Set-Cookie": "backend=1"},
        {"Via": "1.1 proxy"},
        {"ETag": '"x"'},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_proxy_that_changes_or_adds_a_header_is_a_fault_that_names_it(changes: dict[str, str]) -> None:
    (result,) = _site({**EVERY_ANSWER, **changes})

    assert Level.FAULT is result.level
    assert next(iter(changes)).lower() in result.state.lower()


def test_a_proxy_that_removes_a_header_is_a_fault() -> None:
    headers = {name: value for name, value in EVERY_ANSWER.items() if name != "Referrer-Policy"}

    assert [Level.FAULT] == levels(_site(headers), "site")


def test_a_proxy_that_changes_the_host_is_a_fault() -> None:
    (result,) = _site(dict(EVERY_ANSWER), 400)

    assert (Level.FAULT, True) == (result.level, "Host header" in result.to_do)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's settings with TLS 1.3 alone, and a certificate that this process trusts."""
    certify(tmp_path, tmp_path / "own", "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own/fullchain.pem", tmp_path / "own/privkey.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _https(tls: ssl.SSLContext, hsts: str) -> list[CheckResult]:
    with _a_proxy({**EVERY_ANSWER, "Strict-Transport-Security": hsts}, tls=tls) as origin:
        return list(check_site(origin))


def test_a_proxy_with_tls_1_3_that_keeps_browsers_at_https_is_fine(tls: ssl.SSLContext) -> None:
    assert [Level.OK] == levels(_https(tls, "max-age=63072000"), "site")


def test_a_proxy_that_accepts_tls_1_2_is_a_fault(tls: ssl.SSLContext) -> None:
    tls.minimum_version = ssl.TLSVersion.TLSv1_2

    (result,) = _https(tls, "max-age=63072000")

    assert (Level.FAULT, True) == (result.level, "TLS 1.2" in result.state)


@pytest.mark.parametrize("hsts", ["", "max-age=86400", "includeSubDomains"])
def test_a_proxy_that_lets_browsers_go_back_to_http_is_a_fault(tls: ssl.SSLContext, hsts: str) -> None:
    (result,) = _https(tls, hsts)

    assert (Level.FAULT, True) == (result.level, "Strict-Transport-Security" in result.state)


def test_a_site_that_no_one_can_reach_is_a_fault() -> None:
    with _a_proxy({}) as origin:
        pass

    assert [Level.FAULT] == levels(list(check_site(origin)), "site")


def test_tor_that_does_not_run_is_a_fault(desk: Machine) -> None:
    set_text(desk, "source", "onion_socket", "/run/steunpunt/source.sock")
    set_text(desk, "onion", "control", "unix:/nowhere/control")

    results = make_network_checks(read_machine_settings(desk.settings))

    assert [Level.FAULT] == levels(results, "onion")


def test_a_workstation_that_does_not_reach_its_server_is_a_fault(desk: Machine) -> None:
    with _a_proxy({}) as origin:
        pass
    set_text(desk, "adviser", "server", f"onion:{'a' * 56}.onion")
    set_text(desk, "adviser", "socks", origin.removeprefix("http://"))

    assert [Level.FAULT] == levels(make_network_checks(read_machine_settings(desk.settings)), "server")
