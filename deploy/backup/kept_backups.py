"""Which backups are kept: by number and by age, and never longer than the desk promises to delete a mailbox.

A backup contains everything that was deleted after it was made. So the age of a backup must not exceed the
number of days after which the desk promises that a closed mailbox is deleted.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from msgspec import UNSET

from deploy.backup.backup_folder import UNFINISHED, BackupName, Manifest, backups_in, read_manifest
from deploy.errors import DeployError, os_error_as
from deploy.settings.backup_settings import BackupConfig
from deploy.settings.load_settings import load_config, sections_in
from protocol.letterhead import Letterhead
from store.database.atomic_files import folder_lock

RESTORED = ".restored"  # ending of the name of a copy that a restore verifies


def first_day(config: BackupConfig, letterhead: Letterhead | None, today: date) -> date:
    """Return the oldest day from which a backup may still exist today.

    `letterhead` is the desk's public statement, which promises how soon a closed mailbox is deleted.
    """
    promised = UNSET if letterhead is None else letterhead.retention_days
    return today - timedelta(config.keep_days if promised is UNSET else min(config.keep_days, promised))


def remove_old_backups(settings: Path, letterhead: Letterhead | None, today: date) -> int:
    """Remove old backups of this server, if no backup is being made. Return the number of removed backups.

    `letterhead` is the desk's public statement, which promises how soon a closed mailbox is deleted.

    Raises:
        DeployError: the settings have faults, or a backup cannot be removed.
    """
    if "backup" not in sections_in(settings):
        return 0
    config = load_config(settings, "backup", BackupConfig)
    try:
        with folder_lock(config.folder, is_waiting=False):
            return remove_old_while_locked(config, first_day(config, letterhead, today))
    except (FileNotFoundError, BlockingIOError):
        return 0


def remove_old_while_locked(config: BackupConfig, oldest_day: date) -> int:
    """Remove old backups, and the unfinished folders of killed commands. Return the number of old backups.

    The caller has locked the folder. A backup is old if it is from before `oldest_day`, or if at least `keep`
    newer backups have no faults.

    Raises:
        DeployError: a backup cannot be removed.
    """
    with os_error_as(f"An old backup in {config.folder} cannot be removed"):
        for left in config.folder.glob(f"*{UNFINISHED}"):
            shutil.rmtree(left)
        removed = _too_old_or_too_many(config, oldest_day)
        for name in removed:
            path = config.folder / name.text
            shutil.rmtree(path.rename(path.with_name(path.name + UNFINISHED)))  # never half a backup
    return len(removed)


def remove_left_copies(store_path: Path) -> None:
    """Remove the copied store that a killed restore left beside the store.

    The copy may contain content that was deleted after the backup.

    Raises:
        OSError: a file cannot be removed.
    """
    for left in store_path.parent.glob(f"{store_path.name}{RESTORED}*"):
        left.unlink()


def _too_old_or_too_many(config: BackupConfig, oldest_day: date) -> list[BackupName]:
    backups = backups_in(config.folder)
    sound = [name for name in backups if _is_sound(config.folder / name.text)]
    enough = sound[-config.keep :] if len(sound) >= config.keep else []
    return [name for name in backups if name.day < oldest_day or (enough and name < enough[0])]


def backup_faults(settings: Path, letterhead: Letterhead, today: date) -> Iterator[str]:
    """Yield a sentence for each fault in the backups of a server, or in the settings of the backups.

    `letterhead` is the desk's public statement, which promises how soon a closed mailbox is deleted.

    Raises:
        DeployError: the settings have faults.
    """
    if "source" not in sections_in(settings):
        return  # a workstation: the server has everything that is in its store
    if "backup" not in sections_in(settings):
        yield f"{settings} has no section [backup], so this server makes no backups: see config.example.toml."
        return
    config = load_config(settings, "backup", BackupConfig)
    oldest_day = first_day(config, letterhead, today)
    if oldest_day > today - timedelta(config.keep_days):
        yield (
            f"keep_days is {config.keep_days}, but the desk promises that a closed mailbox is deleted after "
            f"{letterhead.retention_days} days, so older backups are removed: lower keep_days under [backup]."
        )
    if not config.age_recipients:
        yield "No backup has the keys of this server: name age_recipients under [backup]."
    backups = backups_in(config.folder)
    if backups and backups[0].day < oldest_day:
        yield f"{config.folder} has a backup from before {oldest_day}: start the sweeper, which removes it."
    if backups and backups[-1].day > today:
        yield (
            f"{config.folder / backups[-1].text} is from a later day than today: the clock was wrong. Remove "
            "this folder, because the backup would be kept too long."
        )
    if not any(_is_sound(config.folder / name.text) for name in backups):
        yield f"{config.folder} has no backup without faults: run steunpunt backup."


def newest_sound_backup(settings: Path) -> tuple[date, Manifest] | None:
    """Return the day and the manifest of the newest backup without faults.

    The result is None if no backup is without faults, or if the settings have no section `backup`.

    Raises:
        DeployError: the settings have faults.
    """
    if "backup" not in sections_in(settings):
        return None
    folder = load_config(settings, "backup", BackupConfig).folder
    for name in reversed(backups_in(folder)):
        with suppress(DeployError):
            if (manifest := read_manifest(folder / name.text)).faults == 0:
                return name.day, manifest
    return None


def _is_sound(backup: Path) -> bool:
    try:
        return read_manifest(backup).faults == 0
    except DeployError:
        return False
