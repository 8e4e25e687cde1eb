"""Two source servers on one database, behind HAProxy and one Tor, on a private Tor network."""

import html
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.forms import URLENCODED, form_to
from bench.tor_network import Tor, TorNetwork
from deploy.onion.control import PublishedService, connect_to_tor, fetch_published
from tests.deploy.on_postgresql import a_desk_on, a_second_server
from tests.deploy.servers import free_address
from tests.deploy.sites.source_servers import TwoSourceServers, set_in, two_source_servers
from tests.postgresql_cluster import start_cluster
from tests.proofs.http_clients import SourceClient
from tests.tor.onion_sites import OnionBrowser, run_steunpunt, wait_for_answer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a reverse proxy in a chroot"),
]


@dataclass(frozen=True)
class OnionOfTwoServers:
    servers: TwoSourceServers
    tor: Tor
    host: str


@pytest.fixture
def onion(network: TorNetwork, tmp_path: Path) -> Iterator[OnionOfTwoServers]:
    cluster = start_cluster()
    tor = network.add("in-front")
    try:
        first = a_desk_on(cluster, tmp_path / "desk", free_address()).server
        second = a_second_server(first, tmp_path / "second", free_address())
        with two_source_servers(first, second, tmp_path) as servers:
            places = {"proxy_socket": f"{servers.socket}", "control": f"unix:{tor.control_socket}"}
            set_in(first, "onion", folder=f"{tor.folder}", **places)
            tor.add_lines(first.does("onion", "torrc"))
            tor.start()
            host = tor.host_of("steunpunt-source")
            for machine in (first, second):
                set_in(machine, "source", onion_host=host)
            servers.start()
            tor.wait_until_bootstrapped()
            yield OnionOfTwoServers(servers, tor, host)
    finally:
        tor.stop()
        cluster.stop()


def test_a_session_stays_with_its_server_until_it_dies_and_the_text_is_kept(
    onion: OnionOfTwoServers, client: Tor
) -> None:
    servers = onion.servers
    wait_for_answer(client, onion.host)
    with connect_to_tor(f"unix:{client.control_socket}") as controller:
        found = fetch_published(controller, onion.host, seconds=120)
    assert found == PublishedService(defends_by_work=True, is_single_hop=False)
    said = run_steunpunt(servers.first.settings, "onion", "status")
    assert (said.returncode, "Do this:" in said.stdout) == (0, False), said.stdout

    with SourceClient(onion.host, 80) as source:
        source.browser = OnionBrowser(client, onion.host)
        passphrase = source.open_mailbox()
        for number in range(3):
            source.browser.close()
            client.forget()  # the next request comes through another circuit
            source.write(f"message {number}")
        form = source.write_form()
        letter = source.browser.cookies["mailbox"].partition("~")[0]
        servers.kill(servers.first if letter == "a" else servers.second)

        asked = source.send(form, "typed before the server died")
        log_in = form_to(asked, "/en/mailbox/write", ending="/log-in")
        body = log_in.filled({"words": passphrase, "text": "typed before the server died"})
        kept = source.browser.follow(source.browser.post(log_in.action, URLENCODED, body))

        assert "typed before the server died" in html.unescape(kept.body.decode())
        assert source.browser.cookies["mailbox"].partition("~")[0] == ("b" if letter == "a" else "a")
        assert "message 2" in source.mailbox()
