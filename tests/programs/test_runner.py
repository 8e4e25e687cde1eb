"""Hostile programs: none outlives its run, the lock or our own process, or takes more than its limits."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from programs.errors import ProgramFailedError, ProgramLimitError
from programs.runner import Program, ProgramLimits, end_all_programs, run_program
from tests.programs.hostile_programs import LIMITS, are_gone, running_with

SHORT = replace(LIMITS, seconds=0.5)
IGNORING = "trap '' TERM INT HUP; "  # what a shell ignores, its programs ignore too


@pytest.fixture
def mark() -> str:
    """Return a number of seconds that no other `sleep` of this machine has."""
    return str(time.time_ns())


def shell(script: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script)


def test_a_program_gets_its_input_and_returns_its_output(tmp_path: Path) -> None:
    pieces = [b"", os.urandom(1_000_003), b"", b"x"]
    limits = replace(LIMITS, output_bytes=1_000_004)

    assert b"".join(pieces) == run_program(("/bin/cat",), limits, pieces=pieces, folder=tmp_path)


def test_a_program_that_does_not_read_its_input_may_end() -> None:
    endless = (bytes(1_000_000) for _ in iter(int, 1))

    assert b"enough" == run_program(shell("printf enough"), LIMITS, pieces=endless)


@pytest.mark.parametrize(
    "script",
    ["{sleep}", "exec >&- 2>&-; {sleep}", "/usr/bin/yes >/dev/null & {sleep}", "{sleep} & printf x"],
    ids=["sleeps", "closes its pipes", "computes", "leaves a program with the pipe"],
)
def test_a_program_that_hangs_is_ended_at_its_time_limit(script: str, mark: str) -> None:
    with pytest.raises(ProgramLimitError):
        run_program(shell(IGNORING + script.format(sleep=f"/bin/sleep {mark}")), SHORT)

    assert are_gone(mark)


def test_a_program_earns_time_with_the_input_that_it_takes_and_not_with_output(mark: str) -> None:
    """Attack: a small input that unpacks slowly, to as much output as is allowed."""
    earning = replace(SHORT, seconds_per_byte=0.0001, output_bytes=10**9)
    reading = "/usr/bin/head -c 1000000 >/dev/null; /bin/sleep 1; printf x"
    endless = f"while :; do /usr/bin/head -c 9999 /dev/zero; /bin/sleep 0.{mark}; done"

    assert b"x" == run_program(shell(reading), earning, pieces=[bytes(1_000_000)])
    with pytest.raises(ProgramLimitError):
        run_program(shell(reading), SHORT, pieces=[bytes(1_000_000)])
    with pytest.raises(ProgramLimitError):
        run_program(shell(endless), earning, pieces=[b"small"])

    assert are_gone(f"0.{mark}")


@pytest.mark.parametrize(
    "script", ["exec /usr/bin/yes", "exec /usr/bin/yes >&2", "exit 9"], ids=["floods", "complains", "fails"]
)
def test_the_output_of_a_program_that_floods_or_fails_is_not_used(script: str) -> None:
    with pytest.raises(ProgramFailedError):
        run_program(shell(script), LIMITS)


def test_a_program_that_forks_is_ended_with_all_that_it_started(mark: str) -> None:
    script = f"{IGNORING} while :; do /bin/sleep {mark} & done"

    with pytest.raises(ProgramLimitError):
        run_program(shell(script), LIMITS)

    assert are_gone(mark)


def test_a_program_that_ends_leaves_no_program_behind(mark: str) -> None:
    assert b"x" == run_program(shell(f"{IGNORING} /bin/sleep {mark} >&- 2>&- & printf x"), LIMITS)

    assert are_gone(mark)


@pytest.mark.parametrize(
    "script",
    [
        "x = bytearray(400_000_000)",
        "import os, time\nfor _ in range(3): os.fork()\nx = b'x' * 100_000_000; time.sleep(1000)",
    ],
    ids=["one process", "many processes"],
)
def test_a_program_that_fills_memory_is_ended(script: str) -> None:
    limits = ProgramLimits(30, memory_bytes=300_000_000, output_bytes=10, processes=200)

    with pytest.raises(ProgramFailedError):
        run_program((sys.executable, "-ISc", script), limits)


def test_a_process_that_ends_while_it_is_measured_does_not_stop_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Any process of this machine may end after its folder in /proc is listed."""
    stat = Path.stat

    def refuse(path: Path, **options: bool) -> os.stat_result:
        if path == Path("/proc"):
            return stat(path, **options)
        raise ProcessLookupError(path)

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)

    assert b"end" == run_program(shell("/bin/sleep 0.3; printf end"), LIMITS)


def test_a_program_that_fills_the_disk_is_ended(tmp_path: Path) -> None:
    limits = replace(LIMITS, file_bytes=100_000)
    with pytest.raises(ProgramFailedError):
        run_program(shell("exec /bin/cat /dev/zero >file"), limits, folder=tmp_path)
    with pytest.raises(ProgramFailedError):
        run_program(shell("exec echo something >other"), LIMITS, folder=tmp_path)

    assert 100_000 == (tmp_path / "file").stat().st_size
    assert 0 == (tmp_path / "other").stat().st_size


def test_a_program_in_a_missing_folder_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run_program(("/bin/true",), LIMITS, folder=tmp_path / "missing")


def test_the_time_of_a_slow_reader_or_writer_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = [0.0]
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + passed[0])

    def slow_pieces() -> Iterator[bytes]:
        for _ in range(3):
            passed[0] += LIMITS.seconds
            yield b"x"

    with Program(("/bin/cat",), LIMITS) as program:
        output = []
        for piece in program.output(slow_pieces()):
            passed[0] += LIMITS.seconds
            output.append(piece)

    assert b"xxx" == b"".join(output)
    assert 0 == program.code


def test_an_exception_of_the_input_ends_the_program(mark: str) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        run_program(shell(f"exec /bin/sleep {mark}"), LIMITS, pieces=broken())

    assert not running_with(mark)


def test_a_program_has_an_almost_empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET", "geheim")

    said = run_program(("/usr/bin/env",), LIMITS, folder=tmp_path).decode()

    assert {"PATH", "HOME", "TMPDIR", "LANG", "TZ"} == {line.split("=")[0] for line in said.splitlines()}
    assert "geheim" not in said


def test_locking_ends_every_running_program(mark: str) -> None:
    ended: list[int | None] = []

    def wait_for_program() -> None:
        with Program(shell(f"{IGNORING} /bin/sleep {mark} & /bin/sleep {mark}"), LIMITS) as program:
            list(program.output())
        ended.append(program.code)

    runs = [threading.Thread(target=wait_for_program) for _ in range(3)]
    for run in runs:
        run.start()
    while len(running_with(mark)) < 2 * len(runs):
        time.sleep(0.01)
    end_all_programs()
    for run in runs:
        run.join(10)

    assert [-signal.SIGKILL] * len(runs) == ended
    assert are_gone(mark)


def test_a_worker_that_is_killed_takes_its_programs_with_it(mark: str) -> None:
    worker = (
        "import sys; from programs.runner import ProgramLimits, run_program\n"
        "run_program(('/bin/sh', '-c', sys.argv[1]), ProgramLimits(600, 10**9, 10**6))"
    )
    script = f"{IGNORING} /bin/sleep {mark} & /bin/sleep {mark}"
    with subprocess.Popen([sys.executable, "-c", worker, script]) as process:
        while len(running_with(mark)) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)

    assert are_gone(mark)
