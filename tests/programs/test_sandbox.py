"""The sandbox for programs that read hostile files, on machines that allow a sandbox and on others."""

import contextlib
import time
from pathlib import Path

import pytest

from programs import sandbox
from programs.errors import ProgramFailedError, ProgramLimitError
from programs.runner import ProgramLimits, run_program
from programs.sandbox import Sandbox
from tests.programs.hostile_programs import LIMITS, are_gone, running_with

BWRAP = Path("/usr/bin/bwrap")
SANDBOX = Sandbox(BWRAP, folder_bytes=1_000_000)
LOOPBACK_ALONE = "lo\n"


def a_bwrap(folder: Path, script: str) -> Sandbox:
    program = folder / "bwrap"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o700)
    return Sandbox(program, folder_bytes=1_000_000)


@pytest.mark.parametrize("script", ["exit 1", "echo something else", "exec /bin/sleep 1000"])
def test_a_sandbox_that_does_not_start_is_not_allowed(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_QUESTION", ProgramLimits(1, 1_000_000_000, 7))

    assert not a_bwrap(tmp_path, script).is_allowed()


def test_a_missing_sandbox_is_not_allowed(tmp_path: Path) -> None:
    assert not Sandbox(tmp_path / "missing", folder_bytes=1_000_000).is_allowed()


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
        seen = run_program(SANDBOX.command("/bin/sh", "-c", look), LIMITS, folder=tmp_path).decode()

    assert "geheim" not in seen
    assert "written" not in seen
    assert seen.endswith(LOOPBACK_ALONE)


def test_a_program_in_the_sandbox_cannot_leave_it_by_a_session_of_its_own() -> None:
    """On a machine that allows no sandbox, the program does not start at all."""
    mark = str(time.time_ns())
    script = (
        f"/usr/bin/setsid -f /bin/sleep {mark}; /usr/bin/setsid -f /bin/sleep {mark}; exec /bin/sleep {mark}"
    )

    with pytest.raises(ProgramFailedError) as failed:
        run_program(SANDBOX.command("/bin/sh", "-c", script), ProgramLimits(1, 10**9, 10**6))

    assert isinstance(failed.value, ProgramLimitError) is SANDBOX.is_allowed()
    assert are_gone(mark)
    assert not running_with(mark)
