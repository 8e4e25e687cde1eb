"""Onion services published through Tor's control port, and faults that prevent this."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.processes import free_port
from bench.tor_network import Tor, TorNetwork
from deploy.errors import OnionError, TorAwayError
from deploy.exit_codes import ExitCode
from deploy.onion.clients import admit_client, dismiss_client, make_client_key
from deploy.onion.control import PublishedService, add_onion, connect_to_tor, fetch_published
from deploy.onion.folders import read_host, read_service_key
from deploy.onion.onion_keys import OnionKey
from deploy.onion.publish_services import publish_services
from deploy.settings.load_settings import load_config
from deploy.settings.onion_settings import OnionConfig
from tests.deploy.onion.sites import settings_in
from tests.tor.onion_sites import (
    NoAnswerError,
    answering_socket,
    fetch_once,
    run_steunpunt,
    running_publish,
    start_workstation_tor,
    wait_for_answer,
)

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Services:
    """Settings for both services, with a server behind each."""

    settings: Path
    tor: Tor

    @property
    def config(self) -> OnionConfig:
        return load_config(self.settings, "onion", OnionConfig)

    @property
    def source_socket(self) -> str:
        return str(self.settings.parents[1] / "source.sock")


@pytest.fixture(scope="module")
def tor(network: TorNetwork) -> Iterator[Tor]:
    tor = network.add("controlled")
    tor.start()
    tor.wait_until_bootstrapped()
    yield tor
    tor.stop()


@pytest.fixture
def services(tor: Tor, short_folder: Path) -> Iterator[Services]:
    settings = settings_in(
        short_folder / "var",
        way="control",
        folder="onion",
        control=f"unix:{tor.control_socket}",
        onion_socket=str(short_folder / "source.sock"),
        sync_socket=str(short_folder / "sync.sock"),
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(answering_socket(short_folder / "source.sock", b"source"))
        stack.enter_context(answering_socket(short_folder / "sync.sock", b"sync"))
        yield Services(settings, tor)


@pytest.mark.timeout(120)
def test_a_reload_of_tor_while_the_connection_closes_is_no_deadlock(services: Services) -> None:
    for _ in range(20):
        with connect_to_tor(services.config.control) as controller:
            assert controller.msg("SIGNAL RELOAD").is_ok()


def test_both_are_published_again_after_tor_restarts_and_only_admitted_workstations_connect(
    services: Services, client: Tor, network: TorNetwork
) -> None:
    config, key = services.config, make_client_key()
    admit_client(config.clients_folder, "desk-1", key.public)

    with running_publish(services.settings):
        source = _wait_for_host(config.source_folder)
        sync = _wait_for_host(config.sync_folder)
        workstation = start_workstation_tor(network, "workstation", key.private_line(sync))

        # Everyone reaches the source's interface, and sees the defence.
        assert wait_for_answer(client, source).endswith(b"source")
        with connect_to_tor(f"unix:{client.control_socket}") as controller:
            assert fetch_published(controller, source, seconds=60) == PublishedService(
                defends_by_work=True, is_single_hop=False
            )
            assert fetch_published(controller, sync, seconds=60) == PublishedService(None, None)

        # The onion for sync can be reached with the key, and not without.
        assert wait_for_answer(workstation, sync).endswith(b"sync")
        with pytest.raises(NoAnswerError, match="SOCKS"):
            fetch_once(client, sync)

        # Tor is killed. Its services disappear, and are published again under the same addresses.
        services.tor.kill()
        services.tor.start()
        services.tor.wait_until_bootstrapped()
        assert wait_for_answer(client, source).endswith(b"source")
        assert wait_for_answer(workstation, sync).endswith(b"sync")
        said = run_steunpunt(services.settings, "onion", "status")
        assert "Workstations that may connect: desk-1." in said.stdout
        assert "open only with a workstation's key" in said.stdout
        assert f'Write onion_host = "{source}"' in said.stdout  # the source's interface does not know it yet
        assert said.returncode == ExitCode.FAULTS_FOUND

        # A lost workstation can no longer connect, and its present connection is closed.
        dismiss_client(config.clients_folder, "desk-1")
        _wait_until_shut(workstation, sync)

    workstation.stop()
    # No longer connected, and still published: Flags=Detach.
    assert wait_for_answer(client, source).endswith(b"source")


def _wait_for_host(folder: Path) -> str:
    for _ in range(600):
        host = read_host(folder)
        if host:
            return host
        time.sleep(0.1)
    raise AssertionError("no key was made")


def _wait_until_shut(client: Tor, host: str) -> None:
    for _ in range(60):
        try:
            fetch_once(client, host)
        except (NoAnswerError, OSError):
            return
        time.sleep(1)
    raise AssertionError("a dismissed workstation still comes in")


def test_a_key_is_on_the_disk_for_its_owner_alone_before_it_is_published(services: Services) -> None:
    publish_services(services.config, services.source_socket, say=lambda _line: None)
    once = read_service_key(services.config.source_folder)

    publish_services(services.config, services.source_socket, say=lambda _line: None)

    assert read_service_key(services.config.source_folder) == once
    assert {path.stat().st_mode & 0o777 for path in services.config.source_folder.iterdir()} == {0o600}


def test_a_wrong_cookie_gets_a_sentence(services: Services) -> None:
    right = services.tor.cookie.read_bytes()
    services.tor.cookie.write_bytes(os.urandom(len(right)))

    with pytest.raises(OnionError, match="refuses to sign us in"):
        publish_services(services.config, services.source_socket, say=lambda _line: None)
    said = run_steunpunt(services.settings, "onion", "status")
    services.tor.cookie.write_bytes(right)

    assert said.returncode == 1
    assert "CookieAuthentication 1" in said.stderr
    assert len(said.stderr.splitlines()) == 1


def test_a_cookie_that_cannot_be_read_gets_a_sentence(services: Services) -> None:
    right = services.tor.cookie.read_bytes()
    services.tor.cookie.unlink()

    with pytest.raises(OnionError, match="CookieAuthentication 1"):
        publish_services(services.config, services.source_socket, say=lambda _line: None)
    services.tor.cookie.write_bytes(right)


def test_a_socket_with_a_space_is_refused_by_us_and_by_tor(services: Services, short_folder: Path) -> None:
    """If our check were missing, the sentence about Tor's refusal would still not contain the key."""
    settings = settings_in(short_folder / "spaced", onion_socket=f"{short_folder}/a b.sock")
    said = run_steunpunt(settings, "onion", "torrc")
    key = OnionKey.draw()

    with (
        connect_to_tor(f"unix:{services.tor.control_socket}") as controller,
        pytest.raises(OnionError) as why,
    ):
        add_onion(controller, key, f"{short_folder}/a b.sock")

    assert said.returncode == ExitCode.SETTINGS
    assert "without a space" in said.stderr
    assert key.control_text() not in str(why.value)


