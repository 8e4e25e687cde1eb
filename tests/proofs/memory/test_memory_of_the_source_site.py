"""A copy of the source site's memory, taken between two requests, opens no mailbox (docs/threat-model.md)."""

import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from bench import desk_servers, memory
from bench.forms import URLENCODED, form_to
from bench.processes import Server
from bench.source import passphrase_on
from crypto.passphrase import Argon2Params
from deploy.pinned_letterhead import open_letterhead
from deploy.settings.load_settings import load_config
from source_app.config import SourceConfig
from store.database.engine import open_store
from tests.proofs.http_clients import SourceClient
from tests.proofs.memory.process_memory import found_in, secrets_of, spellings
from tests.proofs.proof_sizes import CLIENTS, MEMORY_ROUNDS, print_result

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can read the memory of our processes"),
]

_LOOKS = 20  # a thread frees the last objects of a request just after it has sent the answer


@dataclass(frozen=True)
class SourceSite:
    server: Server
    site_salt: bytes
    argon2: Argon2Params

    def client(self) -> SourceClient:
        return SourceClient(self.server.host, self.server.port)

    def secrets(self, passphrase: str) -> Mapping[str, bytes]:
        typed_in_capitals = spellings("PASSPHRASE", passphrase.upper())
        return {**secrets_of(passphrase, self.site_salt, self.argon2), **typed_in_capitals}

    def found(self, wanted: Mapping[str, bytes]) -> dict[str, int]:
        master = self.server.process.pid
        return found_in([master, *memory.children(master)], wanted)

    def left(self, wanted: Mapping[str, bytes]) -> dict[str, int]:
        """Return which secrets stay in the site's memory when its threads have nothing more to do."""
        for _ in range(_LOOKS):
            found = self.found(wanted)
            if not found:
                break
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceSite]:
    desk = desk_servers.set_up(tmp_path_factory.mktemp("site") / "var")
    config = load_config(desk.settings, "source", SourceConfig)
    store = open_store(config.store_path)
    letterhead = open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
    store.close()
    with desk_servers.serving(desk, "source") as server:
        yield SourceSite(server, letterhead.site_salt, letterhead.argon2.params)


def _log_out(client: SourceClient) -> None:
    assert client.press("/en/mailbox", "/log-out").status == 303


def _try_wrong_words(client: SourceClient, passphrase: str) -> None:
    """Log in with a typing error. The refused words must not stay either."""
    form = client.log_in_form()
    answer = client.browser.post(form.action, URLENCODED, form.filled({"words": f"{passphrase} wrong"}))
    assert client.browser.follow(answer).status in {200, 422}


def _show_words_again(client: SourceClient) -> str:
    """Draw a passphrase, see it again, and type it with a mistake. Return the passphrase."""
    shown = client.browser.get("/en/begin")
    words = passphrase_on(shown)
    ticket = form_to(shown, "/en/begin", ending="/practise")
    assert client.browser.post("/en/begin", URLENCODED, ticket.filled({})).status == 200
    wrong = ticket.filled({"words": f"{words} wrong"})
    assert client.browser.post(ticket.action, URLENCODED, wrong).status == 422
    return words


def test_words_in_a_form_that_is_still_arriving_are_found(site: SourceSite) -> None:
    """Show that the search finds what is there, in the memory of a worker."""
    words = " ".join(secrets.token_hex(4) for _ in range(7))
    body = b"words=" + words.replace(" ", "+").encode()
    head = (
        f"POST /en/log-in HTTP/1.1\r\nHost: {site.server.host}:{site.server.port}\r\n"
        f"Content-Type: {URLENCODED}\r\nContent-Length: {len(body) + 1}\r\n\r\n"
    )
    with socket.create_connection((site.server.host, site.server.port)) as unfinished:
        unfinished.sendall(head.encode() + body)

        assert any(site.found(spellings("words", words)) or time.sleep(0.1) for _ in range(_LOOKS))

    assert site.left(spellings("words", words)) == {}


def test_between_requests_and_after_log_out_no_process_holds_the_passphrase_or_a_key(
    site: SourceSite,
) -> None:
    searches = 0
    everything: dict[str, bytes] = {}
    for number in range(MEMORY_ROUNDS):
        with site.client() as client, site.client() as other:
            drawn = _show_words_again(other)
            assert site.left(spellings("drawn", drawn)) == {}
            passphrase = client.open_mailbox()
            text, content = secrets.token_hex(20), secrets.token_hex(40_000).encode()
            wanted = {**site.secrets(passphrase), "text": text.encode(), "file": content[30_000:30_100]}

            wanted["cookie"] = client.browser.cookies["mailbox"].encode()
            assert ("started", site.left(wanted)) == ("started", {})
            client.write(text, {"file.png": content})
            assert ("posted", site.left(wanted)) == ("posted", {})
            assert text in client.mailbox()
            assert ("read", site.left(wanted)) == ("read", {})
            _log_out(client)
            assert ("logged out", site.left(wanted)) == ("logged out", {})
            _try_wrong_words(other, passphrase)
            assert ("tried wrong words", site.left(wanted)) == ("tried wrong words", {})
            client.log_in(passphrase.upper())
            wanted["next cookie"] = client.browser.cookies["mailbox"].encode()
            assert ("logged in", site.left(wanted)) == ("logged in", {})
            client.write(f"again {text}")
            assert ("posted again", site.left(wanted)) == ("posted again", {})
            _log_out(client)
            assert ("logged out again", site.left(wanted)) == ("logged out again", {})
            everything |= {f"{number} {name}": needle for name, needle in wanted.items()}
            searches += 9

    assert site.left(everything) == {}
    print_result(f"memory: {searches} searches in {MEMORY_ROUNDS} rounds found nothing")


def test_after_many_requests_at_once_no_process_holds_a_passphrase_or_a_key(site: SourceSite) -> None:
    def visit(_: int) -> dict[str, bytes]:
        with site.client() as client:
            passphrase = client.open_mailbox()
            wanted = {**site.secrets(passphrase), "cookie": client.browser.cookies["mailbox"].encode()}
            for number in range(MEMORY_ROUNDS):
                client.write(f"hello {number}")
                client.mailbox()
                _log_out(client)
                client.log_in(passphrase)
                wanted[f"cookie {number}"] = client.browser.cookies["mailbox"].encode()
            return wanted

    with ThreadPoolExecutor(CLIENTS) as visitors:
        visited = list(visitors.map(visit, range(CLIENTS)))

    assert [site.left(wanted) for wanted in visited] == [{}] * CLIENTS
