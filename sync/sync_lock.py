"""Cross-process lock that allows one process at a time to apply or pack pouches for a store.

Two processes that pack for one peer at once could each mark rows of the outbox that the other one sends. A
pouch that is overtaken by the next one could roll back what was noted about the peer.
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
def sync_lock(endpoint: Endpoint) -> Iterator[Path]:
    """Wait for the lock of a store and hold it. Yields the folder for pouches that arrive too early.

    The lock does not nest.
    """
    folder = endpoint.store.path.with_name(_FOLDER)
    folder.mkdir(_PRIVATE_FOLDER, exist_ok=True)
    folder.chmod(_PRIVATE_FOLDER)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)  # released when the folder is closed, or when the process ends
        yield folder
    finally:
        os.close(opened)
