"""Fixtures of the Tor tests: one Tor network for all of them. tests/conftest.py runs them in one worker."""

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
    """Start a tor with a SOCKS port, like that of a source's Tor Browser."""
    tor = network.add("client", socks=True)
    tor.start()
    tor.wait_until_bootstrapped()
    return tor


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Create a folder with a path short enough for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="site-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def site(network: TorNetwork) -> Iterator[OnionSite]:
    """Run the server of a desk behind its own tor, which publishes its onion services."""
    with serve_onion_site(network) as running:
        yield running


@pytest.fixture(scope="module")  # two Playwright instances in one process conflict
def chromium(client: Tor) -> Iterator[Browser]:
    """Start Chromium with the client's SOCKS port as proxy, so that only Tor resolves names."""
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
    """Return a function that opens a new browser for one person, without JavaScript."""
    opened: list[BrowserContext] = []

    def _visit() -> BrowserContext:
        context = chromium.new_context(locale="en", java_script_enabled=False)
        context.set_default_timeout(60_000)
        opened.append(context)
        return context

    yield _visit
    for context in opened:
        context.close()
