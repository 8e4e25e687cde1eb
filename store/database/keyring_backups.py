"""Backups of the keyring (the desk's secret keys), encrypted, in a folder that the settings name.

The folder has the newest keyring of each workstation that uses the folder, and a note of the backup that
someone confirmed as copied to another place.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from store.database.atomic_files import replace_file

_NAME: Final = re.compile("keyring-([0-9a-f]{16})-([1-9][0-9]{0,18})[.]age")
_COPIED: Final = "copied-away"  # a file with the names of the backups of which a copy is in another place
_COPIED_BYTES: Final = 10_000


@dataclass(frozen=True, slots=True)
class KeyringBackup:
    """A file with one version of a workstation's keyring, named after the workstation and the serial."""

    path: Path
    strand: str
    serial: int


@dataclass(frozen=True, slots=True)
class BackupStatus:
    """The backup of the keyring in use, and whether someone confirmed that a copy is in another place.

    `newest` is None if the keyring in use has no backup.
    """

    newest: KeyringBackup | None = None
    is_copied: bool = False


def backup_name(strand: bytes, serial: int) -> str:
    """Return the file name of the backup of a workstation's keyring with this serial."""
    return f"keyring-{strand.hex()}-{serial}.age"


def list_backups(folder: Path) -> list[KeyringBackup]:
    """Return the keyring backups in a folder, the newest of each workstation first.

    A folder that does not exist or cannot be read counts as empty.
    """
    found = []
    with suppress(OSError):
        for path in folder.iterdir():
            name = _NAME.fullmatch(path.name)
            if name is not None:
                found.append(KeyringBackup(path, name[1], int(name[2])))
    return sorted(found, key=lambda each: (each.strand, -each.serial))


def write_backup(folder: Path, strand: bytes, serial: int, sealed: bytes) -> None:
    """Write a backup of the keyring, check the file, and delete this workstation's older backups.

    Older backups are deleted because removed passphrases can still open them. A backup that has the same
    bytes already is not written again.

    Raises:
        OSError: the backup cannot be written. The older backups stay.
    """
    folder.mkdir(
        mode=0o700, exist_ok=True
    )  # without parents: a missing disk must not be replaced by a folder
    path = folder / backup_name(strand, serial)
    if not path.exists() or path.read_bytes() != sealed:
        if path.exists():
            (folder / _COPIED).unlink(missing_ok=True)  # the copy at another place has other bytes
        replace_file(path, [sealed])
        if path.read_bytes() != sealed:
            path.unlink()
            raise OSError
    for older in list_backups(folder):
        if older.strand == strand.hex() and older.serial < serial:
            older.path.unlink()


def backup_status(folder: Path, keyring_path: Path) -> BackupStatus:
    """Return the backup of the keyring at `keyring_path`, and whether someone confirmed a copy elsewhere.

    A file is a backup of this keyring only if its bytes are the same.
    """
    # Attack: someone puts a file with a far higher serial in the folder, so that people keep a copy of that.
    with suppress(OSError):
        sealed = keyring_path.read_bytes()
        for each in list_backups(folder):
            if each.path.stat().st_size == len(sealed) and each.path.read_bytes() == sealed:
                return BackupStatus(each, is_copied=each.path.name in _copied(folder))
    return BackupStatus()


def confirm_copied(backup: KeyringBackup) -> None:
    """Remember that a copy of a keyring backup is in another place.

    Raises:
        OSError: the note cannot be written.
    """
    folder = backup.path.parent
    others = {each.path.name for each in list_backups(folder)}.intersection(_copied(folder))
    names = sorted({*others, backup.path.name})
    replace_file(folder / _COPIED, [f"{name}\n".encode("ascii") for name in names])


def _copied(folder: Path) -> list[str]:
    with suppress(OSError), (folder / _COPIED).open("rb") as file:
        return file.read(_COPIED_BYTES).decode("ascii", "replace").split()
    return []
