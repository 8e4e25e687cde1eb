"""A fault at the start gives one sentence and its exit status, without a traceback and without a server."""

import re
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.exit_codes import ExitCode
from deploy.settings.load_settings import load_config
from deploy.setup import set_up
from source_app.config import SourceConfig
from tests.deploy.servers import ROOT, end, free_address, read_all, wait_for_socket

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make one desk for all tests of this file. Each test works on a copy."""
    folder = tmp_path_factory.mktemp("made") / "var"
    _set_up(folder)
    config = load_config(folder / "config.toml", "source", SourceConfig)
    yield folder
    shutil.rmtree(config.sessions_path.parent, ignore_errors=True)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "var"))


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Return a folder whose path leaves room for the name of a Unix socket."""
    path = Path(tempfile.mkdtemp(prefix="site-"))
    yield path
    shutil.rmtree(path)


def _set_up(folder: Path) -> None:
    source, adviser = (":".join(map(str, free_address())) for _ in range(2))
    set_up(
        folder / "config.toml",
        source_bind=source,
        adviser_bind=adviser,
        show_passphrase=lambda _: None,
        say=lambda _: None,
        on_step=lambda _: None,
    )


def _refusal(folder: Path, *arguments: str) -> str:
    """Return the sentence with which a command refuses.

    Check that it is one sentence after the warnings of unsafe states, and that the status says so.
    """
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", folder / "config.toml", *arguments]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    lines = [line for line in said.stderr.splitlines() if not line.startswith("Warning: ")]
    assert said.returncode not in {ExitCode.DONE, ExitCode.MISTYPED}
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert lines[0].endswith(".")
    return lines[0]


def _change_store(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "store.db")
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()


def _change_settings(folder: Path, change: Callable[[str], str]) -> None:
    path = folder / "config.toml"
    before = path.read_text("utf-8")
    path.write_text(change(before), "utf-8")
    assert path.read_text("utf-8") != before


def test_a_forged_letterhead_starts_nothing(folder: Path) -> None:
    _change_store(folder, "UPDATE letterhead SET body = CAST(replace(body, 'steun', 'STEUN') AS BLOB)")

    assert "forged" in _refusal(folder, "run", "source")


def test_another_desks_letterhead_starts_nothing(folder: Path, tmp_path: Path) -> None:
    _set_up(tmp_path / "another")
    shutil.copy(tmp_path / "another" / "store.db", folder / "store.db")

    assert "forged" in _refusal(folder, "run", "source")


def test_a_letterhead_older_than_one_seen_starts_nothing(folder: Path) -> None:
    (folder / "letterhead-serial").write_text(f"2 {'00' * 32}\n", "ascii")

    assert "older than one this server has seen" in _refusal(folder, "run", "source")


def test_a_missing_letterhead_starts_nothing(folder: Path) -> None:
    _change_store(folder, "DELETE FROM letterhead")

    assert "holds no letterhead" in _refusal(folder, "run", "source")


@pytest.mark.parametrize("interface", ["source", "adviser"])
def test_a_missing_store_starts_nothing(folder: Path, interface: str) -> None:
    (folder / "store.db").unlink()

    assert "missing" in _refusal(folder, "run", interface)


@pytest.mark.parametrize("interface", ["source", "adviser"])
def test_a_store_file_in_another_form_starts_nothing(folder: Path, interface: str) -> None:
    (folder / "store.db").write_bytes(b"no database at all" * 1000)

    assert "damaged" in _refusal(folder, "run", interface)


def test_a_store_of_another_version_starts_nothing(folder: Path) -> None:
    _change_store(folder, "UPDATE alembic_version SET version_num = '9999'")

    assert "tables of version 9999" in _refusal(folder, "run", "source")


def test_queues_that_could_occupy_every_thread_start_nothing(folder: Path) -> None:
    _change_settings(folder, lambda text: re.sub(r"(?m)^argon2_queue = .*$", "argon2_queue = 8", text))

    assert "'threads' must exceed 'argon2_at_once' + 'argon2_queue' + 6." in _refusal(folder, "run", "source")


def test_a_keyring_that_others_can_read_starts_nothing(folder: Path) -> None:
    (folder / "keyring.age").chmod(0o640)

    assert "can be read by others: run chmod 600" in _refusal(folder, "run", "adviser")


def test_a_missing_keyring_starts_nothing(folder: Path) -> None:
    (folder / "keyring.age").unlink()

    assert "is missing: to restore its backup, run steunpunt keys recover" in _refusal(
        folder, "run", "adviser"
    )


