"""Search processes, which read the store for the adviser's search: their main function, and their start.

    python -m deploy.serving.search_processes DESCRIPTOR

The processes are new programs and not forks, because a fork of the worker would have a copy of its memory and
its locks. The keys that they need come through a socket that only the worker and the process have.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from deploy.hardening import harden_process
from deploy.serving.gc_tuning import collect_from_here, collect_seldom

_NICENESS = 5  # lower priority than the processes that serve pages
_MOST = 4  # most processes; each has its share of the words, and with more, the disk would be the limit


def search_process_starters() -> list[Callable[[], tuple[Connection, Callable[[], None]]]]:
    """Return functions that each start a search process: one function for each usable processor core."""
    return [start_search_process] * min(len(os.sched_getaffinity(0)), _MOST)


def start_search_process() -> tuple[Connection, Callable[[], None]]:
    """Start a process that reads the store for the adviser's search.

    Return the connection to the process, and a function that ends the process.
    """
    # Without -P, Python could import a file among someone's downloads, and the file could get the keys.
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-P", "-m", "deploy.serving.search_processes", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()

    return ours, end


def run_search_process(descriptor: str) -> None:
    """Answer the adviser's searches in this process, until the socket closes.

    `descriptor` is the number of the socket's file descriptor.
    """
    harden_process()
    os.nice(_NICENESS)
    collect_seldom()
    from journalist_app.search import search_worker  # noqa: PLC0415  # behind `collect_seldom`

    collect_from_here()
    search_worker.serve_search(Connection(int(descriptor)))


if __name__ == "__main__":
    run_search_process(*sys.argv[1:])
