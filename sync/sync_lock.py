"""Cross-process lock that allows one process at a time to apply or pack pouches (sync bundles) for a store.

Without the lock, two processes that pack for one peer could each mark rows of the outbox that the other
process sends. Two processes that apply pouches of one peer could store the older state of the peer last.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sync.endpoint import Endpoint

_FOLDER = "pending"
_PRIVATE_FOLDER = 0o700


@contextmanager
def sync_lock(endpoint: Endpoint) -> Iterator[Path]:
    """Wait for the lock that lets one sync at a time use a store, and hold it during the block.

    Yield the folder for pouches (sync bundles) that arrive too early. Inside the block, never call this
    function.
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
