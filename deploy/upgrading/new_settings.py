"""Settings file of an older version: add the keys that this version needs, and name the unknown ones."""

import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from deploy.errors import ConfigError
from deploy.settings.backup_settings import BackupConfig
from deploy.settings.check_settings import CheckConfig
from deploy.settings.database_settings import DatabaseConfig
from deploy.settings.load_settings import DeskConfig, load_config, read_sections
from deploy.settings.onion_settings import OnionConfig
from deploy.settings.settings_text import EXAMPLE, line_of, with_documented_keys, with_section
from deploy.settings.sync_settings import SyncConfig
from journalist_app.config import AdviserConfig
from source_app.config import SourceConfig
from store.database.atomic_files import sync_folder

_SHAPES: Mapping[str, type[Any]] = {
    "desk": DeskConfig,
    "source": SourceConfig,
    "adviser": AdviserConfig,
    "onion": OnionConfig,
    "sync": SyncConfig,
    "backup": BackupConfig,
    "check": CheckConfig,
    "database": DatabaseConfig,
}
# Sections with usual values, of a machine that has the section to the left: of the first that fits.
_NEEDED = (("sync", ("onion", "backup", "check")), ("source", ("onion", "check")), ("adviser", ("check",)))
_FILLED_IN = frozenset({"fingerprint", "bind", "origin", "server"})  # by set-up or pairing: no usual value
_FILL_IN = "write the key {!r} under [{}], which has no usual value"
_IN_MEMORY = re.compile(r'"/dev/shm/steunpunt-[0-9a-f]+/')  # folder with a random name, drawn by set-up


@dataclass(frozen=True, slots=True)
class NewSettings:
    """Text of a settings file for this version of the program, and one line for each added key."""

    text: str
    added: tuple[str, ...]


def plan_settings(path: Path) -> NewSettings:
    """Return the text of a settings file, with missing keys and sections added from `config.example.toml`.

    No line is removed. A section is added only if this kind of machine (server or workstation) needs it.

    Raises:
        ConfigError: the file has unknown keys or wrong values, or lacks a key that the operator must fill in.
            The message names each of them.
    """
    read_sections(path)  # refuses a file that is not TOML
    text, example = path.read_bytes().decode("utf-8"), EXAMPLE.read_text("utf-8")
    if ours := _IN_MEMORY.search(text):
        example = example.replace('"/dev/shm/steunpunt/', ours[0])
    known: dict[str, dict[str, Any]] = tomllib.loads(example)
    wanted: dict[str, Any] = tomllib.loads(text)
    faults, added, new = [], [], text
    for section in next((needed for has, needed in _NEEDED if has in wanted), ()):
        if section not in wanted:
            new, wanted[section] = with_section(new, example, section), {}
    for section, table in wanted.items():
        if section not in known or not isinstance(table, dict):
            faults.append(_unknown(text, section))
            continue
        faults += [_unknown(text, section, key) for key in table.keys() - known[section].keys()]
        missing = [key for key in known[section] if key not in table]
        faults += [_FILL_IN.format(key, section) for key in missing if key in _FILLED_IN]
        if missing:
            new = with_documented_keys(new, example, section, missing)
            table.update((key, known[section][key]) for key in missing)
            values = (_as_written(known[section][key]) for key in missing)
            added += [f"{key} = {value} to [{section}]" for key, value in zip(missing, values, strict=True)]
    if faults:
        raise ConfigError(f"{path}: {'; '.join(sorted(faults))}. Nothing was changed.")
    if tomllib.loads(new) != wanted:
        raise ConfigError(f"{path}: add by hand, as in config.example.toml: {', '.join(added)}.")
    for section in wanted:
        load_config(path, section, _SHAPES[section], raw=new.encode("utf-8"))
    return NewSettings(new, tuple(added))


def _as_written(value: object) -> str:
    return f"{value}" if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


def _unknown(text: str, section: str, key: str = "") -> str:
    number = line_of(text, section, key)
    what = f"key {key!r} under [{section}]" if key else f"section [{section}]"
    return f"{f'line {number}: ' if number else ''}this version has no {what}, so remove it"


@contextmanager
def replacing_settings(path: Path, text: str) -> Iterator[None]:
    """Write a new settings file, and replace the old one with it after the block.

    The mode and the owner stay the same. If the block fails, the old file stays.

    Raises:
        OSError: the new file cannot be written.
    """
    path = path.resolve()  # a link stays a link
    before, fresh = path.stat(), path.with_name(f"{path.name}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text.encode("utf-8"))
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            file.flush()
            os.fsync(file.fileno())
        yield
        fresh.replace(path)
        sync_folder(path.parent)
    finally:
        fresh.unlink(missing_ok=True)
