"""Forks of a process, which inherit no connection of a store."""

import atexit
import os
import weakref
from collections.abc import Callable


def close_before_fork(close: Callable[[], None]) -> None:
    """Register the `close` method of a store, to be called before each fork and at the end of this process.

    The registration does not keep the store in memory.
    """
    # With an inherited connection, SQLite in a child process would believe that it has POSIX locks.
    # With a connection to a server, parent and child would write into the same stream.
    reference = weakref.WeakMethod(close)

    def close_if_alive() -> None:
        method = reference()
        if method is not None:
            method()

    os.register_at_fork(before=close_if_alive)
    atexit.register(close_if_alive)  # the last connection that is closed leaves no journal
