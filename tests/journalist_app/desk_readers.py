"""Search workers for tests: the code of the search processes, on threads with real sockets."""

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.search import search_worker
from journalist_app.search.search_index import ReadingProgress, SearchIndex, WorkerStarter
from journalist_app.services.whole_desk import unlocking

SECONDS = 60  # far more than any of them takes, so a longer wait is a fault


def start() -> tuple[Connection, Callable[[], None]]:
    """Start a search worker on a thread. Ending it closes the socket, as the end of a process would."""
    ours, theirs = Pipe()
    line = socket.socket(socket.AF_UNIX, fileno=os.dup(ours.fileno()))
    threading.Thread(target=search_worker.serve_search, args=(theirs,), name="reader", daemon=True).start()

    def end() -> None:
        try:
            line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the worker closed its socket first
        finally:
            line.close()

    return ours, end


def wait_until_whole(index: SearchIndex, seconds: float = SECONDS) -> ReadingProgress:
    """Wait until the search processes have read the whole store or failed. Return their progress."""
    until = time.monotonic() + seconds
    while not (index.reading.is_whole or index.reading.is_broken) and time.monotonic() < until:
        time.sleep(0.002)
    return index.reading


def begin(desk: OpenDesk, starters: Sequence[WorkerStarter] = (start,)) -> None:
    """Have these search workers read the store of a desk."""
    desk.index = SearchIndex(starters)
    unlocking.start_indexing(desk)
