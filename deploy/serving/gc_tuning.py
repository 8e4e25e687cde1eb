"""Thresholds of Python's garbage collector, while a process starts and while it serves.

Imports make some hundred thousand objects, which all stay until the process ends. If the collector examined
them again and again, this would take a good part of the time in which a process starts and ends.
"""

import atexit
import gc

_AT_START = (100_000, 10, 10)  # Python's own first threshold is 700 new objects
_USUAL = gc.get_threshold()


def collect_seldom() -> None:
    """Run the garbage collector seldom while the process starts, and not at all when the process ends."""
    gc.set_threshold(*_AT_START)
    atexit.register(gc.freeze)


def collect_from_here() -> None:
    """Restore the garbage collector's usual thresholds, and make it ignore all objects that exist now."""
    gc.freeze()
    gc.set_threshold(*_USUAL)
