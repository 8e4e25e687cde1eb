"""Start the processes that read the store for the adviser's search, and what each of them runs.

    python -m deploy.serving.search_processes DESCRIPTOR

They are started clean, not forked: a fork of the worker would carry all that is in its memory, and its locks.
What they open with comes through a socket that only the two of them hold.
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

_NICENESS = 5  # pages come first
_MOST = 4  # each holds its share of the words; more would not start sooner than the disk reads


def search_process_starters() -> list[Callable[[], tuple[Connection, Callable[[], None]]]]:
    """Return what starts a reader, once for each core that we may use."""
    return [start_search_process] * min(len(os.sched_getaffinity(0)), _MOST)


def start_search_process() -> tuple[Connection, Callable[[], None]]:
    """Start a reader; return the line to it and what ends it.

    With `-P`, so that no file of the folder we happen to stand in is taken for one of our modules: what lies
    among somebody's downloads would be handed the desk's keys.
    """
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(  # noqa: S603  # ourselves
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
    """Read until the socket closes."""
    harden_process()
    os.nice(_NICENESS)
    collect_seldom()
    from journalist_app.search import search_worker  # noqa: PLC0415  # behind `collect_seldom`

    collect_from_here()
    search_worker.serve_search(Connection(int(descriptor)))


if __name__ == "__main__":
    run_search_process(*sys.argv[1:])
