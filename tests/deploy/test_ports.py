"""Sockets of our programs: Tor's group may use them, and no one else."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.errors import DeployError
from deploy.ports import listen, may_connect

NO_ONE = 65534  # the user and the group that own nothing
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to another group")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that all users may enter, whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="s-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_a_socket_is_for_its_user_and_its_group_from_its_first_moment(folder: Path) -> None:
    before = os.umask(0)
    try:
        with listen(f"unix:{folder}/a.sock"):
            assert 0o660 == stat.S_IMODE((folder / "a.sock").stat().st_mode)
        assert 0 == os.umask(0)  # as it was
    finally:
        os.umask(before)


@needs_root
def test_in_the_folder_of_the_manual_the_socket_has_the_group_of_the_folder(folder: Path) -> None:
    os.chown(folder, 0, NO_ONE)
    folder.chmod(0o2750)

    with listen(f"unix:{folder}/a.sock"):
        assert NO_ONE == (folder / "a.sock").stat().st_gid
        assert may_connect(folder / "a.sock", NO_ONE)
        assert not may_connect(folder / "a.sock", 1)


@needs_root
@pytest.mark.parametrize("mode", [0o2750, 0o750])
def test_the_judgement_of_the_modes_is_that_of_the_kernel(folder: Path, mode: int) -> None:
    os.chown(folder, 0, NO_ONE)
    folder.chmod(mode)
    program = f"import socket; socket.socket(socket.AF_UNIX).connect('{folder}/a.sock')"
    with listen(f"unix:{folder}/a.sock"):
        for user in (NO_ONE, 1, 0):
            becomes = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
            done = subprocess.run([*becomes, sys.executable, "-c", program], capture_output=True, check=False)

            assert (done.returncode == 0) is may_connect(folder / "a.sock", user), user


def test_a_socket_that_a_killed_program_left_is_replaced(folder: Path) -> None:
    listen(f"unix:{folder}/a.sock").close()

    with listen(f"unix:{folder}/a.sock"), socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{folder}/a.sock")


def test_a_file_that_is_not_a_socket_is_never_removed(folder: Path) -> None:
    (folder / "a.sock").write_text("a letter")

    with pytest.raises(DeployError, match="cannot be used"):
        listen(f"unix:{folder}/a.sock")

    assert "a letter" == (folder / "a.sock").read_text()


def test_a_user_that_does_not_exist_is_an_error(folder: Path) -> None:
    with listen(f"unix:{folder}/a.sock"), pytest.raises(KeyError):
        may_connect(folder / "a.sock", 61234)


@pytest.mark.enable_socket
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_port_listens_too(host: str) -> None:
    with listen(f"{host}:0") as listener:
        assert listener.getsockname()[1] > 0
