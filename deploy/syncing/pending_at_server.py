"""Pouches that came to a server as files before one that is missing: taken in once that has come on a line.

The door does not do it: a workstation would wait for it. A thread beside the sweeper does, for which nothing
that is to be destroyed waits.
"""

import logging
import threading
from pathlib import Path

from deploy import quiet_log
from deploy.errors import DeployError
from deploy.syncing.server_endpoint import open_server_endpoint
from store.errors import StoreError
from sync.errors import SyncError
from sync.pending import take_in_held

_LOOK_SECONDS = 900  # each look reads what is held from end to end

_log = logging.getLogger(quiet_log.OWN_LOGGER)


def apply_pending_until_stopped(settings: Path, stop: threading.Event) -> None:
    """Take in what fits, now and every quarter of an hour, until told to stop."""
    told = ""
    while True:
        told = apply_pending_now(settings, told)
        if stop.wait(_LOOK_SECONDS):
            return


def apply_pending_now(settings: Path, told: str = "") -> str:
    """Take in what fits now. What is in the way is logged, unless that was `told` before, and returned."""
    try:
        with open_server_endpoint(settings) as side:
            take_in_held(side)
    except (DeployError, SyncError, StoreError, OSError) as why:
        said = str(why) if isinstance(why, DeployError) else type(why).__name__
        if said != told:
            _log.error("pouches that came early are kept, and not taken in now: %s", said)  # no trace wanted
        return said
    return ""
