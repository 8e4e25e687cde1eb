"""The source's site behind the real Caddy and nginx, with the site files of the server's package."""

import os
import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deploy.servers import read_all
from tests.deploy.sites.proxied_sites import (
    ADDRESS,
    PROXIES,
    SITES,
    UPLOAD_BYTES,
    VISITOR,
    ProxiedSite,
    proxied_site,
)
from tests.proofs.http_clients import file_links, multipart
from web.headers import EVERY_ANSWER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a reverse proxy in a chroot"),
]

CANARY = "zwartekanarie"
FILE = f"{CANARY}\n".encode() * 700_000  # 9.8 MB
PAGE = f"GET /en/ HTTP/1.1\r\nHost: {ADDRESS}\r\nAccept-Encoding: gzip, br, zstd\r\nConnection: close\r\n\r\n"
ELSEWHERE = f"GET / HTTP/1.1\r\nHost: {CANARY}.example\r\nConnection: close\r\n\r\n"
BREAKS_OFF = f"POST /en/log-in HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Length: 9999\r\n\r\n{CANARY}"
UNUSUAL = [
    f"GET /{CANARY}?{CANARY} HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n",
    ELSEWHERE,
    f"GET /{CANARY} HTTP/1.1\r\n\r\n",
    f"{CANARY}\r\n\r\n",
    f"GET /{CANARY} HTTP/9.{CANARY}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: {ADDRESS}\r\n{CANARY} {CANARY}: 1\r\n\r\n",
    f"GET /%{CANARY}/%00/../../{CANARY} HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n",
    f"GET /{CANARY * 10_000} HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: {ADDRESS}\r\nCookie: {CANARY * 10_000}\r\n\r\n",
    f"POST /{CANARY} HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{CANARY}",
    f"POST /en/log-in HTTP/1.1\r\nHost: {ADDRESS}\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n",
    BREAKS_OFF,
    f"GET /.well-known/acme-challenge/{CANARY} HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n",
]


