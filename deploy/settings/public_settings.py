"""Settings that every kind of machine has, and the addresses of its programs."""

from dataclasses import dataclass
from pathlib import Path

from deploy.settings.load_settings import load_config, sections_in
from deploy.settings.sync_settings import SyncConfig
from journalist_app.config import AdviserConfig
from source_app.config import SourceConfig


@dataclass(frozen=True, slots=True)
class PublicSettings:
    """Settings that every machine has, such as the path of its store and the fingerprint of its desk."""

    store_path: Path
    fingerprint: str
    letterhead_serial_path: Path


def load_public_settings(settings: Path, *, raw: bytes | None = None) -> PublicSettings:
    """Return the settings that a server and a workstation both have.

    If `raw` is given, it is read instead of the file, and must be the settings of a server.

    Raises:
        ConfigError: the settings have faults.
    """
    if raw is None and "source" not in (sections := sections_in(settings)) and "adviser" in sections:
        adviser = load_config(settings, "adviser", AdviserConfig)
        return PublicSettings(
            adviser.store_path, adviser.fingerprint, settings.with_name("letterhead-serial")
        )
    source = load_config(settings, "source", SourceConfig, raw=raw)
    return PublicSettings(source.store_path, source.fingerprint, source.letterhead_serial_path)


def load_binds(settings: Path) -> list[str]:
    """Return the addresses that the programs of this machine listen on.

    Raises:
        ConfigError: the settings have faults.
    """
    shapes: dict[str, type[SourceConfig | SyncConfig | AdviserConfig]] = {
        "source": SourceConfig,
        "sync": SyncConfig,
        "adviser": AdviserConfig,
    }
    sections = sections_in(settings)
    return [load_config(settings, name, shape).bind for name, shape in shapes.items() if name in sections]
