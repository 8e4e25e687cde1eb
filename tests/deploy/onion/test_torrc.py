from pathlib import Path

import pytest

from deploy.errors import OnionError
from deploy.onion import torrc
from deploy.onion.clients import admit_client, dismiss_client, make_client_key
from deploy.onion.torrc import publish_with_torrc, torrc_lines
from deploy.settings.onion_settings import OnionConfig
from programs.runner import ProgramLimits

SOCKET = "/run/steunpunt/source.sock"


def _config(folder: Path, sync_socket: str = "") -> OnionConfig:
    return OnionConfig(
        way="torrc",
        control="unix:/run/tor/control",
        folder=folder,
        sync_socket=sync_socket,
        sync_host="",
        proxy_socket="",
    )


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_lines_for_the_source_have_a_port_a_socket_the_defence_and_no_single_hop(tmp_path: Path) -> None:
    assert _lines(torrc_lines(_config(tmp_path), SOCKET)) == [
        "HiddenServiceNonAnonymousMode 0",
        "HiddenServiceSingleHopMode 0",
        f"HiddenServiceDir {tmp_path}/steunpunt-source",
        "HiddenServiceVersion 3",
        f"HiddenServicePort 80 unix:{SOCKET}",
        "HiddenServicePoWDefensesEnabled 1",
    ]


def test_the_onion_for_sync_has_its_own_folder(tmp_path: Path) -> None:
    config = _config(tmp_path, "/run/steunpunt/sync.sock")
    admit_client(config.clients_folder, "desk-1", make_client_key().public)

    assert _lines(torrc_lines(config, SOCKET))[6:] == [
        f"HiddenServiceDir {tmp_path}/steunpunt-sync",
        "HiddenServiceVersion 3",
        "HiddenServicePort 80 unix:/run/steunpunt/sync.sock",
    ]


def test_an_onion_for_sync_without_a_client_key_is_refused(tmp_path: Path) -> None:
    """If an onion service has no client at all, Tor lets everyone connect without a key."""
    with pytest.raises(OnionError, match="has no client key yet"):
        torrc_lines(_config(tmp_path, "/run/steunpunt/sync.sock"), SOCKET)


def test_the_onion_for_sync_stays_protected_after_the_last_workstation_left(tmp_path: Path) -> None:
    config = _config(tmp_path, "/run/steunpunt/sync.sock")
    admit_client(config.clients_folder, "desk-1", make_client_key().public)
    dismiss_client(config.clients_folder, "desk-1")

    assert "steunpunt-sync" in torrc_lines(config, SOCKET)
    assert len(list(config.clients_folder.glob("*.auth"))) == 1  # the key that no one has


def test_without_a_socket_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(OnionError, match="onion_socket"):
        torrc_lines(_config(tmp_path), "")


@pytest.mark.parametrize("name", ["a#b", 'a"b', "a\\b", "a\nHiddenServiceSingleHopMode 1"])
def test_a_folder_that_would_end_its_line_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OnionError, match="folder"):
        torrc_lines(_config(tmp_path / name), SOCKET)


@pytest.mark.parametrize("command", ["exec sleep 600", "exit 1"])
def test_a_reload_of_tor_that_hangs_or_fails_ends_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(torrc, "_SYSTEMCTL", ("/bin/sh", "-c", command))
    monkeypatch.setattr(torrc, "_SYSTEMCTL_LIMITS", ProgramLimits(0.5, memory_bytes=10**9, output_bytes=10))

    with pytest.raises(OnionError, match="systemctl status tor@default"):
        publish_with_torrc("# lines", [tmp_path], tmp_path / "steunpunt.conf")
