"""Trials of systemd units on a booted machine: programs that hang, fail, or exceed a limit of their unit."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.proofs.packages.debian_machine import DebianMachine

_FILE = "/srv/trial"
TRIAL = f"/usr/lib/steunpunt/bin/python -P {_FILE}"
# A program that says that it is ready, and then says nothing more.
_HANGS = """
import logging, time
from gunicorn.systemd import sd_notify
sd_notify("READY=1", logging.getLogger())
time.sleep(600)
"""
# The units forbid the system call of debuggers, ptrace(2). Without a filter, a process may request TRACEME.
_FORBIDDEN = """
import ctypes, errno, os, sys
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
libc = ctypes.CDLL(None, use_errno=True)
os._exit(0 if libc.ptrace(0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM else 1)
"""
_TAKES_MEMORY = """
import sys
taken = bytearray(int(sys.argv[1]))
for page in range(0, len(taken), 4096):
    taken[page] = 1
"""
_MORE = 64 << 20


@dataclass(frozen=True, slots=True)
class Units:
    """The units of a machine's systemd, or those of one user's systemd.

    `systemctl` is the command, `drop_ins` is a folder for changed units, and `told` is the file in which the
    operator's command writes a line.
    """

    machine: DebianMachine
    systemctl: tuple[str, ...]
    drop_ins: str
    told: str

    def does(self, *words: str) -> str:
        return self.machine.does(*self.systemctl, *words)

    def shown(self, unit: str, name: str) -> str:
        """Return a property of a unit, such as the "Result" of its last run."""
        return self.does("show", f"--property={name}", "--value", unit).strip()

    def wait_for(self, unit: str, name: str, values: str) -> None:
        """Wait until a property of a unit has a value that matches a pattern."""
        show = " ".join((*self.systemctl, "show", f"--property={name}", "--value", unit))
        self.machine.waits(f"{show} | grep -Eqx '{values}'")

    def times_told(self) -> int:
        """Return how many times the operator's command was called."""
        return len(self.machine.types("cat", self.told).stdout.split())

    def wait_until_told(self, times: int) -> None:
        self.machine.waits(f"test $(cat {self.told} | wc -l) -ge {times}")
        assert self.times_told() == times

    @contextmanager
    def changed(self, units: Sequence[str], *lines: str, kind: str = "service") -> Iterator[None]:
        """Add lines to the section [Service], or to that of another kind, of stopped units for a trial."""
        folders = [f"{self.drop_ins}/{unit}.{kind}.d" for unit in units]
        self.does("stop", *(f"{unit}.{kind}" for unit in units))
        for folder in folders:
            self.machine.does("mkdir", "--parents", folder)
            text = "\n".join((f"[{kind.title()}]", *lines, ""))
            self.machine.does("tee", f"{folder}/trial.conf", text=text)
        self.does("daemon-reload")
        self.does("reset-failed")
        try:
            yield
        finally:
            self.machine.does("rm", "-r", *folders)
            self.does("stop", *(f"{unit}.{kind}" for unit in units))
            self.does("daemon-reload")
            self.does("reset-failed")

    def start_again_after_hanging(self, unit: str) -> None:
        """Stop the main process of a unit, so that the program hangs. systemd must start the unit again."""
        with self.changed([unit], "WatchdogSec=3", "TimeoutAbortSec=1"):
            self.does("start", unit)
            before = self.shown(unit, "MainPID")

            self.does("kill", "--kill-whom=main", "--signal=STOP", unit)

            self.wait_for(unit, "NRestarts", "[1-9].*")
            self.wait_for(unit, "ActiveState", "active")
            assert self.shown(unit, "MainPID") not in {"0", before}

    def tell_of_hanging(self, units: Sequence[str]) -> None:
        """Let programs hang after each start. The units must fail in the end, and the operator is told."""
        self.put_trial(_HANGS)
        start = f"ExecStart={TRIAL}"
        self._fail_in_the_end(units, start, "WatchdogSec=1", "TimeoutAbortSec=1")

    def tell_of_failing(self, units: Sequence[str]) -> None:
        """Let programs fail at each start. The units must fail in the end, and the operator is told."""
        self._fail_in_the_end(units, "ExecStart=/bin/false")

    def tell_of_job_without_end(self, unit: str) -> None:
        """Let a job run forever. systemd must end the job, and the operator is told."""
        with self.changed([unit], "ExecStart=", "ExecStart=/bin/sleep 600", "TimeoutStartSec=1"):
            before = self.times_told()
            assert self.machine.types(*self.systemctl, "start", unit).returncode != 0
            assert self.shown(unit, "Result") == "timeout"
            self.wait_until_told(before + 1)

    def refuse_forbidden_call(self, unit: str) -> None:
        """Make a forbidden system call under all limits of a unit, and then without the filter."""
        self.put_trial(_FORBIDDEN)
        self._runs(unit, TRIAL, result="success")
        self._runs(unit, TRIAL, "SystemCallFilter=", result="exit-code")

    def end_too_large(self, unit: str) -> None:
        """Let a program take more memory than its unit may. The kernel ends it, and the operator is told."""
        self.put_trial(_TAKES_MEMORY)
        limit = int(self.shown(unit, "MemoryMax"))
        before = self.times_told()
        self._runs(unit, f"{TRIAL} {limit // 2}", result="success")
        self._runs(unit, f"{TRIAL} {limit + _MORE}", result="signal|oom-kill")
        self.wait_until_told(before + (unit != "steunpunt-failure@trial"))

    def _runs(self, unit: str, command: str, *lines: str, result: str) -> None:
        """Run another program once under all limits of a unit."""
        once = (
            "Type=oneshot",
            "RemainAfterExit=yes",
            "Restart=no",
            "WatchdogSec=0",
            *_ONLY,
            f"ExecStart={command}",
        )
        with self.changed([unit], *once, *lines):
            self.machine.types(*self.systemctl, "start", unit)
            assert self.shown(unit, "ActiveState") == ("active" if result == "success" else "failed")
            assert re.fullmatch(result, self.shown(unit, "Result"))

    def _fail_in_the_end(self, units: Sequence[str], *lines: str) -> None:
        before = self.times_told()
        with self.changed(units, *_ONLY, "RestartSec=100ms", *lines):
            self.does("start", "--no-block", *units)
            for unit in units:
                self.wait_for(unit, "ActiveState", "failed")
            self.wait_until_told(before + len(units))

    def put_trial(self, program: str) -> None:
        """Write a Python program to the file that `TRIAL` starts."""
        self.machine.does("tee", _FILE, text=program)
        self.machine.does("chmod", "644", _FILE)


_ONLY = ("ExecCondition=", "ExecStartPre=", "ExecStart=")  # instead of the program's own commands
