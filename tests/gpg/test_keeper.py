"""A GnuPG home leaves nothing behind, and no secret is readable while the home exists."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpg.errors import OpenPGPMissingError, OpenPGPPlaceError
from gpg.home import GpgHome, OpenPGPKey
from tests.gpg.gpg_factories import MANY, TEXT, TODAY, a_program, encrypted_by
from tests.journalist_app.files.sealing import openpgp_bomb
from tests.programs.hostile_programs import are_gone, running_with


def _agents(folder: Path) -> set[int]:
    return set(running_with(str(folder))) & set(running_with("gpg-agent"))


def test_closing_leaves_no_home_and_no_agent(parent: Path) -> None:
    with GpgHome.open(parent) as home:
        home.make_key("Steunpunt", TODAY)
        assert _agents(home.folder)

    assert not _agents(home.folder)
    assert list(parent.iterdir()) == []
    home.close()  # harmless


def test_a_killed_process_leaves_no_home_and_no_gpg(parent: Path) -> None:
    program = (
        "import sys; from datetime import date; from pathlib import Path\n"
        "from gpg import home, process; process.RUN_SECONDS = 600\n"
        "home = home.GpgHome.open(Path(sys.argv[1])); home.make_key('Steunpunt', date(2026, 11, 23))\n"
        "print(home.folder, flush=True); home.decrypt(sys.stdin.buffer.read(), at_most=1000)"
    )
    command = [sys.executable, "-c", program, parent]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        folder = process.stdout.readline().strip().decode()
        with process.stdin as pipe:
            pipe.write(openpgp_bomb())
        while not any(
            b"--decrypt" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in running_with(folder)
        ):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)

    assert are_gone(folder)
    assert not Path(folder).exists()


def test_an_agent_that_does_not_answer_is_ended(parent: Path) -> None:
    with GpgHome.open(parent) as home:
        home.make_key("Steunpunt", TODAY)
        assert _agents(home.folder)
        for agent in _agents(home.folder):
            os.kill(agent, signal.SIGSTOP)

    assert not _agents(home.folder)
    assert not home.folder.exists()


def test_an_abandoned_home_is_removed_by_the_next_and_a_home_in_use_is_not(
    parent: Path, desk: GpgHome
) -> None:
    left = parent / "left"
    left.mkdir(0o700)
    (left / "secret").write_bytes(TEXT)

    with GpgHome.open(parent):
        assert not left.exists()
        assert desk.folder.exists()


def test_a_folder_that_others_can_enter_is_refused(parent: Path) -> None:
    parent.mkdir()
    parent.chmod(0o755)

    with pytest.raises(OpenPGPPlaceError):
        GpgHome.open(parent)


def test_a_file_instead_of_the_folder_is_refused(parent: Path) -> None:
    parent.touch()

    with pytest.raises(OpenPGPPlaceError):
        GpgHome.open(parent)
    parent.unlink()


def test_a_path_too_long_for_a_socket_is_refused(parent: Path) -> None:
    with pytest.raises(OpenPGPPlaceError):
        GpgHome.open(parent / ("a" * 100))


def test_a_machine_without_gpg_is_reported(parent: Path) -> None:
    with pytest.raises(OpenPGPMissingError):
        GpgHome.open(parent, program="no-such-program")


@pytest.mark.parametrize("script", ["exit 2", "echo 'cfg:version:1.4.23'", "echo nonsense"])
def test_an_old_or_broken_gpg_is_reported(parent: Path, tmp_path: Path, script: str) -> None:
    with pytest.raises(OpenPGPMissingError):
        GpgHome.open(parent, program=a_program(tmp_path, script))

    assert list(parent.iterdir()) == []


def test_no_secret_and_no_plaintext_is_an_argument_or_in_the_environment(
    parent: Path, tmp_path: Path, stranger: GpgHome
) -> None:
    pipe = tmp_path / "said"
    os.mkfifo(pipe)  # gpg may write to no file
    log = os.open(pipe, os.O_RDWR)
    program = a_program(tmp_path, f'{{ echo "$@"; env; }} >{pipe}\nexec gpg "$@"')
    key = stranger.make_key("Sécretariat", TODAY)
    with GpgHome.open(parent, program=program, bwrap=tmp_path / "missing") as home:  # has no pipe in it
        own = home.make_key("Steunpunt", TODAY)
        home.import_secret(own.secret)
        home.import_public(key.public.encode(), key.fingerprint)
        encrypted_by(home, own, key.fingerprint)

    said = os.read(log, 1_000_000).decode("utf-8")
    os.close(log)
    assert own.fingerprint in said
    assert TEXT.decode() not in said
    assert not any(line in said for line in own.secret.splitlines()[2:-2])
    assert "PRIVATE KEY" not in said


def test_gpg_writes_no_byte_to_any_file_while_it_encrypts_and_decrypts(
    parent: Path, tmp_path: Path, stranger: GpgHome
) -> None:
    """A file size limit of 0 bytes makes the kernel kill a gpg that writes to a file."""
    limited = (
        'case "$*" in *--encrypt*|*--decrypt*) exec prlimit --fsize=0 gpg "$@";; *) exec gpg "$@";; esac'
    )
    program = a_program(tmp_path, limited)
    key = stranger.make_key("Sécretariat", TODAY)
    text = TEXT * 20_000
    with GpgHome.open(parent, program=program) as home:
        own = home.make_key("Steunpunt", TODAY)
        home.import_public(key.public.encode(), key.fingerprint)
        stranger.import_public(own.public.encode(), own.fingerprint)

        sealed = encrypted_by(home, own, key.fingerprint, text)
        to_us = b"".join(
            stranger.encrypt_and_sign([text], recipient=own.fingerprint, signer=key.fingerprint, day=TODAY)
        )

        assert stranger.decrypt(sealed, at_most=MANY) == (text, True)
        assert home.decrypt(to_us, at_most=MANY) == (text, True)
        to_a_file = [program, "--homedir", stranger.folder, "--output", tmp_path / "out", "--decrypt"]
        assert subprocess.run(to_a_file, input=sealed, capture_output=True, check=False).returncode != 0
        files = [path for path in home.folder.rglob("*") if path.is_file()]
        assert files
        assert not any(TEXT in path.read_bytes() for path in files)


def test_a_home_and_a_key_show_no_secret(desk: GpgHome, own: OpenPGPKey) -> None:
    assert "secret" not in repr(desk)
    assert "secret" not in repr(own)
