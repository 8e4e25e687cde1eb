"""One Tor network for all tests of this folder: tests/conftest.py keeps them in one worker."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from bench.chromium import start as start_chromium
from bench.tor_network import Tor, TorNetwork
from tests.tor.onion_sites import OnionSite, serve_onion_site


@pytest.fixture(scope="session")
def network() -> Iterator[TorNetwork]:
    with TorNetwork() as running:
        yield running


@pytest.fixture(scope="session")
def client(network: TorNetwork) -> Tor:
    """Return a tor with a SOCKS port, as a source's Tor Browser has."""
    tor = network.add("client", socks=True)
    tor.start()
    tor.wait_until_bootstrapped()
    return tor


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Return a folder whose path leaves room for the name of a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="site-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def site(network: TorNetwork) -> Iterator[OnionSite]:
    """Open a desk whose source's interface listens for Tor, with a tor of its own that has its lines."""
    with serve_onion_site(network) as running:
        yield running


@pytest.fixture(scope="module")  # two at once of what drives it do not go together
def chromium(client: Tor) -> Iterator[Browser]:
    """Start Debian's Chromium behind the client's SOCKS port: every name goes to Tor, none to a resolver."""
    assert client.socks is not None
    with sync_playwright() as playwright:
        browser = start_chromium(
            playwright,
            f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {client.socks[0]}",
            proxy={"server": "socks5://{}:{}".format(*client.socks)},
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Give each person a browser of their own, without JavaScript."""
    opened: list[BrowserContext] = []

    def _visit() -> BrowserContext:
        context = chromium.new_context(locale="en", java_script_enabled=False)
        context.set_default_timeout(60_000)
        opened.append(context)
        return context

    yield _visit
    for context in opened:
        context.close()
