"""Results of measurements, as a table for the terminal and as bench/RESULTS.md."""

import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_HEAD = ("what", "measured", "baseline", "ratio", "target", "verdict")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured figure with its baseline and its target, as texts."""

    what: str
    measured: str
    baseline: str
    ratio: str
    target: str
    verdict: str

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the cells of its row in the table."""
        return (self.what, self.measured, self.baseline, self.ratio, self.target, self.verdict)


def at_most(value: float, limit: float) -> str:
    """Return the verdict on a value that must not be above its limit."""
    return "met" if value <= limit else f"missed by {value / limit - 1:.0%}"


def at_least(value: float, limit: float) -> str:
    """Return the verdict on a value that must not be below its limit."""
    return "met" if value >= limit else f"missed by {1 - value / limit:.0%}"


def milliseconds(seconds: float) -> str:
    """Return seconds as milliseconds with three significant figures."""
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds * 1000:.0f} ms"


def mebibytes(size: float) -> str:
    """Return bytes as MiB with one decimal."""
    return f"{size / 1024**2:.1f} MiB"


def machine_facts() -> list[str]:
    """Return facts about this machine, one for each line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    version = Path("/etc/debian_version")
    debian = version.read_text("utf-8").strip() if version.exists() else "not Debian"
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    busy = os.getloadavg()[0]
    return [
        f"CPU: {model}, {os.cpu_count()} cores; memory {memory:.0f} GiB",
        f"Debian {debian}, Linux {platform.release()}, {versions}",
        f"Load (1 minute) before the first measurement: {busy:.1f}; a quiet machine has about 0",
    ]


def format_table(measured: Sequence[Measurement]) -> str:
    """Return the results as a table for a terminal."""
    rows = [_HEAD, *(each.cells for each in measured)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def write_results(path: Path, measured: Sequence[Measurement], facts: Sequence[str], seconds: float) -> None:
    """Write the results as Markdown, with the command, the machine and the day."""
    rows = [_HEAD, tuple("---" for _ in _HEAD), *(each.cells for each in measured)]
    lines = [
        "# Results of `make bench`",
        "",
        "Each row has a figure and its baseline. Both were measured in the same run, in turn. The module of",
        "`bench/` that measures a figure describes how. The next full run overwrites this file.",
        "",
        f"- Command: `{' '.join(['python -m bench.run', *sys.argv[1:]])}`",
        f"- Day: {datetime.now(UTC).date().isoformat()}; it took {seconds / 60:.1f} minutes",
        *(f"- {line}" for line in facts),
        "",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    path.write_text("\n".join(lines), "utf-8")
