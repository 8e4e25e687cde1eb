"""Clean-up of a server: destroy deleted content every 20 seconds, and rewrite the store each night."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from gunicorn.systemd import sd_notify

from deploy import quiet_log
from deploy.backup.before_upgrade import remove_copies_before_upgrade
from deploy.backup.kept_backups import remove_left_copies, remove_old_backups
from deploy.clock import clock_days_off, clocks_apart, is_too_far
from deploy.errors import DeployError, LetterheadError
from deploy.hardening import private_folder, remake_folders
from deploy.noted_days import REWRITTEN, note_day
from deploy.pinned_letterhead import open_letterhead
from deploy.settings.database_settings import Role, store_place
from deploy.settings.load_settings import load_config
from deploy.sweeping.retention import (
    RetentionResult,
    apply_retention,
    forget_known,
    log_retention,
    refresh_hints,
)
from protocol.letterhead import Letterhead
from source_app.config import SourceConfig
from store import cleanup
from store.database.engine import Store, open_store
from store.errors import StoreBusyError, StoreError
from store.quota import recount_bytes
from store.sessions import SessionStore, open_sessions
from web.dates import half_hour_of, utc_today

SWEEP_SECONDS = 20  # deleted content must be unreadable within a minute, whatever the timing
_REWRITE_HOUR = 2  # UTC: each day, the first sweep after this hour rewrites the store
_SHORT_SECONDS = 10  # readers of a database wait during a rewrite, so only a shorter one happens by day
_WAIT_SECONDS = 30  # of the command for a sweeper, which mostly works for a moment
_OTHER_SWEEPER = "a sweeper works in the store at this moment"

_log = logging.getLogger(quiet_log.OWN_LOGGER)


class StoreSweeper:
    """Background task that destroys the deleted rows of one store, on a server or on a workstation."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.trusts_clock = True
        self._keeps_deleted = False
        self._last_half_hour = 0
        self._rewrite_seconds = 0.0

    def look_at_clock(self, today: date) -> None:
        """Check the day `today` against days in the store, and this machine's clock against the database's.

        If a clock is wrong, no closed mailbox and no old backup is deleted.

        Raises:
            StoreError: the store cannot be read.
        """
        self._trust_clock(
            is_right=not any((*clock_days_off(self.store, today), is_too_far(clocks_apart(self.store))))
        )

    def trust_clock_of_person(self) -> None:
        """Trust the clock, unless the clocks of this machine and of the database are too far apart."""
        self._trust_clock(is_right=not is_too_far(clocks_apart(self.store)))

    def _trust_clock(self, *, is_right: bool) -> None:
        if self.trusts_clock and not is_right:
            _log.error("a clock is wrong, so no closed mailbox and no old backup is deleted")
        self.trusts_clock = is_right

    def sweep_once(
        self, now: datetime, on_progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> int:
        """Destroy all content in the deletion queue. Return how many encrypted parts were destroyed.

        `on_progress` receives two numbers: the parts destroyed so far, and all parts to destroy.

        Raises:
            StoreError: the store failed.
        """
        swept = cleanup.destroy_deleted(self.store, half_hour_of(now), on_progress=on_progress)
        self._keeps_deleted |= bool(swept) and self.store.keeps_deleted
        return swept

    def sweep_sessions(self, now: datetime) -> None:
        """Drop expired sessions of this machine, which other machines do not have."""

    def rewrite_soon(self, now: datetime) -> None:
        """Rewrite a database that has deleted content in its files, at most once in each half hour.

        After a rewrite that took long, the next one waits for the night.

        Raises:
            StoreError: the store failed, or a backup is being made.
        """
        is_due = self._keeps_deleted and self._last_half_hour != half_hour_of(now)
        if is_due and self._rewrite_seconds < _SHORT_SECONDS:
            self._last_half_hour = half_hour_of(now)
            self._rewrite()

    def _rewrite(self) -> None:
        began = time.monotonic()
        cleanup.rewrite_store(self.store)
        self._rewrite_seconds = time.monotonic() - began
        self._keeps_deleted = False

    def tidy(self) -> None:
        """Remove old copies of the store, then rewrite the store's file. Call this method once each night.

        Also compute the size of each mailbox again, and the day on which the mailbox may be deleted.

        Raises:
            StoreError: the store failed.
        """
        try:
            removed = self._remove_old_copies() if self.trusts_clock else 0
        except (DeployError, OSError) as why:
            _log.error("old backups are not removed: %s", type(why).__name__)  # without a traceback
        else:
            if removed:
                _log.info("old backups removed: %d", removed)
        refresh_hints(self.store)
        recount_bytes(self.store)
        self._rewrite()
        if self.trusts_clock:
            note_day(self.store.path, REWRITTEN, utc_today())

    def _remove_old_copies(self) -> int:
        return remove_copies_before_upgrade(self.store, utc_today())


class ServerSweeper(StoreSweeper):
    """Background task that deletes mailboxes which the desk closed, and destroys deleted rows."""

    def __init__(
        self, store: Store, sessions: SessionStore, config: SourceConfig, settings: Path | None = None
    ) -> None:
        """Prepare to clean up a server's store, the sources' login sessions, and old backups.

        `settings` is the settings file, which names the folder of the backups.
        """
        super().__init__(store)
        self._sessions = sessions
        self._config = config
        self._settings = settings
        self._last_logged = ""
        self._retained = RetentionResult()

    def sweep_once(
        self, now: datetime, on_progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> int:
        """Delete the closed mailboxes that are due, and destroy the deleted rows.

        Return the number of destroyed encrypted parts. Without a valid signed statement of the desk
        (letterhead), no mailbox is deleted.

        Raises:
            StoreError: the store failed.
        """
        if self.trusts_clock and (letterhead := self._letterhead()) is not None:
            before, self._retained = self._retained, apply_retention(self.store, letterhead, now.date())
            log_retention(self._retained, before)
            forget_known(self.store, letterhead, now.date())
        return super().sweep_once(now, on_progress)

    def sweep_sessions(self, now: datetime) -> None:
        """Drop expired sessions."""
        self._sessions.sweep(half_hour_of(now))

    def _remove_old_copies(self) -> int:
        removed = super()._remove_old_copies()
        if self._settings is not None:
            removed += remove_old_backups(self._settings, self._letterhead(), utc_today())
            remove_left_copies(self.store.path)
        return removed

    def _letterhead(self) -> Letterhead | None:
        # Each sweep reads the store: an older letterhead does not name a workstation that was just admitted.
        try:
            return open_letterhead(self.store, self._config.fingerprint, self._config.letterhead_serial_path)
        except LetterheadError as why:
            if str(why) != self._last_logged:  # log each fault once, and not at every sweep
                _log.error("No closed mailbox is deleted. %s", why)
                self._last_logged = str(why)
            return None


def sweep_until_stopped(sweeper: StoreSweeper, stop: threading.Event) -> None:
    """Run a clean-up task every 20 seconds until `stop` is set, and rewrite the store once a night.

    If the store is busy or full, the next run tries again. While the sweeper of another server works in the
    same database, this one only drops sessions.
    """
    quiet_log.install_quiet_log(sys.stderr)
    rewritten: date | None = None
    while True:
        sd_notify("READY=1\nWATCHDOG=1", _log)
        try:
            sweeper.sweep_sessions(datetime.now(UTC))
            with sweeper.store.sweeping() as is_alone:
                if is_alone:
                    now = sweeper.store.now()
                    sweeper.look_at_clock(now.date())
                    sweeper.sweep_once(now)
                    sweeper.rewrite_soon(now)
                    if now.hour >= _REWRITE_HOUR and rewritten != now.date():
                        sweeper.tidy()
                        rewritten = now.date()
        except StoreError as why:
            _log.error("this sweep was not finished: %s", type(why).__name__)  # without a traceback
        if stop.wait(SWEEP_SECONDS):
            return


def sweep_now(
    sweeper: StoreSweeper, on_step: Callable[[str], None], on_progress: Callable[[int, int], None]
) -> int:
    """Destroy deleted content and rewrite the store once, for the command `steunpunt store sweep`.

    The clock is compared only with the database's. Return the number of destroyed encrypted parts.
    `on_progress` receives two numbers: the parts destroyed so far, and all parts to destroy.

    Raises:
        StoreBusyError: another sweeper works in the store for longer than half a minute.
        StoreError: the store failed.
    """
    quiet_log.install_quiet_log(sys.stderr)
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        with sweeper.store.sweeping() as is_alone:
            if is_alone:
                return _sweep_alone(sweeper, on_step, on_progress)
        if time.monotonic() > until:
            raise StoreBusyError(_OTHER_SWEEPER)
        time.sleep(0.1)


def _sweep_alone(
    sweeper: StoreSweeper, on_step: Callable[[str], None], on_progress: Callable[[int, int], None]
) -> int:
    sweeper.trust_clock_of_person()
    on_step("Destroying deleted content")
    sweeper.sweep_sessions(datetime.now(UTC))
    swept = sweeper.sweep_once(sweeper.store.now(), on_progress)
    on_step("Rewriting the store, which takes minutes when it is large")
    sweeper.tidy()
    return swept


def open_server_cleanup(settings: Path) -> ServerSweeper:
    """Open a server's store and the sources' login sessions. Return the background task that cleans them up.

    Raises:
        ConfigError: the settings have faults.
        StoreError: the store or the sessions cannot be opened.
    """
    config = load_config(settings, "source", SourceConfig)
    # VACUUM first writes a copy (of ciphertext): to the store's folder, where the free space was checked
    os.environ["SQLITE_TMPDIR"] = str(config.store_path.parent)
    in_memory = (config.sessions_path.parent, config.argon2_lock_path)
    private_folder(in_memory[0])
    sessions = open_sessions(config.sessions_path, make_folder=partial(remake_folders, *in_memory))
    return ServerSweeper(
        open_store(store_place(settings, config.store_path, Role.OWNER)), sessions, config, settings
    )
