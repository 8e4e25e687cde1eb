"""Key with which a workstation's Tor connects to the server, at the place where Tor reads it."""

from pathlib import Path

import pytest

from deploy.errors import OnionError, OnionFolderError
from deploy.onion import torrc
from deploy.onion.clients import make_client_key
from deploy.onion.workstation_tor import use_client_key
from deploy.settings.onion_address import onion_address

LINE = make_client_key().private_line(onion_address(bytes(32)))
OTHER = make_client_key().private_line(onion_address(bytes(32)))


@pytest.fixture(autouse=True)
def restarts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take the place of systemctl. Return the file with what it was told."""
    told = tmp_path / "told"
    told.touch()
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >>{told}\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(torrc, "_SYSTEMCTL", (str(program),))
    limits = torrc.ProgramLimits(5, memory_bytes=10**9, output_bytes=100, file_bytes=1000)
    monkeypatch.setattr(torrc, "_SYSTEMCTL_LIMITS", limits)
    return told


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "steunpunt-sync.auth_private"
    path.write_text(LINE, "ascii")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "torrc"
    path.write_text("# Debian's own lines, without an end of the last line", "ascii")
    return path


def test_tor_gets_the_key_in_a_folder_of_its_own_and_restarts(
    tmp_path: Path, key: Path, settings: Path, restarts: Path
) -> None:
    folder = tmp_path / "onion_auth"

    written = use_client_key(key, settings, folder)

    assert written == folder / key.name
    assert written.read_text("ascii") == LINE
    assert (folder.stat().st_mode & 0o777, written.stat().st_mode & 0o777) == (0o700, 0o600)
    assert [path.name for path in folder.iterdir()] == [key.name]
    assert settings.read_text("ascii").splitlines()[1:] == [f"ClientOnionAuthDir {folder}"]
    assert restarts.read_text("utf-8") == "restart tor\n"


def test_a_new_key_replaces_the_old_one_and_the_settings_name_the_folder_once(
    tmp_path: Path, key: Path, settings: Path
) -> None:
    folder = tmp_path / "onion_auth"
    use_client_key(key, settings, folder)
    before = settings.read_text("ascii")
    key.write_text(OTHER, "ascii")

    use_client_key(key, settings, folder)

    assert (folder / key.name).read_text("ascii") == OTHER
    assert settings.read_text("ascii") == before


def test_the_folder_that_tors_settings_name_gets_the_key(tmp_path: Path, key: Path, settings: Path) -> None:
    """Fault of the lines in the manual before: they put the key in a folder that Tor did not read."""
    settings.write_text(f"clientonionauthdir  {tmp_path / 'named'}\n", "ascii")
    (tmp_path / "named").mkdir()

    written = use_client_key(key, settings, tmp_path / "onion_auth")

    assert written == tmp_path / "named" / key.name
    assert not (tmp_path / "onion_auth").exists()


@pytest.mark.parametrize("content", [b"", b"\xff", b"a secret", LINE[1:].encode(), LINE[:-5].encode()])
def test_root_copies_nothing_but_a_key(
    tmp_path: Path, key: Path, settings: Path, restarts: Path, content: bytes
) -> None:
    """Attack: the adviser's account replaces the key by a link to a file of root."""
    key.write_bytes(content)

    with pytest.raises(OnionError, match="is not a key") as why:
        use_client_key(key, settings, tmp_path / "onion_auth")

    assert "secret" not in str(why.value)
    assert not (tmp_path / "onion_auth").exists()
    assert restarts.read_text("utf-8") == ""


def test_a_machine_without_tor_is_told_what_is_needed(tmp_path: Path, key: Path) -> None:
    with pytest.raises(OnionFolderError, match="run this as root, on a workstation with Debian's tor"):
        use_client_key(key, tmp_path / "no-torrc", tmp_path / "onion_auth")
