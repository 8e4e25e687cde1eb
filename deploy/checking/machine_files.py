"""Settings of this machine as they are written, and the files and folders that the settings name."""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.settings.database_settings import Role, store_place
from deploy.settings.load_settings import read_sections
from store.database.engine import ServerPlace

_FILES = ("store_path", "letterhead_serial_path", "keyring_path", "trusted_state_path", "key_path")
_MEMORY = ("sessions_path", "argon2_lock_path", "openpgp_home_path")
_OF_STORE = ("", "-wal", "-shm")  # SQLite's own files beside the store


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """Sections of this machine's settings file. Their values are not checked yet."""

    path: Path
    sections: Mapping[str, Mapping[str, Any]]

    def text(self, section: str, key: str) -> str:
        """Return the text that a section has for a key, or "" if the section has no such text."""
        value = self.sections.get(section, {}).get(key, "")
        return value if isinstance(value, str) else ""

    def file(self, section: str, key: str) -> Path | None:
        """Return the path that a section has for a key, or None if the section has no such path."""
        text = self.text(section, key)
        return self.path.parent / text if text else None

    def values(self, key: str) -> dict[str, str]:
        """Return the texts that the sections have for a key: a dict from section name to text."""
        return {section: self.text(section, key) for section in self.sections if self.text(section, key)}

    def files(self, key: str) -> list[Path]:
        """Return the paths that the sections have for a key, each path once."""
        return list(dict.fromkeys(self.path.parent / text for text in self.values(key).values()))

    @property
    def store_path(self) -> Path:
        """Return the store path that the first section names, or the usual path if no section names one."""
        return next(iter(self.files("store_path")), self.path.parent / "store.db")

    @property
    def store_place(self) -> Path | ServerPlace:
        """Return the place of the store for a program that only reads.

        Raises:
            ConfigError: the settings of the database have faults.
        """
        return store_place(self.path, self.store_path, Role.BACKUP)


def read_machine_settings(path: Path) -> MachineSettings:
    """Read the settings file of this machine.

    Raises:
        ConfigError: the file cannot be read.
    """
    return MachineSettings(path, read_sections(path))


def private_paths(settings: MachineSettings) -> Iterator[Path]:
    """Yield each existing file and folder that other users must not be able to read or write.

    Raises:
        OSError: the folder of the settings cannot be listed.
    """
    folder = settings.path.parent
    named = [folder, *folder.iterdir()]
    named += [
        path.with_name(f"{path.name}{ending}")
        for key in _FILES
        for path in settings.files(key)
        for ending in _OF_STORE
    ]
    named += [part for key in _MEMORY for path in settings.files(key) for part in (path.parent, path)]
    public = set(_keys_of_recipients(settings)) | {Path("/dev/shm"), Path("/tmp")}  # noqa: S108  # not ours
    yield from (path for path in dict.fromkeys(named) if path not in public and path.exists())


def open_to_others(settings: MachineSettings) -> Iterator[tuple[Path, str]]:
    """Yield each path whose mode allows other users too much, and the argument that `chmod` needs.

    Raises:
        OSError: a file or folder cannot be inspected.
    """
    for path in private_paths(settings):
        if path.stat().st_mode & 0o077:
            yield path, "go-rwx"
    for path in (*_keys_of_recipients(settings), *_backups_elsewhere(settings)):
        if path.exists() and path.stat().st_mode & 0o022:
            yield path, "go-w"
    for path in settings.path.parent.resolve().parents:
        mode = path.stat().st_mode
        if mode & 0o022 and not mode & stat.S_ISVTX:  # others could put another folder in our folder's place
            yield path, "go-w"


def _backups_elsewhere(settings: MachineSettings) -> Iterator[Path]:
    """Yield the backup folders that are outside the folder of the settings."""
    for section, key in (("adviser", "keyring_backups_path"), ("backup", "folder")):
        folder = settings.file(section, key)
        if folder is not None and folder.parent != settings.path.parent:
            yield folder


def _keys_of_recipients(settings: MachineSettings) -> Iterator[Path]:
    rows = settings.sections.get("adviser", {}).get("recipients", [])
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("key_path"), str):
            yield settings.path.parent / row["key_path"]
