"""The sandbox for programs that read hostile files, on machines that allow a sandbox and on others."""

import contextlib
import time
from pathlib import Path

import pytest

from programs.errors import NoSandboxError, ProgramFailedError, ProgramLimitError
from programs.runner import ProgramLimits
from programs.sandbox import SANDBOX_FOLDER, Sandbox
from tests.programs.hostile_programs import LIMITS, are_gone

BWRAP = Path("/usr/bin/bwrap")
SANDBOX = Sandbox(BWRAP)
SHORT = ProgramLimits(1, memory_bytes=1_000_000_000, output_bytes=10_000)
LOOPBACK_ALONE = "lo\n"


def a_bwrap(folder: Path, script: str) -> Sandbox:
    program = folder / "bwrap"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o700)
    return Sandbox(program)


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("echo 'bwrap: No permissions' >&2; exit 1", NoSandboxError),
        ("exit 1", ProgramFailedError),
        ("exec /bin/sleep 1000", ProgramLimitError),
    ],
)
def test_a_sandbox_that_does_not_start_is_told_from_a_program_that_fails(
    tmp_path: Path, script: str, failure: type[Exception]
) -> None:
    with pytest.raises(failure):
        a_bwrap(tmp_path, script).run((), SHORT, ())


def test_a_missing_sandbox_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NoSandboxError):
        Sandbox(tmp_path / "missing").run((), LIMITS, ())


def test_a_sandbox_that_starts_runs_the_program(tmp_path: Path) -> None:
    sandbox = a_bwrap(tmp_path, 'for last; do :; done; exec /bin/sh -c "$last"')

    assert b"inside\n" == sandbox.run(("/bin/sh", "-c", "echo inside"), LIMITS, ())


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
    with contextlib.suppress(NoSandboxError):
        seen = SANDBOX.run(("/bin/sh", "-c", f"exec 2>/dev/null; {look}"), LIMITS, ()).decode()

    assert "geheim" not in seen
    assert "written" not in seen
    assert seen.endswith(LOOPBACK_ALONE)


def test_a_program_in_the_sandbox_can_write_to_tmp_only() -> None:
    """On a machine that allows no sandbox, the program does not start at all."""
    places = "/ /dev /dev/shm /run /tmp"
    write = f"exec 2>/dev/null; for each in {places}; do (: >$each/file) && echo $each; done; echo end"

    written = f"{SANDBOX_FOLDER}\nend\n"
    with contextlib.suppress(NoSandboxError):
        written = SANDBOX.run(("/bin/sh", "-c", write), LIMITS, ()).decode()

    assert f"{SANDBOX_FOLDER}\nend\n" == written


def test_a_program_in_the_sandbox_cannot_leave_it_by_a_session_of_its_own() -> None:
    """On a machine that allows no sandbox, the program does not start at all."""
    mark = str(time.time_ns())
    script = (
        f"/usr/bin/setsid -f /bin/sleep {mark}; /usr/bin/setsid -f /bin/sleep {mark}; exec /bin/sleep {mark}"
    )

    with pytest.raises((ProgramLimitError, NoSandboxError)):
        SANDBOX.run(("/bin/sh", "-c", script), SHORT, ())

    assert are_gone(mark)
