"""What a process of ours weighs, as the kernel counts it."""

from pathlib import Path

_KIB = 1024


def children(pid: int) -> list[int]:
    """Return the direct children of a process: gunicorn's workers, below its arbiter."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return sorted(found)


def resident_bytes(pid: int) -> int:
    """Return what is in memory now (VmRSS)."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS:")


def peak_bytes(pid: int) -> int:
    """Return the most that was in memory since `forget_peak` (VmHWM)."""
    return _field(Path(f"/proc/{pid}/status"), "VmHWM:")


def forget_peak(pid: int) -> None:
    """Let VmHWM start again from what is in memory now.

    Source: proc(5), /proc/pid/clear_refs, value 5.
    """
    Path(f"/proc/{pid}/clear_refs").write_text("5\n", "ascii")


def proportional_bytes(pid: int) -> int:
    """Return the memory that is this process's own plus its share of what it shares with others (PSS)."""
    return _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _field(path: Path, name: str) -> int:
    for line in path.read_text("ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * _KIB
    raise LookupError(f"{path} has no {name}")
