"""Making of a backup: copy the store and the keys to a new folder, verify the copy, rename the folder."""

from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from deploy.atomic_folder import write_new
from deploy.backup.backup_folder import (
    FORMAT,
    KEYS_FILE,
    MANIFEST_FILE,
    STORE_FILE,
    Manifest,
    backups_in,
    file_digest,
    manifest_bytes,
    new_backup,
    read_manifest,
)
from deploy.backup.kept_backups import first_day, remove_old_while_locked
from deploy.backup.verified_copy import Screen, VerifiedCopy, verify_copy
from deploy.clock import clock_days_off
from deploy.errors import BusyError, DeployError, UnsafeStateError, os_error_as, refused_as
from deploy.hardening import PRIVATE_FOLDER
from deploy.onion.folders import give_to_owner_of
from deploy.onion.onion_backup import check_recipients, seal_keys
from deploy.settings.backup_settings import BackupConfig
from deploy.settings.database_settings import Role, store_place
from deploy.settings.load_settings import load_config
from source_app.config import SourceConfig
from store.cleanup import copy_store
from store.database.atomic_files import folder_lock, make_folders, sync_folder
from store.database.engine import open_store
from store.database.table_versions import SCHEMA
from store.errors import StoreFullError
from web.dates import half_hour_now, utc_today

_NO_KEYS = (
    "The backup has no keys: without them, each workstation must be paired again with a new server, and the "
    "onion address is lost. Name age_recipients under [backup]."
)
# The backup would have a wrong day, and older backups would be removed too early.
_WRONG_CLOCK = (
    "The clock shows {}, which is before the newest day in the store or long after it. No backup was made: "
    "correct the clock. If the clock is right, run: steunpunt store sweep"
)


@dataclass(frozen=True, slots=True)
class MadeBackup:
    """A new backup: its folder, the number of verified entries, and the number of faults in the store.

    The number of faults does not include the mild faults of the previous backup.
    """

    folder: Path
    entries: int
    faults: int


def back_up_server(settings: Path, screen: Screen) -> MadeBackup:
    """Make a backup of a server while its programs run, verify it, and remove old backups.

    If the store has faults, the new backup is kept, but does not replace an older one.

    Raises:
        DeployError: the settings have faults, the clock is wrong, another backup is being made, or a file
            cannot be written.
        StoreError: the store cannot be read.
    """
    source = load_config(settings, "source", SourceConfig)
    config = load_config(settings, "backup", BackupConfig)
    check_recipients(config.age_recipients)
    place = store_place(settings, source.store_path, Role.BACKUP)
    with closing(open_store(place)) as store:
        if any(clock_days_off(store, utc_today())):
            raise UnsafeStateError(_WRONG_CLOCK.format(utc_today()))
        today = min(utc_today(), store.now().date())  # if a clock is wrong, no backup is removed early
    cannot = f"The backup cannot be written in {config.folder}"
    try:
        with os_error_as(cannot):
            _make_private_folder(config.folder)
            another = f"Another backup is being made in {config.folder}: wait for it."
            with (
                refused_as(BlockingIOError, another, BusyError),
                folder_lock(config.folder, is_waiting=False),
            ):
                return _back_up_while_locked(settings, source, config, screen, today)
    except StoreFullError as why:
        raise DeployError(f"{cannot}: its disk has no room for a copy of the store.") from why


def _back_up_while_locked(
    settings: Path, source: SourceConfig, config: BackupConfig, screen: Screen, today: date
) -> MadeBackup:
    with new_backup(config.folder) as (unfinished, made):
        verified, faults = _fill(unfinished, settings, source, config, screen)
    screen.say(f"{made}: {verified.entries} entries verified.")
    if verified.faults:
        screen.say(
            f"Mailboxes and rows that differ from what was signed: {verified.faults}. Tell the desk. Do not "
            "change the store."
        )
    oldest_day = first_day(config, verified.letterhead, today)
    if removed := remove_old_while_locked(config, oldest_day):
        screen.say(f"Old backups removed: {removed}.")
    return MadeBackup(made, verified.entries, faults)


def _fill(
    backup: Path, settings: Path, source: SourceConfig, config: BackupConfig, screen: Screen
) -> tuple[VerifiedCopy, int]:
    """Make the files of a backup. Return the verified copy, and the number of faults in the manifest."""
    screen.on_step("Copying the store")
    copy_store(
        store_place(settings, source.store_path, Role.BACKUP),
        backup / STORE_FILE,
        half_hour_now(),
        screen.on_copied,
    )
    verified = verify_copy(backup / STORE_FILE, source.fingerprint, screen)
    if config.age_recipients:
        sealed, sentences, has_onion_key = seal_keys(settings, config.age_recipients)
        write_new(backup / KEYS_FILE, sealed)
    else:
        sentences, has_onion_key = [_NO_KEYS], False
    for sentence in sentences:
        screen.say(sentence)
    digests = {path.name: file_digest(path) for path in sorted(backup.iterdir())}
    faults = verified.faults - min(verified.mild, _mild_before(config.folder))
    manifest = Manifest(FORMAT, SCHEMA, utc_today(), faults, digests, verified.mild, has_onion_key)
    write_new(backup / MANIFEST_FILE, manifest_bytes(manifest))
    give_to_owner_of(settings.parent, backup, *backup.iterdir())
    return verified, faults


def _mild_before(folder: Path) -> int:
    """Return the number of mild faults in the newest backup that can be read."""
    for name in reversed(backups_in(folder)):
        with suppress(DeployError):
            return read_manifest(folder / name.text).mild
    return 0


def _make_private_folder(folder: Path) -> None:
    make_folders(folder.parent)
    if not folder.is_dir():
        folder.mkdir(PRIVATE_FOLDER)
        sync_folder(folder.parent)
        give_to_owner_of(folder.parent, folder)
