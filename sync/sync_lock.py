"""Whose turn it is: one at a time takes in or packs over a store, whichever process begins it.

Two that pack for one peer at once could each mark what the other one sends, and a pouch that the next one
overtakes could set back what was noted.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sync.endpoint import Endpoint

_FOLDER = "held"
_PRIVATE_FOLDER = 0o700


@contextmanager
def sync_lock(side: Endpoint) -> Iterator[Path]:
    """Wait for the turn, and keep it; give the folder beside the store for pouches that come too early.

    It does not nest.
    """
    folder = side.store.path.with_name(_FOLDER)
    folder.mkdir(_PRIVATE_FOLDER, exist_ok=True)
    folder.chmod(_PRIVATE_FOLDER)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)  # given back when it is closed, or when the process ends
        yield folder
    finally:
        os.close(opened)
