"""Memory of a process, as the kernel counts it."""

from pathlib import Path

_KIB = 1024


def children(pid: int) -> list[int]:
    """Return the direct child processes of a process. Those of a gunicorn server are its workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            except OSError:
                continue  # the process ended in the meantime
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return sorted(found)


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


def proportional_bytes(pid: int) -> int:
    """Return a process's own memory plus its share of the memory that it shares with others (PSS)."""
    return _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _field(path: Path, name: str) -> int:
    for line in path.read_text("ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * _KIB
    raise LookupError(f"{path} has no {name}")
