"""The health socket and the command on failure say that something is wrong, and nothing else."""

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.checking.check_results import CheckResult, Level
from deploy.checking.watch import HealthSocket, call_on_failure, watch_until_stopped
from deploy.errors import DeployError
from deploy.exit_codes import ExitCode
from deploy.hardening import TMPFS
from deploy.settings.check_settings import CheckConfig
from deploy.settings.settings_text import with_key
from tests.deploy.two_machines import Machine

GOOD = CheckResult("disk", Level.OK, "Good.")
OLD = CheckResult("store_verified", Level.WARNING, "Old.", "Run it.")
BAD = CheckResult("disk", Level.FAULT, "The disk is full.", "Make room.")


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a path that is short enough for a socket."""
    path = Path(TMPFS, f"health-{os.getpid()}.sock")
    yield path
    path.unlink(missing_ok=True)


def _asked(path: Path, words: bytes = b"") -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        with suppress(BrokenPipeError):  # the answer came before the question
            client.sendall(words)
        return client.recv(1000)


def test_the_health_socket_answers_one_word_whatever_a_client_sends(place: Path) -> None:
    health = HealthSocket(place)
    assert b"fault\n" == _asked(place)  # before the first check

    health.word = b"ok\n"

    assert {b"ok\n"} == {_asked(place), _asked(place, b"GET /how-many HTTP/1.1\r\n\r\n")}
    assert 0o660 == place.stat().st_mode & 0o777
    health.close()


def test_a_client_that_reads_nothing_keeps_no_one_waiting(place: Path) -> None:
    health = HealthSocket(place)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(place))

        assert b"fault\n" == _asked(place)
    health.close()


def test_a_socket_on_which_another_program_listens_is_not_taken(place: Path) -> None:
    health = HealthSocket(place)

    with pytest.raises(DeployError, match="Another program listens"):
        HealthSocket(place)
    health.close()


def _a_command(folder: Path) -> Path:
    """Write a program that notes its arguments, its environment and its input."""
    command = folder / "tell"
    command.write_text(
        f'#!/bin/sh\n{{ echo "called $#"; env | cut -d= -f1 | sort; cat; }} >>{folder}/called\n'
    )
    command.chmod(0o755)
    return command


def test_the_command_gets_no_arguments_no_input_and_nothing_about_the_fault(tmp_path: Path) -> None:
    call_on_failure(CheckConfig(failure_command=str(_a_command(tmp_path))), say=pytest.fail)

    assert ["called 0", "PATH", "PWD"] == (tmp_path / "called").read_text().split("\n")[:-1]


@pytest.mark.parametrize("text", ["exit 3", None])
def test_a_command_that_cannot_be_called_is_said_and_stops_nothing(tmp_path: Path, text: str | None) -> None:
    command = tmp_path / "tell"
    if text is not None:
        command.write_text(f"#!/bin/sh\n{text}\n")
        command.chmod(0o755)
    said: list[str] = []

    call_on_failure(CheckConfig(failure_command=str(command)), say=said.append)

    assert [True] == ["could not be run" in line for line in said]


def _watch(config: CheckConfig, rounds: list[list[CheckResult]]) -> list[str]:
    """Watch over a machine on which each check has other results. Return what is printed."""
    said: list[str] = []
    stop = threading.Event()
    stop.wait = lambda _=None: stop.is_set()  # type: ignore[method-assign]  # no hour between two checks
    left = iter(rounds)

    def check() -> list[CheckResult]:
        results = next(left)
        if results is rounds[-1]:
            stop.set()
        return results

    watch_until_stopped(check, config, stop, say=said.append)
    return said


def test_a_new_fault_is_printed_once_and_the_command_is_called_once_a_day(tmp_path: Path) -> None:
    config = CheckConfig(failure_command=str(_a_command(tmp_path)))

    said = _watch(config, [[GOOD], [GOOD, OLD], [BAD, OLD], [BAD, OLD], [GOOD]])

    assert ["warning: Old. Run it.", "fault: The disk is full. Make room."] == said
    assert 1 == (tmp_path / "called").read_text().count("called")


def test_a_fault_that_comes_back_calls_the_command_again(tmp_path: Path) -> None:
    config = CheckConfig(failure_command=str(_a_command(tmp_path)))

    _watch(config, [[BAD], [GOOD], [BAD], [GOOD]])

    assert 2 == (tmp_path / "called").read_text().count("called")


def test_the_health_socket_has_the_result_of_the_last_check(place: Path) -> None:
    answers = []

    def look(results: list[CheckResult]) -> list[CheckResult]:
        answers.append(_asked(place))
        return results

    stop = threading.Event()
    stop.wait = lambda _=None: stop.is_set()  # type: ignore[method-assign]  # no hour between two checks
    left = iter([[GOOD], [BAD], [OLD], [GOOD]])

    def check() -> list[CheckResult]:
        results = look(next(left))
        if len(answers) == 4:
            stop.set()
        return results

    watch_until_stopped(check, CheckConfig(health_socket=str(place)), stop, say=lambda _: None)

    assert [b"fault\n", b"ok\n", b"fault\n", b"ok\n"] == answers
    assert not place.exists()


@pytest.mark.enable_socket
def test_the_command_line_prints_one_line_for_each_result_and_ends_with_its_status(desk: Machine) -> None:
    """Nothing runs on this machine, so there are faults."""
    told = desk.types("check")

    lines = told.stdout.splitlines()
    assert ExitCode.FAULTS_FOUND == told.exit_code
    assert all(re.match("(ok|warning|fault|unknown): .*[^ ]$", line) for line in lines)
    assert len(lines) > 15
    assert len(set(lines)) == len(lines)
    assert any(line.startswith("fault: The sweeper does not run") for line in lines)


@pytest.mark.enable_socket
def test_a_unit_that_failed_is_told_to_the_operator_and_a_check_by_hand_is_not(
    desk: Machine, tmp_path: Path
) -> None:
    text = with_key(desk.settings.read_text("utf-8"), "check", "failure_command", str(_a_command(tmp_path)))
    desk.settings.write_text(text, "utf-8")

    said = desk.does("check", "--failed", "steunpunt-source")

    assert "fault: steunpunt-source failed.\n" == said
    assert ExitCode.FAULTS_FOUND == desk.types("check").exit_code
    assert 1 == (tmp_path / "called").read_text().count("called")
