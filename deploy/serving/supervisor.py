"""Supervisor of the processes of `steunpunt run`: start them side by side, and stop them together."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import DeployError
from deploy.exit_codes import ExitCode
from deploy.ports import is_listening

_START_SECONDS = 30
_STOP_SECONDS = 20
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Part:
    """One process of `steunpunt run`: its name for people, and its arguments.

    `bind` is the address where the process listens, or None if the process does not listen.
    """

    name: str
    arguments: Sequence[str]
    bind: str | None = None


class _PartEndedError(DeployError):
    def __init__(self, part: Part, status: int) -> None:
        super().__init__(f"The {part.name} ended by itself, so everything was stopped.")
        self.status = next((each for each in ExitCode if each == status != 0), ExitCode.FAILED)


def run_together(
    settings: Path, parts: Sequence[Part], stop: threading.Event, when_ready: Callable[[], None]
) -> None:
    """Start the processes of this machine, and run them until `stop` is set or one process ends.

    Then stop all processes. `when_ready` is called when all processes listen.

    Raises:
        DeployError: a process ended by itself or did not start to listen. The others were stopped.
    """
    # Each part has its own process group, so that Ctrl-C reaches only this process, which then stops the
    # parts in order. If this process is killed, the kernel stops the parts.
    running: list[tuple[Part, subprocess.Popen[bytes]]] = []
    try:
        for part in parts:
            # One by one: a fault that they share, such as a missing store, is then printed only once.
            running += [(part, _start(settings, part))]
            _wait_until_listening(part, running, stop)
        if not stop.is_set():
            when_ready()
        while not stop.wait(_POLL_SECONDS):
            _refuse_ended(running)
    finally:
        _stop_all([process for _, process in running])


def _start(settings: Path, part: Part) -> subprocess.Popen[bytes]:
    # -P: import no module from the current folder
    command = [sys.executable, "-P", "-m", "deploy.cli.main", "--settings", str(settings)]
    command += ["--parent", str(os.getpid())]
    return subprocess.Popen([*command, *part.arguments], stdin=subprocess.DEVNULL, process_group=0)  # noqa: S603
    # our own program


def _wait_until_listening(
    part: Part, running: list[tuple[Part, subprocess.Popen[bytes]]], stop: threading.Event
) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while part.bind is not None and not stop.is_set() and not is_listening(part.bind):
        _refuse_ended(running)
        if time.monotonic() > deadline:
            raise DeployError(f"Nothing listens on {part.bind}, so everything was stopped.")
        stop.wait(_POLL_SECONDS)


def _refuse_ended(running: list[tuple[Part, subprocess.Popen[bytes]]]) -> None:
    for part, process in running:
        if process.poll() is not None:
            raise _PartEndedError(part, process.returncode)


def _stop_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    for process in processes:
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
