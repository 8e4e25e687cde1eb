"""Make one yearly report, as `steunpunt report` does, and print its time and memory.

Run it as `python -m bench.measures.report_once SETTINGS YEAR`, with the passphrase on standard input. It
prints the seconds, the bytes of memory including those of its child processes, and the number of mailboxes
that were counted. Unlocking is not measured: every use of the desk waits for that first.
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
from journalist_app.services.whole_desk import yearly_report
from journalist_app.services.whole_desk.unlocking import unlock_desk
from report.disclosure import Audience
from store.database.engine import open_store
from web.dates import utc_today

_EVERY_SECONDS = 0.05


def main(settings: str, year: str) -> None:
    """Make one yearly report in both versions and both languages, and print its time and memory."""
    config = load_config(Path(settings), "adviser", AdviserConfig)
    store = open_store(config.store_path)
    desk = unlock_desk(config, store, sys.stdin.readline().rstrip("\n"))
    starters = search_processes.search_process_starters()
    desk.index = SearchIndex(starters)
    memory = _Memory()
    begun = time.perf_counter()
    found = yearly_report.read_report_year(desk, int(year), utc_today())
    for audience in Audience:
        for language in ("nl", "en"):
            yearly_report.build_report_file(desk, found, audience, language, "html")
    seconds = time.perf_counter() - begun
    print(seconds, memory.stop(), found.counts.read)


class _Memory:
    """Peak memory of this process and its child processes together, sampled every 50 ms.

    The kernel's own peak (VmHWM) cannot be used: it includes the memory that unlocking took before.
    """

    def __init__(self) -> None:
        self._peak = 0
        self._stopped = threading.Event()
        self._sampler = threading.Thread(target=self._sample)
        self._sampler.start()

    def stop(self) -> int:
        """Stop sampling, and return the peak in bytes."""
        self._stopped.set()
        self._sampler.join()
        return self._peak

    def _sample(self) -> None:
        while not self._stopped.wait(_EVERY_SECONDS):
            self._peak = max(self._peak, sum(_resident(pid) for pid in _process_ids()))


def _process_ids() -> list[int]:
    tasks = Path("/proc/self/task").iterdir()
    started = " ".join((task / "children").read_text("ascii") for task in tasks).split()
    return [os.getpid(), *(int(pid) for pid in started)]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0  # the process has ended


if __name__ == "__main__":
    main(*sys.argv[1:])