@pytest.fixture(scope="module", params=PROXIES)
def site(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[ProxiedSite]:
    with proxied_site(tmp_path_factory.mktemp("site"), request.param) as running, running.mailbox():
        yield running
    _assert_says_nothing(running)


@pytest.fixture(scope="module", params=PROXIES)
def down(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[ProxiedSite]:
    """A reverse proxy without the mailbox's site behind it."""
    with proxied_site(tmp_path_factory.mktemp("down"), request.param) as running:
        yield running
    _assert_says_nothing(running)


def _headers(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def _assert_nothing_noted(site: ProxiedSite) -> None:
    """Check that no file and no line of the proxy has something of a visitor."""
    written = site.written()
    assert any("caddy" in path or "nginx" in path for path in written)  # so files are found
    for path, content in written.items():
        _assert_has_nothing(path, content)


def _assert_says_nothing(ended: ProxiedSite) -> None:
    _assert_has_nothing("output", (ended.folder / "output").read_bytes())


def _assert_has_nothing(path: str, content: bytes) -> None:
    for secret in (CANARY, VISITOR, "/en/"):
        assert secret.encode() not in content, f"{secret} in {path}"


def test_caddy_gets_a_certificate_by_itself_if_no_file_is_named(tmp_path: Path) -> None:
    text = (SITES / "Caddyfile").read_text("utf-8")
    (tmp_path / "Caddyfile").write_text(text.replace("ADDRESS", ADDRESS), "utf-8")

    adapt = ["caddy", "adapt", "--config", tmp_path / "Caddyfile", "--adapter", "caddyfile"]
    settings = subprocess.run(adapt, check=True, capture_output=True, text=True).stdout

    assert '"tls_connection_policies"' in settings
    assert "load_files" not in settings


def test_a_visitor_with_tls_1_2_is_refused(site: ProxiedSite) -> None:
    with pytest.raises(ssl.SSLError):
        site.connect_safely(ssl.TLSVersion.TLSv1_2)
    with site.connect_safely() as client:
        assert client.version() == "TLSv1.3"
        assert client.selected_alpn_protocol() == "http/1.1"
    _assert_nothing_noted(site)


def test_a_page_has_the_headers_of_the_mailbox_and_one_more(site: ProxiedSite) -> None:
    answer = site.exchange(PAGE.encode())

    headers = _headers(answer)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert headers.pop("strict-transport-security") == "max-age=63072000"
    assert {name.lower(): value for name, value in EVERY_ANSWER.items()}.items() <= headers.items()
    assert headers.keys() - {name.lower() for name in EVERY_ANSWER} <= {
        *("connection", "content-length", "content-type", "date", "server", "transfer-encoding")
    }
    assert answer.rstrip().endswith(b"</html>")  # not compressed


def test_plain_http_leads_to_https_at_our_address_only(site: ProxiedSite) -> None:
    answer = site.exchange(
        f"GET /en/help HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: close\r\n\r\n".encode(), 80
    )

    assert re.match(rb"HTTP/1\.1 30[18] ", answer)
    assert _headers(answer)["location"] == f"https://{ADDRESS}/en/help"
    assert f"{CANARY}.example".encode() not in site.exchange(ELSEWHERE.encode(), 80)


def test_a_request_for_another_host_gets_no_page(site: ProxiedSite) -> None:
    answer = site.exchange(ELSEWHERE.encode())

    assert not answer.startswith(b"HTTP/1.1 2")
    assert site.exchange(PAGE.encode()).startswith(b"HTTP/1.1 200 ")


def test_a_large_file_is_stored_and_read_again_and_nothing_of_it_is_on_the_disk(site: ProxiedSite) -> None:
    with site.visitor() as source:
        source.open_mailbox()
        form = source.write_form()
        media_type, body = multipart({**form.hidden, "text": CANARY}, {f"{CANARY}.txt": FILE})

        def in_two_parts() -> Iterator[bytes]:
            yield body[: len(body) // 2]
            _assert_nothing_noted(site)
            yield body[len(body) // 2 :]

        sent = source.browser.post(form.action, media_type, in_two_parts(), len(body))
        assert sent.status == 303
        source.browser.follow(sent)
        (path,) = file_links(source.thread_page()).values()
        with site.connect_safely() as reader:
            reader.sendall(source.browser._head("GET", path, "Connection: close\r\n"))
            beginning = reader.recv(1)
            site.exchange(PAGE.encode())  # so that the proxy has time to read more from the mailbox
            _assert_nothing_noted(site)
            assert (beginning + read_all(reader)).endswith(FILE)
    _assert_nothing_noted(site)


def test_a_source_comes_back_with_the_passphrase(site: ProxiedSite) -> None:
    with site.visitor() as source:
        passphrase = source.open_mailbox()
        source.write("the first message")
    with site.visitor() as again:
        assert "the first message" in again.log_in(passphrase).body.decode()


def test_a_file_over_the_limit_is_refused_by_the_mailbox_itself(site: ProxiedSite) -> None:
    """The page of the mailbox has the typed text. A page of the proxy would not."""
    with site.visitor() as source:
        source.open_mailbox()
        answer = source.send(source.write_form(), CANARY, {CANARY: bytes(UPLOAD_BYTES + 1)})

    assert answer.status == 413
    assert CANARY in answer.body.decode()
    _assert_nothing_noted(site)


def test_a_visitor_who_must_come_back_later_reads_this_from_the_mailbox_itself(down: ProxiedSite) -> None:
    """The proxy shows its own page with this status only if the mailbox does not run."""
    with down.mailbox(new_mailboxes_an_hour=2), down.visitor() as visitor:
        for _ in range(2):  # a new half hour can begin between two visits
            visitor.open_mailbox()
            answer = visitor.browser.get("/en/begin")
            if answer.status == 503:
                break

    assert answer.status == 503
    assert b'data-refusal="limit"' in answer.body


def test_no_line_is_written_about_an_unusual_request(site: ProxiedSite) -> None:
    for unusual in UNUSUAL:
        for client in (site.connect(80), site.connect_safely(), site.connect(443)):  # the last is not TLS
            with client, suppress(OSError):  # the proxy may close the connection first
                client.sendall(unusual.encode())
                if unusual is not BREAKS_OFF:
                    client.recv(1)
        assert site.exchange(PAGE.encode()).startswith(b"HTTP/1.1 200 ")
        _assert_nothing_noted(site)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_while_the_mailbox_does_not_run_visitors_are_asked_to_try_again(
    down: ProxiedSite, method: str
) -> None:
    body = f"text={CANARY}"
    head = f"{method} /en/{CANARY} HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: close\r\n"

    answer = down.exchange(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    headers = _headers(answer)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Did you write a text?" in answer
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'"
    assert headers["content-type"].startswith("text/html")
    assert headers["retry-after"] == "60"
    assert headers["strict-transport-security"] == "max-age=63072000"
    assert not {"etag", "last-modified"} & headers.keys()
    _assert_nothing_noted(down)
