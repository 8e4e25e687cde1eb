"""Programs in the sandbox, and programs that hang, write too much, or fail."""

import contextlib
import os
from pathlib import Path

import pytest

from programs.errors import ProgramFailedError
from programs.sandbox import Sandbox, resource_limits, run_program

BWRAP = Path("/usr/bin/bwrap")
SANDBOX = Sandbox(BWRAP, folder_bytes=1_000_000, seconds=30)
LOOPBACK_ALONE = "lo\n"


def run_shell(script: str, folder: Path, *, seconds: float = 30, open_files: tuple[int, ...] = ()) -> bytes:
    command = ("/bin/sh", "-c", script)
    return run_program(command, folder=folder, seconds=seconds, output_bytes=9, open_files=open_files)


def a_bwrap(folder: Path, script: str) -> Sandbox:
    program = folder / "bwrap"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o700)
    return Sandbox(program, folder_bytes=1_000_000, seconds=30)


def test_a_program_returns_its_output(tmp_path: Path) -> None:
    assert b"ninebytes" == run_shell("printf ninebytes", tmp_path)


@pytest.mark.parametrize(
    "script", ["exec /bin/sleep 1000", "exec >&-; exec /bin/sleep 1000", "printf tenbytes10", "exit 9"]
)
def test_the_output_of_a_program_that_hangs_floods_or_fails_is_not_used(tmp_path: Path, script: str) -> None:
    with pytest.raises(ProgramFailedError):
        run_shell(script, tmp_path, seconds=1)


def test_a_program_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    script = f"printf x >/proc/self/fd/{theirs}; /bin/sleep 1000 & exec /usr/bin/yes"

    with pytest.raises(ProgramFailedError):
        run_shell(script, tmp_path, open_files=(theirs,))

    os.close(theirs)
    assert b"x" == os.read(ours, 1)
    assert b"" == os.read(ours, 1)  # no process has the other end of the pipe any more
    os.close(ours)


def test_a_program_cannot_write_a_larger_file_than_its_limit(tmp_path: Path) -> None:
    limits = resource_limits(memory_bytes=100_000_000, file_bytes=1000, seconds=30)
    command = (*limits, "/usr/bin/truncate", "--size=1001", "file")

    with pytest.raises(ProgramFailedError):
        run_program(command, folder=tmp_path, seconds=30, output_bytes=9)


@pytest.mark.parametrize("script", ["exit 1", "echo something else", "exec /bin/sleep 1000"])
def test_a_sandbox_that_does_not_start_is_not_allowed(tmp_path: Path, script: str) -> None:
    sandbox = a_bwrap(tmp_path, script)

    assert not Sandbox(sandbox.bwrap, sandbox.folder_bytes, seconds=1).is_allowed()


def test_a_missing_sandbox_is_not_allowed(tmp_path: Path) -> None:
    assert not Sandbox(tmp_path / "missing", folder_bytes=1_000_000, seconds=1).is_allowed()


def test_a_sandbox_that_starts_is_allowed(tmp_path: Path) -> None:
    assert a_bwrap(tmp_path, 'for last; do :; done; exec /bin/sh -c "$last"').is_allowed()


def test_the_real_sandbox_shows_nothing_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keyring").write_text("geheim")
    monkeypatch.setenv("SECRET", "geheim")
    look = (
        f"/usr/bin/cat {tmp_path}/keyring; /usr/bin/env; /usr/bin/touch /usr/x && echo written;"
        " /usr/bin/tail -n +3 /proc/net/dev | /usr/bin/cut -d: -f1"
    )

    seen = LOOPBACK_ALONE  # a machine that does not allow a sandbox shows nothing
    with contextlib.suppress(ProgramFailedError):
        command = SANDBOX.command("/bin/sh", "-c", look)
        seen = run_program(command, folder=tmp_path, seconds=30, output_bytes=9999).decode()

    assert "geheim" not in seen
    assert "written" not in seen
    assert seen.endswith(LOOPBACK_ALONE)
