"""Tor runs as another user, as on Debian, and reaches our sockets in the folder that the manual describes."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import desk_servers
from bench.tor_network import Tor, TorNetwork
from deploy.exit_codes import ExitCode
from tests.tor.onion_sites import change_settings, run_steunpunt, wait_for_answer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="only root starts Tor as another user; tests/deploy/test_ports.py"
    ),
]
USER = "debian-tor"
_ADVICE = "Tor's user may not connect to"


@pytest.fixture
def tor(network: TorNetwork) -> Iterator[Tor]:
    """Add a tor that runs as Debian's user, with all its files in folders of this user."""
    network.folder.chmod(0o711)
    name = f"other-{os.urandom(4).hex()}"
    tor = network.add(name, [f"User {USER}"])
    for path in (tor.folder, *tor.folder.rglob("*")):
        shutil.chown(path, USER, USER)
    yield tor
    tor.stop()


@pytest.fixture
def sockets() -> Iterator[Path]:
    """Make the folder for our sockets, with the owner, group and mode of the manual."""
    folder = Path(tempfile.mkdtemp(prefix="s-"))
    os.chown(folder, -1, pwd.getpwnam(USER).pw_gid)
    folder.chmod(0o2750)
    yield folder
    shutil.rmtree(folder)


def _published(tor: Tor, sockets: Path, folder: Path) -> tuple[desk_servers.Desk, str]:
    """Let Tor publish the onion service of a new desk, as the manual says. Return the desk and its host."""
    desk = desk_servers.set_up(folder / "var")
    change_settings(
        desk.settings,
        onion_socket=str(sockets / "source.sock"),
        control=f"unix:{tor.control_socket}",
        folder=str(tor.folder),
    )
    lines = run_steunpunt(desk.settings, "onion", "torrc")
    tor.add_lines(lines.stdout)
    tor.start()
    host = tor.host_of("steunpunt-source")
    change_settings(desk.settings, onion_host=host)
    return desk, host


def test_a_visitor_reaches_the_site_through_a_tor_of_another_user(
    tor: Tor, client: Tor, sockets: Path, tmp_path: Path
) -> None:
    desk, host = _published(tor, sockets, tmp_path)
    with desk_servers.serving(desk, "source"):
        answer = wait_for_answer(client, host, "/en/help")
        said = run_steunpunt(desk.settings, "onion", "status").stdout

    assert answer.startswith(b"HTTP/1.1 200")
    assert (tor.folder / "steunpunt-source").stat().st_uid == pwd.getpwnam(USER).pw_uid
    assert _ADVICE not in said


def test_a_folder_without_tors_group_is_named_by_status_before_a_visitor_notices(
    tor: Tor, sockets: Path, tmp_path: Path
) -> None:
    sockets.chmod(0o750)  # without set-group-ID: the socket has our own group
    desk, _ = _published(tor, sockets, tmp_path)
    tor.wait_until_bootstrapped()
    with desk_servers.serving(desk, "source"):
        said = run_steunpunt(desk.settings, "onion", "status")

    assert said.returncode == ExitCode.FAULTS_FOUND
    assert f"{_ADVICE} {sockets}/source.sock" in said.stdout
    assert "mode 2750" in said.stdout
