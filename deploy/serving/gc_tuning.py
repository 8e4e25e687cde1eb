"""When Python looks for objects that only hold each other: not among imports, which stay to the end.

Imports make some hundred thousand objects, and to look through them again and again is a good part of the
work of a start, and of an end.
"""

import atexit
import gc

_AT_START = (100_000, 10, 10)  # objects made before the youngest are looked through; Python's own is 700
_USUAL = gc.get_threshold()


def collect_seldom() -> None:
    """Begin a process: collect seldom, and not at all once it ends."""
    gc.set_threshold(*_AT_START)
    atexit.register(gc.freeze)


def collect_from_here() -> None:
    """Collect as Python does, for a process that stays; what is there by now is left alone for good."""
    gc.freeze()
    gc.set_threshold(*_USUAL)
