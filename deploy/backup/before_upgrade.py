"""Copy of a store and its settings before an upgrade, so that the operator can go back to the older version.

A workstation makes this copy too. The copy is a folder like a backup, and may have content that was deleted
since. So the sweeper removes it after a week, or when the desk promises to delete closed mailboxes.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

from crypto.errors import MalformedError
from deploy.atomic_folder import write_new
from deploy.backup.backup_folder import (
    FORMAT,
    MANIFEST_FILE,
    STORE_FILE,
    Manifest,
    file_digest,
    manifest_bytes,
    new_backup,
)
from deploy.backup.kept_backups import first_day, remove_old_while_locked
from deploy.hardening import PRIVATE_FOLDER
from deploy.onion.folders import give_to_owner_of
from deploy.settings.backup_settings import BackupConfig
from protocol.letterhead import Letterhead
from store import letterheads
from store.database.atomic_files import sync_folder
from store.database.engine import ServerPlace, Store
from store.database.server_copies import refuse_other_rows_of, write_copy_of
from web.dates import utc_today

_FOLDER = "before-upgrade"
_KEEP_DAYS = 7


def folder_before_upgrade(store_path: Path) -> Path:
    """Return the folder for the copies that `steunpunt upgrade` makes of a store and its settings."""
    return store_path.with_name(_FOLDER)


def copy_before_upgrade(
    settings: Path, place: Path | ServerPlace, version: str | None, on_copied: Callable[[int, int], object]
) -> Path:
    """Copy the settings and the store to a new folder before an upgrade. Return the folder.

    `version` is the version of the store's tables. If it is None, the store is not copied. For
    `on_copied`, see `write_copy`.

    Raises:
        OSError: a file cannot be written.
        StoreError: the store cannot be read, the disk has no room for the copy, or the copy differs from the
            store.
    """
    folder = folder_before_upgrade(place if isinstance(place, Path) else place.path)
    if not folder.is_dir():
        folder.mkdir(PRIVATE_FOLDER)
        sync_folder(folder.parent)
    with new_backup(folder) as (unfinished, made):
        write_new(unfinished / settings.name, settings.read_bytes())
        if version is not None:
            copy = unfinished / STORE_FILE
            write_copy_of(place, copy, on_copied)
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            refuse_other_rows_of(place, copy)
            manifest = Manifest(FORMAT, version, utc_today(), 0, {STORE_FILE: file_digest(copy)})
            write_new(unfinished / MANIFEST_FILE, manifest_bytes(manifest))
        give_to_owner_of(settings.parent, folder, unfinished, *unfinished.iterdir())
    return made


def remove_copies_before_upgrade(store: Store, today: date) -> int:
    """Remove the copies that were made before upgrades. The newest copy stays until it is old.

    Return the number of removed copies.

    Raises:
        DeployError: a copy cannot be removed.
        StoreError: the store cannot be read.
    """
    with store.reading() as session:
        newest = letterheads.latest(session)
    letterhead = None
    with suppress(MalformedError):  # a forged letterhead can only make the copy disappear earlier
        letterhead = Letterhead.from_bytes(newest[1]) if newest else None
    config = BackupConfig(folder_before_upgrade(store.path), keep=1, keep_days=_KEEP_DAYS, age_recipients=())
    return remove_old_while_locked(config, first_day(config, letterhead, today))
