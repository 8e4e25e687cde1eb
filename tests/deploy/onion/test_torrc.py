from pathlib import Path

import pytest

from deploy.errors import OnionError
from deploy.onion.clients import admit_client, dismiss_client, make_client_key
from deploy.onion.torrc import torrc_lines
from deploy.settings.onion_settings import OnionConfig

SOCKET = "/run/steunpunt/source.sock"


def _config(folder: Path, sync_socket: str = "") -> OnionConfig:
    return OnionConfig(way="torrc", control="unix:/run/tor/control", folder=folder, sync_socket=sync_socket)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_source_gets_one_port_a_socket_and_the_defence_and_never_a_single_hop(tmp_path: Path) -> None:
    assert _lines(torrc_lines(_config(tmp_path), SOCKET)) == [
        "HiddenServiceNonAnonymousMode 0",
        "HiddenServiceSingleHopMode 0",
        f"HiddenServiceDir {tmp_path}/steunpunt-source",
        "HiddenServiceVersion 3",
        f"HiddenServicePort 80 unix:{SOCKET}",
        "HiddenServicePoWDefensesEnabled 1",
    ]


def test_the_door_for_sync_has_a_folder_of_its_own(tmp_path: Path) -> None:
    config = _config(tmp_path, "/run/steunpunt/sync.sock")
    admit_client(config.clients_folder, "desk-1", make_client_key().public)

    assert _lines(torrc_lines(config, SOCKET))[6:] == [
        f"HiddenServiceDir {tmp_path}/steunpunt-sync",
        "HiddenServiceVersion 3",
        "HiddenServicePort 80 unix:/run/steunpunt/sync.sock",
    ]


def test_a_door_for_sync_that_nothing_guards_is_not_opened(tmp_path: Path) -> None:
    """Tor asks nobody for a key where there is no client: the door would stand open."""
    with pytest.raises(OnionError, match="has no client key yet"):
        torrc_lines(_config(tmp_path, "/run/steunpunt/sync.sock"), SOCKET)


def test_the_door_for_sync_stays_guarded_when_the_last_workstation_left(tmp_path: Path) -> None:
    config = _config(tmp_path, "/run/steunpunt/sync.sock")
    admit_client(config.clients_folder, "desk-1", make_client_key().public)
    dismiss_client(config.clients_folder, "desk-1")

    assert "steunpunt-sync" in torrc_lines(config, SOCKET)
    assert len(list(config.clients_folder.glob("*.auth"))) == 1  # the key that nobody has


def test_without_a_socket_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(OnionError, match="onion_socket"):
        torrc_lines(_config(tmp_path), "")


@pytest.mark.parametrize("name", ["a#b", 'a"b', "a\\b", "a\nHiddenServiceSingleHopMode 1"])
def test_a_folder_that_would_end_its_line_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OnionError, match="folder"):
        torrc_lines(_config(tmp_path / name), SOCKET)
