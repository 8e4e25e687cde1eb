"""Make one yearly report as `steunpunt report` does, and print what it took: `python -m bench.report_once`.

The passphrase comes through standard input. Prints seconds and bytes of memory, the processes that it starts
included. Unlocking is left out: everybody waits for that before anything else.
"""

import os
import sys
import threading
import time
from pathlib import Path

from deploy.serving import search_processes
from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from journalist_app.search.search_index import SearchIndex
from journalist_app.services.desk import yearly_report
from journalist_app.services.desk.unlocking import unlock_desk
from report.disclosure import Audience
from store.database.engine import open_store
from web.dates import utc_today

_EVERY_SECONDS = 0.05


def main(settings: str, year: str) -> None:
    """Count a year, and make both versions in both languages as a page."""
    config = load_config(Path(settings), "adviser", AdviserConfig)
    store = open_store(config.store_path)
    desk = unlock_desk(config, store, sys.stdin.readline().rstrip("\n"))
    starters = search_processes.search_process_starters()
    desk.index = SearchIndex(starters)
    memory = _Memory()
    begun = time.perf_counter()
    found = yearly_report.look_at(desk, int(year), utc_today())
    for audience in Audience:
        for language in ("nl", "en"):
            yearly_report.file_of(desk, found, audience, language, "html")
    seconds = time.perf_counter() - begun
    print(seconds, memory.most(), found.counts.read)


class _Memory:
    """The most that this process and those it started held at one time, looked at every 50 ms.

    What unlocking took before is left out, so this is no high-water mark of the kernel's.
    """

    def __init__(self) -> None:
        self._most = 0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look)
        self._watch.start()

    def most(self) -> int:
        """Stop looking; return bytes."""
        self._over.set()
        self._watch.join()
        return self._most

    def _look(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            self._most = max(self._most, sum(_resident(pid) for pid in _ours()))


def _ours() -> list[int]:
    tasks = Path("/proc/self/task").iterdir()
    started = " ".join((task / "children").read_text("ascii") for task in tasks).split()
    return [os.getpid(), *(int(pid) for pid in started)]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0  # it has ended


if __name__ == "__main__":
    main(*sys.argv[1:])
