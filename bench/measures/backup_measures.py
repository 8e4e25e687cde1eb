"""Measurement of backups: `steunpunt backup` of a store with large files, against `cp` and `sha256sum`.

With STEUNPUNT_BENCH=whole, the store has 10 GB.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench import desk_servers
from bench.bench_setup import BenchSetup
from bench.report import Measurement, at_least
from bench.timing import interleaved, median, timed

_MB = 1_000_000
_FILE_BYTES = 1_000 * _MB
_SHARE = 0.2  # a backup also verifies every signature, and writes only the rows that exist
_SECTION = '\n[backup]\nfolder = "backups"\nkeep = 1\nkeep_days = 1\nage_recipients = []\n'


def backing_up(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure a backup while all programs run, in turns with a plain copy of the store's file."""
    is_whole = os.environ.get("STEUNPUNT_BENCH") == "whole"
    size = 100 * _MB if setup.quick else 10_000 * _MB if is_whole else 1_000 * _MB
    desk = setup.servers.desk
    for _ in range(0, size, _FILE_BYTES):
        with setup.source() as source:
            source.open_mailbox()
            source.post_message(source.write_form(), "with a file", min(size, _FILE_BYTES))
    with desk.settings.open("a", encoding="utf-8") as file:
        file.write(_SECTION)
    store = desk.path("source", "store_path")
    command = [*desk_servers._COMMAND, "--settings", str(desk.settings), "backup"]  # noqa: SLF001  # our own
    turns = 1 if is_whole else 2
    backed_up, copied = interleaved(
        turns,
        timed(lambda: subprocess.run(command, check=True, capture_output=True)),
        timed(lambda: _copy(store)),
        warm_ups=0,
    )
    shutil.rmtree(desk.settings.parent / "backups")
    megabytes = store.stat().st_size / _MB
    ratio = median(copied) / median(backed_up)
    yield Measurement(
        f"backup of a store of {megabytes:,.0f} MB",
        f"{megabytes / median(backed_up):.0f} MB/s ({median(backed_up):.0f} s)",
        f"{megabytes / median(copied):.0f} MB/s, cp and sha256sum",
        f"{ratio:.2f}",
        f"at least {_SHARE} x",
        at_least(ratio, _SHARE),
    )


def _copy(store: Path) -> None:
    copy = store.with_name("copy.db")
    subprocess.run(["cp", store, copy], check=True)
    subprocess.run(["sync", copy], check=True)
    subprocess.run(["sha256sum", copy], check=True, capture_output=True)
    copy.unlink()
