"""A source on a slow line sends a file through each reverse proxy, while attackers occupy connections."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deploy.sites.proxied_sites import ADDRESS, PROXIES, ProxiedSite, proxied_site
from tests.proofs.http_clients import multipart
from tests.proofs.proof_sizes import SLOW_CLIENTS, UPLOAD_SECONDS, print_result

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a reverse proxy in a chroot"),
]

PIECE_BYTES = 5_000  # each quarter of a second: 20 kB/s
FILE_BYTES = 4 * PIECE_BYTES * UPLOAD_SECONDS
HEAD = f"POST /en/log-in HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
BEGINNING = b'--x\r\nContent-Disposition: form-data; name="words"\r\n\r\n'


def _attack(site: ProxiedSite, ended: threading.Event, *, is_large: bool) -> None:
    """Send one byte a second of a request, until the server closes the connection."""
    body, length = (BEGINNING + bytes(20_000), 10**9) if is_large else (BEGINNING, 15_000)
    with suppress(OSError), site.connect_safely() as client:
        client.sendall(f"{HEAD}Content-Length: {length}\r\n\r\n".encode() + body)
        while not ended.wait(1):
            client.sendall(b"a")


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_slow_source_sends_a_file_while_attackers_send_one_byte_a_second(
    tmp_path: Path, proxy: str
) -> None:
    ended = threading.Event()
    with proxied_site(tmp_path, proxy) as site, site.mailbox(), site.visitor() as source:
        source.open_mailbox()
        form = source.write_form()
        media_type, body = multipart({**form.hidden, "text": "a text"}, {"a.txt": bytes(FILE_BYTES)})

        def slowly() -> Iterator[bytes]:
            for start in range(0, len(body), PIECE_BYTES):
                yield body[start : start + PIECE_BYTES]
                time.sleep(0.25)
                with site.visitor() as visitor:
                    visitor.start_page()  # raises an error if the answer is another page

        attackers = [
            threading.Thread(target=_attack, args=(site, ended), kwargs={"is_large": number % 2 == 0})
            for number in range(SLOW_CLIENTS)
        ]
        try:
            for attacker in attackers:
                attacker.start()
            sent = source.browser.post(form.action, media_type, slowly(), len(body))
        finally:
            ended.set()
            for attacker in attackers:
                attacker.join()

    assert sent.status == 303
    print_result(f"{proxy}: {FILE_BYTES} bytes at 20 kB/s, with {SLOW_CLIENTS} attackers, were stored")
