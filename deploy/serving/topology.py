"""Parts that `steunpunt run` starts for a settings file: on one machine, on a server, or on a workstation."""

from pathlib import Path
from typing import Any

from deploy.errors import ConfigError
from deploy.ports import refuse_taken_address
from deploy.serving.supervisor import Part
from deploy.settings.check_settings import load_check_config
from deploy.settings.load_settings import load_config, sections_in
from deploy.settings.sync_settings import SyncConfig
from journalist_app.config import ONE_MACHINE, AdviserConfig
from source_app.config import SourceConfig

# Section, class of its settings, name of the part, and the line that shows its address.
_PARTS: tuple[tuple[str, type[Any], str, str], ...] = (
    ("source", SourceConfig, "source's interface", "Source interface:  {0.origin}"),
    ("sync", SyncConfig, "sync endpoint", "Sync endpoint:     {0.bind}"),
    ("adviser", AdviserConfig, "adviser's interface", "Adviser interface: {0.origin}"),
)


def parts_to_run(settings: Path) -> tuple[list[Part], list[str]]:
    """Return the processes to run for a settings file, and the lines to print when these processes run.

    Raises:
        ConfigError: the settings have faults, or have no section to run.
        DeployError: another program listens at the address of a process.
    """
    sections = sections_in(settings)
    parts: list[Part] = []
    lines: list[str] = []
    for section, shape, name, line in _PARTS:
        if section in sections:
            config = load_config(settings, section, shape)
            parts.append(Part(name, ["run", section], config.bind))
            lines.append(line.format(config))
    if "adviser" in sections:
        _refuse_wrong_sections(settings, sections)
    if not parts:
        raise ConfigError(
            f"{settings}: there is no section [source], [sync] or [adviser], so there is nothing to run."
        )
    for part in parts:
        refuse_taken_address(part.bind or "")
    lines.append("Ctrl-C stops both." if len(parts) > 1 else "Ctrl-C stops it.")
    check = load_check_config(settings)
    watch = [Part("watch", ["check", "--watch"])] if check.health_socket or check.failure_command else []
    return [*parts, Part("sweeper", ["run", "sweeper"]), *watch], lines


def _refuse_wrong_sections(settings: Path, sections: frozenset[str]) -> None:
    """Refuse a workstation's settings file if its sections contradict each other.

    A workstation that is paired with a server must have no section [source] or [sync]. Any other workstation
    must have a section [source].

    Raises:
        ConfigError: the sections contradict each other.
    """
    is_paired = load_config(settings, "adviser", AdviserConfig).server != ONE_MACHINE
    if "database" in sections:
        raise ConfigError(
            f"{settings}: [database] belongs on a server. The store of a workstation is a file."
        )
    if is_paired and sections & {"source", "sync"}:
        raise ConfigError(
            f"{settings}: this workstation is paired with a server, so [source] and [sync] belong there "
            "and not here."
        )
    if not is_paired and "source" not in sections:
        raise ConfigError(
            f"{settings}: there is no [source] here and [adviser] names no server: run steunpunt workstation "
            "pair."
        )
