"""Start of a program while the database server is away: the program waits for it, instead of ending."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from gunicorn.systemd import sd_notify

from deploy.checking.machine_files import read_machine_settings
from deploy.quiet_log import OWN_LOGGER
from deploy.settings.database_settings import Role, store_place
from deploy.settings.load_settings import sections_in
from store.database.engine import ServerPlace, open_store
from store.errors import StoreBusyError, StoreError, StoreUnreachableError

_PAUSE_SECONDS = 2
_MORE_TIME = "EXTEND_TIMEOUT_USEC=60000000"  # systemd would end a program that starts for too long
_WAITING = (
    "The database server cannot be reached, or it accepts no connection. This program waits for it. To see "
    "the reason, connect with psql and the same address."
)
_log = logging.getLogger(OWN_LOGGER)


def wait_for_database(settings: Path, role: Role, *, say: Callable[[str], object]) -> None:
    """Wait until the database of a server's store can be reached. Return at once if the store is a file.

    Raises:
        ConfigError: the settings have faults.
    """
    if "database" not in sections_in(settings):
        return
    place = store_place(settings, read_machine_settings(settings).store_path, role)
    is_told = False
    while _is_away(place, role):
        if not is_told:
            say(_WAITING)
            is_told = True
        sd_notify(_MORE_TIME, _log)
        time.sleep(_PAUSE_SECONDS)


def _is_away(place: Path | ServerPlace, role: Role) -> bool:
    try:
        open_store(place, of_source=role is Role.SOURCE).close()
    except (StoreBusyError, StoreUnreachableError):
        return True
    except StoreError:
        return False  # the program itself refuses this store
    return False
