"""Thresholds of Python's garbage collector, at the start of a process and while it serves.

Imports make some hundred thousand objects, all of which stay until the end. Examining them again and again
takes a good part of the time that a process needs to start, and to end.
"""

import atexit
import gc

_AT_START = (100_000, 10, 10)  # Python's own first threshold is 700 new objects
_USUAL = gc.get_threshold()


def collect_seldom() -> None:
    """Collect seldom while the process starts, and not at all when it ends."""
    gc.set_threshold(*_AT_START)
    atexit.register(gc.freeze)


def collect_from_here() -> None:
    """Collect as Python usually does, but never examine the objects that exist now."""
    gc.freeze()
    gc.set_threshold(*_USUAL)
