"""Make one yearly report, as `steunpunt report` does, and print its time and memory.

Run it as `python -m bench.measures.report_once SETTINGS YEAR`, with the passphrase on standard input. It
prints the seconds, the bytes of memory including those of its child processes, and the number of mailboxes
that were counted. Unlocking is not measured: every use of the desk waits for that first.
"""

import sys
import time
from pathlib import Path

from bench.memory import TreeMemory
from deploy.serving import search_processes
from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from journalist_app.search.search_index import SearchIndex
from journalist_app.services.whole_desk import yearly_report
from journalist_app.services.whole_desk.unlocking import unlock_desk
from report.disclosure import Audience
from store.database.engine import open_store
from web.dates import utc_today


def main(settings: str, year: str) -> None:
    """Make one yearly report in both versions and both languages, and print its time and memory."""
    config = load_config(Path(settings), "adviser", AdviserConfig)
    store = open_store(config.store_path)
    desk = unlock_desk(config, store, sys.stdin.readline().rstrip("\n"))
    starters = search_processes.search_process_starters()
    desk.index = SearchIndex(starters)
    with TreeMemory() as memory:
        begun = time.perf_counter()
        found = yearly_report.read_report_year(desk, int(year), utc_today())
        for audience in Audience:
            for language in ("nl", "en"):
                yearly_report.build_report_file(desk, found, audience, language, "html")
        seconds = time.perf_counter() - begun
    print(seconds, memory.peak, found.counts.read)


if __name__ == "__main__":
    main(*sys.argv[1:])
