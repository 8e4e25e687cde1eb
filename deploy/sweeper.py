"""Destroy what was given up, every few seconds, and write the store anew once a night."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from deploy import quiet_log
from deploy.config import load_config
from deploy.hardening import close_process, private_folder
from source_app.config import SourceConfig
from store import purge
from store.engine import Store, open_store
from store.errors import StoreError
from store.sessions import SessionStore, open_sessions

SWEEP_SECONDS = 20  # what was deleted must be unreadable within a minute, whatever the timing
_TIDY_HOUR = 2  # UTC; the first sweep after it tidies, once for each day that the sweeper runs
_HALF_HOUR_SECONDS = 1800

_log = logging.getLogger(quiet_log.OWN)


def sweep_for_ever(settings: Path, stop: threading.Event) -> None:
    """Sweep until told to stop. A store that is busy or full is tried again with the next sweep.

    Raises:
        ConfigError: the settings have faults.
        StoreError: the store or the sessions cannot be opened at the start.
    """
    close_process()
    store, sessions = _open(settings)
    quiet_log.install(sys.stderr)
    tidied: date | None = None
    while True:
        now = datetime.now(UTC)
        try:
            sweep_once(store, sessions)
            if now.hour >= _TIDY_HOUR and tidied != now.date():
                purge.tidy(store)
                tidied = now.date()
        except StoreError as why:
            _log.error("this sweep was not finished: %s", type(why).__name__)  # no trace wanted
        if stop.wait(SWEEP_SECONDS):
            return


def sweep_now(
    settings: Path, on_step: Callable[[str], None], on_progress: Callable[[int, int], None]
) -> purge.Swept:
    """Sweep and tidy once, at the operator's word; `on_progress` is that of `purge.sweep`.

    Raises:
        ConfigError: the settings have faults.
        StoreError: the store refuses.
    """
    close_process()
    store, sessions = _open(settings)
    on_step("Destroying what was deleted")
    swept = sweep_once(store, sessions, on_progress)
    on_step("Writing the store anew, which takes minutes when it is large")
    purge.tidy(store)
    return swept


def sweep_once(
    store: Store, sessions: SessionStore, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> purge.Swept:
    """Drop expired sessions, and destroy what is queued in the store."""
    now_half_hour = int(time.time()) // _HALF_HOUR_SECONDS
    sessions.sweep(now_half_hour)
    return purge.sweep(store, now_half_hour, on_progress=on_progress)


def _open(settings: Path) -> tuple[Store, SessionStore]:
    config = load_config(settings, "source", SourceConfig)
    # VACUUM writes a copy (of ciphertext) first: beside the store, where room was looked for, not in memory
    os.environ["SQLITE_TMPDIR"] = str(config.store_path.parent)
    private_folder(config.sessions_path.parent)
    return open_store(config.store_path), open_sessions(config.sessions_path)
