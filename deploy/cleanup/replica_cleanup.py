"""Sweeper of a workstation: destroy deleted rows in the replica, and rewrite the replica each night.

It carries out no deletion orders and drops no mailboxes. The server does, and the replica learns of it by
sync.
"""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from deploy.cleanup.server_cleanup import half_hour_of
from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from store import cleanup
from store.database.engine import Store, open_store


class ReplicaSweeper:
    """Sweeper of a replica."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def sweep_once(
        self, now: datetime, on_progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> cleanup.SweepResult:
        """Destroy what is queued in the replica.

        Raises:
            StoreError: the store refuses.
        """
        return cleanup.destroy_deleted(self.store, half_hour_of(now), on_progress=on_progress)


def open_replica_cleanup(settings: Path) -> ReplicaSweeper:
    """Return the sweeper of a workstation's replica.

    Raises:
        ConfigError: the settings have faults.
        StoreError: the store cannot be opened.
    """
    config = load_config(settings, "adviser", AdviserConfig)
    os.environ["SQLITE_TMPDIR"] = str(config.store_path.parent)  # as in a server's sweeper
    return ReplicaSweeper(open_store(config.store_path))
