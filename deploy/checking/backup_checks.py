"""Checks of a server's backups: their age, what the desk promises about them, and a rehearsed restore."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date

from deploy.backup.kept_backups import backup_faults, newest_sound_backup
from deploy.checking.check_results import CheckResult, Level, made_or_unknown
from deploy.checking.machine_files import MachineSettings
from deploy.errors import LetterheadError
from deploy.noted_days import REHEARSED, last_time, noted_day
from deploy.pinned_letterhead import inspect_letterhead
from store.database.engine import open_store

_RIGHT_USER = "Run this as the user who owns the backups, when the store can be used."
_SECTION = "See 'Back up the store' in docs/operator.md."
_ONION = "Run steunpunt backup as root, or keep a file of steunpunt onion backup in another place."
_BACKUP_DAYS = 2  # the manual says: once a day
_REHEARSE_DAYS = 183


def make_backup_checks(settings: MachineSettings, today: date) -> list[CheckResult]:
    """Return the results of all checks of backups. A workstation has no backup of its store."""
    if "source" not in settings.sections:
        return []
    results = made_or_unknown("backup", lambda: _backups(settings, today), _RIGHT_USER)
    if "backup" in settings.sections:
        results += made_or_unknown("rehearsal", lambda: _rehearsed(settings, today), _RIGHT_USER)
    return results


def _backups(settings: MachineSettings, today: date) -> Iterator[CheckResult]:
    serial_path = settings.files("letterhead_serial_path")[0]
    with closing(open_store(settings.store_place)) as store:
        try:
            letterhead = inspect_letterhead(store, settings.text("source", "fingerprint"), serial_path)
        except LetterheadError as why:
            yield CheckResult("backup", Level.UNKNOWN, f"The backups were not checked. {why}")
            return
    if letterhead.is_trial and "backup" not in settings.sections:
        yield CheckResult("backup", Level.OK, "This is a trial desk, which needs no backups.")
        return
    for sentence in backup_faults(settings.path, letterhead, today):
        yield CheckResult("backup", Level.FAULT, sentence, _SECTION)
    if (newest := newest_sound_backup(settings.path)) is None:
        return  # one of the sentences says so
    day, manifest = newest
    age = (today - day).days
    state = last_time("A backup", "made and verified", day, age)
    if age > _BACKUP_DAYS:
        yield CheckResult(
            "backup", Level.FAULT, state, "Run steunpunt backup, and let systemd run it each night."
        )
    else:
        yield CheckResult("backup", Level.OK, state)
    if settings.text("source", "onion_host") and not manifest.has_onion_key:
        state = "The newest backup has no onion key, so it does not bring back the address on the posters."
        yield CheckResult("backup", Level.WARNING, state, _ONION)


def _rehearsed(settings: MachineSettings, today: date) -> Iterator[CheckResult]:
    folder = settings.file("backup", "folder") or settings.path.parent
    # A restore notes its day in the folder of the backup, which can be this server's folder of backups.
    day = max(noted_day(path, REHEARSED)[0] for path in (settings.store_path, folder / "backup"))
    age = (today - day).days
    state = last_time("The restore of a backup", "rehearsed", day, age)
    if day == date.min or age > _REHEARSE_DAYS:
        advice = (
            "Restore the newest backup on another machine, and then run here: steunpunt check --rehearsed"
        )
        yield CheckResult("rehearsal", Level.WARNING, state, advice)
    else:
        yield CheckResult("rehearsal", Level.OK, state)
