"""Programs that try to outlive their run, and how tests find what is left of them."""

import os
import time
from pathlib import Path

from programs.runner import ProgramLimits

LIMITS = ProgramLimits(30, memory_bytes=1_000_000_000, output_bytes=10_000)


def running_with(mark: str) -> list[int]:
    """Return the processes that have `mark` as an argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(mark) in words and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found


def are_gone(mark: str) -> bool:
    """Wait until no process has `mark` as an argument. Return False if some stay for 20 seconds."""
    for _ in range(400):
        if not running_with(mark):
            return True
        time.sleep(0.05)
    return False
