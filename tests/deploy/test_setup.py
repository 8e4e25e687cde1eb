import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from deploy.errors import DeployError
from deploy.hardening import TMPFS
from deploy.pinned_letterhead import open_letterhead
from deploy.settings.load_settings import load_config
from deploy.setup import set_up
from journalist_app.config import AdviserConfig
from protocol.keyring import open_keyring
from source_app.config import SourceConfig
from store.database.engine import open_store

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"(?m)^    ([a-z]+(?: [a-z]+){6,7})$")


def _set_up(folder: Path) -> list[str]:
    """Set up a desk and return the passphrases that the set-up showed."""
    shown: list[str] = []
    set_up(
        folder / "config.toml",
        source_bind="127.0.0.7:18080",
        adviser_bind="127.0.0.8:18081",
        show_passphrase=shown.append,
        say=lambda _: None,
        on_step=lambda _: None,
    )
    return shown


@pytest.mark.parametrize("is_trial", [False, True])
def test_a_new_desk_is_told_that_its_texts_have_no_telephone_number(
    tmp_path: Path, *, is_trial: bool
) -> None:
    said: list[str] = []
    set_up(
        tmp_path / "var" / "config.toml",
        source_bind="127.0.0.7:18080",
        adviser_bind="127.0.0.8:18081",
        is_trial=is_trial,
        show_passphrase=lambda _: None,
        say=said.append,
        on_step=lambda _: None,
    )

    assert [line.partition(":")[0] for line in said] == ([] if is_trial else ["warning"])
    assert all("no telephone number in ar, en, es, fr, nl, pt, ru, sw" in line for line in said)


def _is_whole(folder: Path, passphrase: str) -> bool:
    source = load_config(folder / "config.toml", "source", SourceConfig)
    adviser = load_config(folder / "config.toml", "adviser", AdviserConfig)
    keyring = open_keyring(adviser.keyring_path.read_bytes(), passphrase, adviser.fingerprint)
    serial_path = folder.parent / "serial"
    letterhead = open_letterhead(open_store(source.store_path), source.fingerprint, serial_path)
    return keyring.strand.verify_key == letterhead.strands[0].verify_key


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Make one desk for tests that only read it. Return its folder and its passphrase."""
    folder = tmp_path_factory.mktemp("made") / "var"
    (passphrase,) = _set_up(folder)
    return folder, passphrase


def test_a_new_desk_is_complete_and_for_its_user_alone(made: tuple[Path, str]) -> None:
    folder, passphrase = made

    assert _is_whole(folder, passphrase)
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    kept = {name for name in modes if not name.endswith(("-wal", "-shm"))}
    assert kept == {"config.toml", "keyring.age", "letterhead-serial", "store.db", "trusted-state.age"}
    assert set(modes.values()) == {0o600}
    assert list(folder.parent.glob("*unfinished*")) == []


def test_the_first_letterhead_has_the_promises_of_the_settings_and_the_next_holidays(
    made: tuple[Path, str],
) -> None:
    folder, _ = made
    source = load_config(folder / "config.toml", "source", SourceConfig)

    letterhead = open_letterhead(
        open_store(source.store_path), source.fingerprint, folder.parent / "promises-serial"
    )

    assert (90, 12) == (letterhead.deletes_after_days, letterhead.abandoned_months)
    assert (7, 3) == (letterhead.confirm_days, letterhead.substance_months)
    assert date(letterhead.issued.year + 1, 12, 25) in letterhead.closed_days


def test_the_requested_addresses_are_in_the_settings(made: tuple[Path, str]) -> None:
    folder, _ = made

    source = load_config(folder / "config.toml", "source", SourceConfig)
    adviser = load_config(folder / "config.toml", "adviser", AdviserConfig)

    assert (source.bind, source.origin) == ("127.0.0.7:18080", "http://127.0.0.7:18080")
    assert adviser.bind == "127.0.0.8:18081"


def test_two_desks_on_one_machine_never_share_a_folder_in_memory(
    made: tuple[Path, str], tmp_path: Path
) -> None:
    _set_up(tmp_path / "var")

    one, two = (
        load_config(folder / "config.toml", "source", SourceConfig) for folder in (made[0], tmp_path / "var")
    )
    assert one.sessions_path.parent != two.sessions_path.parent
    assert one.sessions_path.is_relative_to(TMPFS)


def test_no_file_holds_the_passphrase(made: tuple[Path, str]) -> None:
    folder, passphrase = made

    held = b"".join(path.read_bytes() for path in folder.iterdir())

    assert passphrase.encode() not in held
    assert passphrase.split()[0].encode() + b" " + passphrase.split()[1].encode() not in held


def test_a_second_set_up_changes_nothing(made: tuple[Path, str]) -> None:
    folder, _ = made
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    shown = _set_up(folder)

    assert shown == []
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_empty_folder_may_be_there_already(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir(mode=0o755)

    (passphrase,) = _set_up(tmp_path / "var")

    assert _is_whole(tmp_path / "var", passphrase)
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "keyring.age").write_bytes(b"another keyring")

    with pytest.raises(DeployError, match=r"holds files but no config\.toml"):
        _set_up(tmp_path / "var")

    assert [path.name for path in (tmp_path / "var").iterdir()] == ["keyring.age"]


def test_a_second_set_up_at_the_same_time_is_refused(tmp_path: Path) -> None:
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with pytest.raises(DeployError, match="Another set-up is running"):
            _set_up(tmp_path / "var")
    finally:
        os.close(held)


def test_no_desk_is_made_if_its_passphrase_cannot_be_shown(tmp_path: Path) -> None:
    def broken_pipe(_passphrase: str) -> None:
        raise BrokenPipeError

    with pytest.raises(DeployError, match="cannot be made"):
        set_up(
            tmp_path / "var" / "config.toml",
            source_bind="127.0.0.7:18080",
            adviser_bind="127.0.0.8:18081",
            show_passphrase=broken_pipe,
            say=lambda _: None,
            on_step=lambda _: None,
        )

    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    "moment",
    [
        "var.unfinished",
        "var.unfinished/keyring.age",
        "var.unfinished/store.db",
        "var.unfinished/config.toml",
        "var/config.toml",
    ],
)
def test_killed_at_any_moment_there_is_a_complete_desk_or_none(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "var"
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", folder / "config.toml", "setup"]
    command += ["--print-passphrase"]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT)
        while not (tmp_path / moment).exists() and process.poll() is None:
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    shown = SHOWN.findall((tmp_path / "said").read_text())

    again = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)

    (passphrase,) = SHOWN.findall(again.stdout) or shown  # the one printed last
    assert _is_whole(folder, passphrase)