def test_tor_that_is_not_running_gets_a_sentence(network: TorNetwork) -> None:
    gone = network.add("gone")
    gone.start()
    gone.kill()  # its socket file is left

    for control in (f"unix:{gone.control_socket}", "unix:/nonexistent/control"):
        with pytest.raises(TorAwayError, match="Tor is not running"), connect_to_tor(control):
            pass


def test_a_closed_control_port_gets_a_sentence(services: Services) -> None:
    """This Tor is running, but listens for commands only on its Unix socket."""
    settings = services.settings.read_text("utf-8")
    port = free_port("127.0.0.1")
    services.settings.write_text(
        settings.replace(f"unix:{services.tor.control_socket}", f"127.0.0.1:{port}"), "utf-8"
    )

    said = [run_steunpunt(services.settings, "onion", *what) for what in (("publish", "--once"), ("status",))]

    assert [each.returncode for each in said] == [ExitCode.BUSY] * 2
    assert [len(each.stderr.splitlines()) for each in said] == [1, 1]
    assert all("open no control port there" in each.stderr for each in said)


def test_with_way_torrc_the_control_port_publishes_nothing(services: Services) -> None:
    settings = services.settings.read_text("utf-8").replace('way = "control"', 'way = "torrc"')
    services.settings.write_text(settings, "utf-8")

    with pytest.raises(OnionError, match="onion torrc"):
        publish_services(services.config, services.source_socket, say=lambda _line: None)
