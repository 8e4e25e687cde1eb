"""Settings of a store on a PostgreSQL server, section [database]: an address for each role."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deploy.errors import ConfigError
from deploy.settings.database_url import read_server_place
from deploy.settings.load_settings import load_config, sections_in
from store.database.engine import ServerPlace


class Role(StrEnum):
    """Role of the database with which a program connects. Each is a key in section [database]."""

    OWNER = "owner"
    SOURCE = "source"
    SYNC = "sync"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """Settings of the database: its address for each role.

    The address is empty if no program of this machine has the role.
    """

    owner: str
    source: str
    sync: str
    backup: str


def store_places(
    settings: Path, store_path: Path, *, raw: bytes | None = None
) -> dict[Role, Path | ServerPlace]:
    """Return the place of a server's store for each role: the file at `store_path`, or a database.

    If `raw` is given, it is read instead of the settings file.

    Raises:
        ConfigError: the settings have faults.
    """
    if "database" not in sections_in(settings, raw=raw):
        return dict.fromkeys(Role, store_path)
    config = load_config(settings, "database", DatabaseConfig, raw=raw)
    return {role: read_server_place(url, store_path) for role in Role if (url := getattr(config, role))}


def store_place(
    settings: Path, store_path: Path, role: Role, *, raw: bytes | None = None
) -> Path | ServerPlace:
    """Return the place of a server's store for one role. See `store_places`.

    A machine that makes no backups reads with the role `owner`.

    Raises:
        ConfigError: the settings have faults, or no address of the database for this role.
    """
    places = store_places(settings, store_path, raw=raw)
    found = places.get(role) or (places.get(Role.OWNER) if role is Role.BACKUP else None)
    if found is None:
        raise ConfigError(f"{settings}: [database] {role.value!r} must be the address of the database.")
    return found
