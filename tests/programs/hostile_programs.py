"""Programs that try to outlive their run, and how tests find what is left of them."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from programs.errors import NoSandboxError
from programs.runner import ProgramLimits
from programs.sandbox import Sandbox

BWRAP = Path("/usr/bin/bwrap")
LIMITS = ProgramLimits(30, memory_bytes=1_000_000_000, output_bytes=10_000)


def allows_sandbox() -> bool:
    try:
        Sandbox(BWRAP).run(("/bin/true",), LIMITS, ())
    except NoSandboxError:
        return False
    return True


def running_with(mark: str) -> list[int]:
    """Return the processes that have `mark` as an argument."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(mark) in words and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def are_gone(mark: str) -> bool:
    """Wait until no process has `mark` as an argument. Return False if some stay for 20 seconds."""
    return comes_true(lambda: not running_with(mark))


def comes_true(is_true: Callable[[], bool]) -> bool:
    """Wait until a condition is true. Return False after 20 seconds.

    The kernel ends the processes in a sandbox a moment after the sandbox.
    """
    for _ in range(400):
        if is_true():
            return True
        time.sleep(0.05)
    return False
