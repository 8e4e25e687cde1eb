"""Background thread that applies pending pouches: sync bundles that reached a server before an earlier one.

The sync endpoint does not apply pending pouches, because the workstation would have to wait. The clean-up
process applies them, in a separate thread, so that the destruction of deleted content does not wait either.
"""

import logging
import threading
from pathlib import Path

from deploy import quiet_log
from deploy.errors import DeployError
from deploy.syncing.server_endpoint import open_server_endpoint
from store.errors import StoreError
from sync.errors import SyncError
from sync.pending import apply_pending

_INTERVAL_SECONDS = 900  # each attempt reads the pending pouches from end to end

_log = logging.getLogger(quiet_log.OWN_LOGGER)


def apply_pending_until_stopped(settings: Path, stop: threading.Event) -> None:
    """Apply pending pouches now, and again every 15 minutes, until `stop` is set.

    A pouch (sync bundle) is pending while an earlier pouch is missing.
    """
    last_fault = ""
    while True:
        last_fault = apply_pending_now(settings, last_fault)
        if stop.wait(_INTERVAL_SECONDS):
            return


def apply_pending_now(settings: Path, last_fault: str = "") -> str:
    """Apply the sync bundles (pouches) that waited for an earlier bundle.

    Return "", or the reason why they cannot be applied now. A reason that differs from `last_fault` is
    logged.
    """
    try:
        with open_server_endpoint(settings) as endpoint:
            apply_pending(endpoint)
    except (DeployError, SyncError, StoreError, OSError) as why:
        fault = str(why) if isinstance(why, DeployError | SyncError) else type(why).__name__
        if fault != last_fault:
            # The log gets no traceback.
            _log.error("pouches that came early are kept, and cannot be applied now: %s", fault)
        return fault
    return ""
