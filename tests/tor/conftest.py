"""One Tor network for all tests of this folder: tests/conftest.py keeps them in one worker."""

from collections.abc import Iterator

import pytest

from bench.tor_network import Tor, TorNetwork


@pytest.fixture(scope="session")
def network() -> Iterator[TorNetwork]:
    with TorNetwork() as standing:
        yield standing


@pytest.fixture(scope="session")
def client(network: TorNetwork) -> Tor:
    """Return a tor with a SOCKS port, as a source's Tor Browser has."""
    tor = network.add("client", socks=True)
    tor.start()
    tor.wait_until_bootstrapped()
    return tor
