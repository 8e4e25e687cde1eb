"""Memory and processor time of a process, as the kernel counts them."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Self

_KIB = 1024
_EVERY_SECONDS = 0.05


class Sampler(ABC):
    """Thread that calls `sample` every `seconds`, from the beginning of a `with` block to its end."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    @abstractmethod
    def sample(self) -> None:
        """Measure once."""

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self.sample()


class TreeMemory(Sampler):
    """Peak memory of this process and all processes below it together, sampled every 50 ms.

    The peak of one process (VmHWM) also counts what the process needed before, and no child processes.
    """

    def __init__(self) -> None:
        super().__init__(_EVERY_SECONDS)
        self.peak = 0
        self.before = tree_bytes(os.getpid())

    def sample(self) -> None:
        """Measure the memory now."""
        self.peak = max(self.peak, tree_bytes(os.getpid()))


def tree_bytes(root: int) -> int:
    """Return the resident memory of a process and all processes below it.

    Memory that processes share is counted for each of them.
    """
    found = list(_processes())
    tree = _tree(root, {each.pid: each.parent for each in found})
    return sum(each.pages for each in found if each.pid in tree) * os.sysconf("SC_PAGESIZE")


def _tree(root: int, parents: Mapping[int, int]) -> set[int]:
    tree = {root}
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return tree


def tree_seconds(root: int) -> float:
    """Return the processor time of a process and all processes below it, also of those that have ended."""
    found = list(_processes())
    tree = _tree(root, {each.pid: each.parent for each in found})
    return sum(each.seconds for each in found if each.pid in tree)


def children(pid: int) -> list[int]:
    """Return the direct child processes of a process. Those of a gunicorn server are its workers."""
    return sorted(each.pid for each in _processes() if each.parent == pid)


class _Process(NamedTuple):
    """Process, its resident memory in pages, and its processor time with that of its ended children."""

    pid: int
    parent: int
    pages: int
    seconds: float


def _processes() -> Iterator[_Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            except OSError:
                continue  # the process ended in the meantime
            ticks = sum(map(int, fields[11:15]))
            yield _Process(int(entry.name), int(fields[1]), int(fields[21]), ticks / os.sysconf("SC_CLK_TCK"))


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process now (VmRSS)."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS:")


def peak_bytes(pid: int) -> int:
    """Return the highest resident memory of a process since `reset_peak` (VmHWM)."""
    return _field(Path(f"/proc/{pid}/status"), "VmHWM:")


def reset_peak(pid: int) -> None:
    """Set the peak (VmHWM) of a process to its resident memory now.

    Source: proc(5), /proc/pid/clear_refs, value 5.
    """
    Path(f"/proc/{pid}/clear_refs").write_text("5\n", "ascii")


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used, which a busy machine changes little."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def proportional_bytes(pid: int) -> int:
    """Return a process's own memory plus its share of the memory that it shares with others (PSS)."""
    return _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _field(path: Path, name: str) -> int:
    for line in path.read_text("ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * _KIB
    raise LookupError(f"{path} has no {name}")