def test_sessions_on_a_disk_start_nothing(folder: Path) -> None:
    config = load_config(folder / "config.toml", "source", SourceConfig)
    _change_settings(folder, lambda text: text.replace(str(config.sessions_path), "sessions.db"))

    assert "must be on tmpfs" in _refusal(folder, "run", "source")


def test_a_folder_in_memory_that_others_can_enter_starts_nothing(folder: Path) -> None:
    config = load_config(folder / "config.toml", "source", SourceConfig)
    opened = config.sessions_path.parent.with_name(f"{config.sessions_path.parent.name}-open")
    _change_settings(folder, lambda text: text.replace(str(config.sessions_path.parent), str(opened)))
    opened.mkdir()
    opened.chmod(0o755)
    try:
        assert "open to other users" in _refusal(folder, "run", "source")
    finally:
        shutil.rmtree(opened)


@pytest.mark.parametrize("interface", ["source", "adviser"])
def test_faults_in_the_settings_start_nothing(folder: Path, interface: str) -> None:
    _change_settings(folder, lambda text: text.replace("upload_files = 20", 'upload_files = "twenty"'))

    said = _refusal(folder, "run", interface)

    assert "'upload_files' must be a whole number" in said
    assert "twenty" not in said


@pytest.mark.parametrize("arguments", [["run", "source"], ["run", "adviser"], ["run"]])
def test_a_port_that_is_taken_is_named_and_starts_nothing(folder: Path, arguments: list[str]) -> None:
    host, port = free_address()
    _change_settings(
        folder,
        lambda text: "\n".join(
            f'bind = "{host}:{port}"' if line.startswith("bind = ") else line for line in text.splitlines()
        ),
    )
    with socket.create_server((host, port)):
        said = _refusal(folder, *arguments)

    assert f"Port {port} on {host} cannot be used" in said


def _socket_for_tor(folder: Path, path: Path) -> None:
    _change_settings(folder, lambda text: text.replace('onion_socket = ""', f'onion_socket = "{path}"'))


def test_a_socket_that_another_program_listens_on_is_not_taken_over(folder: Path, short_folder: Path) -> None:
    path = short_folder / "source.sock"
    _socket_for_tor(folder, path)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()

        said = _refusal(folder, "run", "source")

    assert f"Another program listens on {path}" in said


def test_a_socket_without_a_folder_starts_nothing(folder: Path, short_folder: Path) -> None:
    _socket_for_tor(folder, short_folder / "none" / "source.sock")

    assert f"no folder {short_folder / 'none'}" in _refusal(folder, "run", "source")


def test_onion_location_without_an_onion_starts_nothing(folder: Path) -> None:
    _change_settings(folder, lambda text: text.replace("tells_onion = false", "tells_onion = true"))

    assert "'tells_onion' needs 'onion_host'" in _refusal(folder, "run", "source")


def test_the_site_listens_on_its_port_and_for_tors_group_on_its_socket(
    folder: Path, short_folder: Path
) -> None:
    path = short_folder / "source.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))  # by a server that was killed
    _socket_for_tor(folder, path)
    host, _, port = load_config(folder / "config.toml", "source", SourceConfig).bind.rpartition(":")
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli.main", "--settings", folder / "config.toml", "run", "source"],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_socket(path, process)  # it listens there last
        with socket.socket(socket.AF_UNIX) as tor:
            tor.connect(str(path))
            tor.sendall(f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            answer = read_all(tor)
        mode = stat.S_IMODE(path.stat().st_mode)
    finally:
        end(process)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert mode == 0o660


def test_a_folder_that_holds_something_else_is_not_set_up(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "letter").touch()

    assert "holds files but no config.toml" in _refusal(tmp_path / "var", "setup", "--trial")


def test_a_broken_signpost_starts_nothing(folder: Path, tmp_path: Path) -> None:
    """The signpost's files are part of the program, so the test damages a copy of our packages."""
    house = tmp_path / "house"
    for package in ("crypto", "store", "web", "source_app", "deploy"):
        shutil.copytree(ROOT / package, house / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "languages", house / "languages")
    broken = house / "languages" / "en" / "signpost.toml"
    broken.write_text(broken.read_text("utf-8").replace("to = 82", "to = 28", 1), "utf-8")
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", folder / "config.toml", "run", "source"]

    said = subprocess.run(command, capture_output=True, text=True, cwd=house, timeout=60, check=False)

    assert said.returncode == 1
    assert said.stderr.endswith(
        "Error: The signpost's en/signpost.toml has a fault: "
        "answer 1 of question 47 leads to 28, which is not a page.\n"
    )
