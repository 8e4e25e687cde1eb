"""Folder of one backup: its name, its files, and the manifest that shows whether a file is damaged.

The format is in docs/store.md, "Files of a backup".
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from deploy.errors import DeployError, os_error_as, refused_as
from deploy.hardening import PRIVATE_FOLDER
from store.database.atomic_files import sync_folder
from store.database.table_versions import SCHEMA
from web.dates import utc_today

STORE_FILE = "store.db"
KEYS_FILE = "keys.age"
MANIFEST_FILE = "manifest.json"
UNFINISHED = ".unfinished"  # ending of the name of a folder that is not complete
FORMAT = 1
_NAME = re.compile(r"backup-(\d{4}-\d{2}-\d{2})(?:-([1-9]\d{0,3}))?")
_MANIFEST_BYTES = 64 * 1024


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Description of a backup: its format, the version of the store's tables, and the digest of each file.

    - `faults`: the number of mailboxes and rows with faults, without the mild faults of the previous backup
    - `mild`: the number of mailboxes with only mild faults, such as a row that is lost for good
    - `has_onion_key`: True if the backup has the key of the source's onion address
    - `digests`: maps the name of each file to its SHA-256 in hexadecimal
    """

    format: int
    tables: str
    day: date
    faults: int
    digests: dict[str, str]
    mild: int = 0
    has_onion_key: bool = False


@dataclass(frozen=True, slots=True, order=True)
class BackupName:
    """Name of a backup: its day, and its number among the backups of this day, from 1."""

    day: date
    number: int

    @property
    def text(self) -> str:
        """Return the name of the backup's folder."""
        return f"backup-{self.day}" + (f"-{self.number}" if self.number > 1 else "")

    @classmethod
    def from_text(cls, text: str) -> "BackupName | None":
        """Parse the name of a folder. Return None if it is not the name of a complete backup."""
        if (found := _NAME.fullmatch(text)) is None:
            return None
        try:
            return cls(date.fromisoformat(found[1]), int(found[2] or 1))
        except ValueError:
            return None


def backups_in(folder: Path) -> list[BackupName]:
    """Return the complete backups in a folder, the oldest first."""
    found = (BackupName.from_text(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(name for name in found if name is not None)


@contextmanager
def new_backup(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield a new private folder to fill, and the path to which it is renamed after the block.

    The path has the name of today's next backup. If the block fails, the folder is removed.

    Raises:
        OSError: a folder cannot be made or removed.
    """
    for left in folder.glob(f"*{UNFINISHED}"):  # of a command that was killed
        shutil.rmtree(left)
    today = utc_today()
    number = max((name.number for name in backups_in(folder) if name.day == today), default=0) + 1
    made = folder / BackupName(today, number).text
    unfinished = made.with_name(made.name + UNFINISHED)
    unfinished.mkdir(PRIVATE_FOLDER)
    try:
        yield unfinished, made
        sync_folder(unfinished)
        unfinished.rename(made)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    sync_folder(folder)


def read_manifest(backup: Path) -> Manifest:
    """Read the manifest of a backup, and check that this version of the program can restore the backup.

    Raises:
        DeployError: the folder is not a backup, the manifest is damaged, or the backup is of another version.
    """
    unfit = f"{backup} is not a complete backup, or its {MANIFEST_FILE} is damaged. Use another backup."
    with os_error_as(f"{backup / MANIFEST_FILE} cannot be read"), (backup / MANIFEST_FILE).open("rb") as file:
        raw = file.read(_MANIFEST_BYTES)
    with refused_as(msgspec.DecodeError, unfit):
        made_with = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        number = msgspec.json.decode(made_with.get("format", b"0"), type=int)
    newer = f"{backup} was made by a newer version of the program: restore it with that version."
    if number > FORMAT:
        raise DeployError(newer)
    with refused_as(msgspec.DecodeError, unfit):
        manifest = msgspec.json.decode(raw, type=Manifest)
    if manifest.tables > SCHEMA:
        raise DeployError(newer)
    if STORE_FILE not in manifest.digests:
        raise DeployError(unfit)
    return manifest


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the content of a manifest file: JSON, which people can read."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
