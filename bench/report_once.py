"""Make one yearly report as `steunpunt report` does, and print what it took: `python -m bench.report_once`.

The passphrase comes through standard input. Prints seconds and bytes of memory, the processes that it starts
included. Unlocking is left out: everybody waits for that before anything else.
"""

import resource
import sys
import time
from pathlib import Path

from deploy import reader
from deploy.config import load_config
from journalist_app.config import AdviserConfig
from journalist_app.index import Index
from journalist_app.services import reporting
from journalist_app.services.unlocking import unlock
from report.disclosure import Audience
from store.engine import open_store
from web.dates import utc_today


def main(settings: str, year: str) -> None:
    """Count a year, and make both versions in both languages as a page."""
    config = load_config(Path(settings), "adviser", AdviserConfig)
    store = open_store(config.store_path)
    desk = unlock(config, store, sys.stdin.readline().rstrip("\n"))
    starters = reader.starters()
    desk.index = Index(starters)
    begun = time.perf_counter()
    found = reporting.look_at(desk, int(year), utc_today())
    for audience in Audience:
        for language in ("nl", "en"):
            reporting.file_of(desk, found, audience, language, "html")
    seconds = time.perf_counter() - begun
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(seconds, (ours + len(starters) * theirs) * 1024, found.counts.read)


if __name__ == "__main__":
    main(*sys.argv[1:])
