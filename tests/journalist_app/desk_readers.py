"""Readers for tests: the very code of the processes, on a thread each, over a real socket."""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.search import search_worker
from journalist_app.search.search_index import SearchIndex, WorkerStarter
from journalist_app.services.desk import unlocking

SECONDS = 60  # far more than any of them takes: whoever waits so long has found a fault


def start() -> tuple[Connection, Callable[[], None]]:
    """Start a reader on a thread; ending it hangs up, as the kernel does for a process that was killed."""
    ours, theirs = Pipe()
    line = socket.socket(socket.AF_UNIX, fileno=os.dup(ours.fileno()))
    threading.Thread(target=search_worker.serve_search, args=(theirs,), name="reader", daemon=True).start()

    def end() -> None:
        try:
            line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other end hung up first
        finally:
            line.close()

    return ours, end


def begin(desk: OpenDesk, starters: Sequence[WorkerStarter] = (start,)) -> None:
    """Have these read the store of a desk."""
    desk.index = SearchIndex(starters)
    unlocking.begin_reading(desk)
