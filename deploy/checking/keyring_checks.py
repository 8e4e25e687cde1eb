"""Checks of the desk's own keys on a workstation: the keyring's backup and the recovery sheet."""

from collections.abc import Iterator

from crypto.errors import MalformedError
from deploy.checking.check_results import CheckResult, Level, made_or_unknown
from deploy.checking.machine_files import MachineSettings
from protocol.keyring import has_recovery_slot
from store.database.keyring_backups import backup_status

_RIGHT_USER = "Run this as the user who owns the keyring."
_COPY = "Copy this backup to a USB stick or another disk, with: steunpunt keys copy-backup FOLDER"
_MAKE_SHEET = "Run: steunpunt keys add --sheet --holder SAFE"


def make_keyring_checks(settings: MachineSettings) -> list[CheckResult]:
    """Return the results of all checks of the keyring. Without section [adviser], return no results."""
    if "adviser" not in settings.sections:
        return []
    return [
        *made_or_unknown("keyring_backup", lambda: _backup(settings), _RIGHT_USER),
        *made_or_unknown("recovery_sheet", lambda: _sheet(settings), _RIGHT_USER),
    ]


def _backup(settings: MachineSettings) -> Iterator[CheckResult]:
    for folder, keyring in zip(
        settings.files("keyring_backups_path"), settings.files("keyring_path"), strict=True
    ):
        if not keyring.exists():
            continue  # the other check says so
        status = backup_status(folder, keyring)
        if status.newest is None:
            said = f"{folder} has no backup of the present keyring. The app writes one at each unlocking."
            yield CheckResult("keyring_backup", Level.WARNING, said, "Unlock the app, or repair the folder.")
        elif not status.is_copied:
            said = f"No one has confirmed that a copy of {status.newest.path} is in another place."
            yield CheckResult("keyring_backup", Level.WARNING, said, _COPY)
        else:
            yield CheckResult("keyring_backup", Level.OK, "A copy of the newest keyring is in another place.")


def _sheet(settings: MachineSettings) -> Iterator[CheckResult]:
    for path in settings.files("keyring_path"):
        try:
            has_sheet = has_recovery_slot(path.read_bytes())
        except (FileNotFoundError, MalformedError):
            said = "The file of the keyring is missing or damaged."
            yield CheckResult("recovery_sheet", Level.FAULT, said, "Run: steunpunt keys recover")
        else:
            if has_sheet:
                yield CheckResult("recovery_sheet", Level.OK, "A recovery sheet opens the keyring.")
            else:
                said = "No recovery sheet opens the keyring."
                yield CheckResult("recovery_sheet", Level.WARNING, said, _MAKE_SHEET)
