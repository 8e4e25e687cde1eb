"""Measure everything: `python -m bench.run`, or `--quick` for a small round, or `--only NAME`.

Prints a table; a whole run also writes bench/RESULTS.md. Nothing here is a test: a machine that is busy with
something else gives other numbers.
"""

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import (
    large_measures,
    processes,
    report,
    report_measures,
    search_measures,
    source_measures,
    sync_measures,
    upload_measures,
    world,
    yardstick,
)
from bench.report import Finding
from bench.stage import Stage
from store.database.schema import PAGE_BYTES

_MEASURES: dict[str, Callable[[Stage], Iterator[Finding]]] = {
    "rest": source_measures.at_rest,
    "open": source_measures.opening,
    "log-in": source_measures.logging_in,
    "post": source_measures.posting,
    "submit": source_measures.submitting,
    "start": source_measures.start_page,
    "upload": upload_measures.uploading,
    "inbox": large_measures.reading,
    "search": search_measures.searching,
    "million": large_measures.million,
    "report": report_measures.reporting,
    "sync": sync_measures.syncing,
}
_RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    """Run what was asked for, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small round, to see that all of it works")
    parser.add_argument("--only", action="append", choices=_MEASURES, help="measure this alone")
    chosen = parser.parse_args()
    # As Ctrl-C does: so that the servers that were started end as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun = time.monotonic()
    findings: list[Finding] = []
    facts = report.machine()
    for name in chosen.only or _MEASURES:
        with _stage(quick=chosen.quick) as stage:
            for finding in _MEASURES[name](stage):
                findings.append(finding)
                print(f"[{time.monotonic() - begun:4.0f} s] {' | '.join(finding.cells)}", file=sys.stderr)
        # Each time: what was measured is not lost with what comes after.
        if not chosen.quick and not chosen.only:
            report.write(_RESULTS, findings, facts, time.monotonic() - begun)
    print(report.table(findings))


@contextlib.contextmanager
def _stage(*, quick: bool) -> Iterator[Stage]:
    """Set up a world and the yardsticks anew for each measurement, so that none is the heir of another."""
    with processes.folder_on_disk() as folder, contextlib.ExitStack() as stack:
        desk = world.set_up(folder / "desk")
        doors = stack.enter_context(world.open_doors(desk))
        settings = desk.section("source")
        beside = yardstick.thread_state(
            folder, page_bytes=PAGE_BYTES, workers=settings["workers"], threads=settings["threads"]
        )
        yield Stage(doors, stack.enter_context(beside), quick)


if __name__ == "__main__":
    main()
