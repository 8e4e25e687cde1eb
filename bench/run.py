"""Measure everything: `python -m bench.run`, or `--quick` for a small round, or `--only NAME`.

Prints a table. A whole run also writes bench/RESULTS.md. These are measurements and not tests: a busy machine
gives other numbers.
"""

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import desk_servers, processes, report
from bench.baselines import baseline
from bench.bench_setup import BenchSetup
from bench.measures import (
    backup_measures,
    database_measures,
    file_measures,
    full_store_measures,
    report_measures,
    search_measures,
    source_measures,
    sync_measures,
    upload_measures,
)
from bench.report import Measurement
from store.dialect.sqlite_pages import PAGE_BYTES

_MEASURES: dict[str, Callable[[BenchSetup], Iterator[Measurement]]] = {
    "rest": source_measures.at_rest,
    "open": source_measures.opening,
    "log-in": source_measures.logging_in,
    "post": source_measures.posting,
    "long": source_measures.posting_in_long_mailboxes,
    "submit": source_measures.submitting,
    "start": source_measures.start_page,
    "upload": upload_measures.uploading,
    "backup": backup_measures.backing_up,
    "inbox": full_store_measures.reading,
    "search": search_measures.searching,
    "verify": full_store_measures.verifying,
    "million": full_store_measures.million,
    "report": report_measures.reporting,
    "files": file_measures.handling,
    "sync": sync_measures.syncing,
    "database": database_measures.beside_each_other,
    "database-servers": database_measures.several_servers,
    "database-million": database_measures.million_in_database,
    "database-sync": database_measures.first_syncs,
}
_RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    """Run the measurements that the arguments name, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a small round, which shows that everything works"
    )
    parser.add_argument("--only", action="append", choices=_MEASURES, help="measure only this")
    chosen = parser.parse_args()
    # As Ctrl-C does, so that the servers that were started end too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun = time.monotonic()
    measured: list[Measurement] = []
    facts = report.machine_facts()
    for name in chosen.only or _MEASURES:
        with new_setup(quick=chosen.quick) as setup:
            for figure in _MEASURES[name](setup):
                measured.append(figure)
                print(f"[{time.monotonic() - begun:4.0f} s] {' | '.join(figure.cells)}", file=sys.stderr)
        # After each measurement, so that its result is not lost if a later one fails.
        if not chosen.quick and not chosen.only:
            report.write_results(_RESULTS, measured, facts, time.monotonic() - begun)
    print(report.format_table(measured))


@contextlib.contextmanager
def new_setup(*, quick: bool) -> Iterator[BenchSetup]:
    """Run new servers for one measurement, so that no measurement influences another."""
    with processes.folder_on_disk() as folder, contextlib.ExitStack() as stack:
        desk = desk_servers.set_up(folder / "desk")
        servers = stack.enter_context(desk_servers.serve_all(desk))
        settings = desk.section("source")
        running_baseline = baseline.serving_baseline(
            folder, page_bytes=PAGE_BYTES, workers=settings["workers"], threads=settings["threads"]
        )
        yield BenchSetup(servers, stack.enter_context(running_baseline), quick)


if __name__ == "__main__":
    main()
