"""Clean-up of a workstation: destroy deleted rows in the replica, and rewrite the replica each night.

This clean-up does not delete closed or empty mailboxes. The server deletes them, and sync then ends those
mailboxes in the replica.
"""

import os
from pathlib import Path

from deploy.settings.load_settings import load_config
from deploy.sweeping.server_cleanup import StoreSweeper
from journalist_app.config import AdviserConfig
from store.database.engine import open_store


def open_replica_cleanup(settings: Path) -> StoreSweeper:
    """Open a workstation's copy of the store, and return the background task that destroys its deleted rows.

    Raises:
        ConfigError: the settings have faults.
        StoreError: the store cannot be opened.
    """
    config = load_config(settings, "adviser", AdviserConfig)
    os.environ["SQLITE_TMPDIR"] = str(config.store_path.parent)  # for the copy that VACUUM writes
    return StoreSweeper(open_store(config.store_path))
