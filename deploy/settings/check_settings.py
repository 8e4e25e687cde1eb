"""Settings of `steunpunt check`, section [check]."""

from dataclasses import dataclass
from pathlib import Path

from deploy.settings.load_settings import load_config, sections_in


@dataclass(frozen=True, slots=True)
class CheckConfig:
    """Settings of the checks of this machine.

    `health_socket` is empty if there is no health socket. `failure_command` is empty if the checks call no
    program.
    """

    health_socket: str = ""
    failure_command: str = ""
    log_paths: tuple[Path, ...] = ()


def load_check_config(settings: Path) -> CheckConfig:
    """Return the settings of the checks. A settings file without section [check] has the usual settings.

    Raises:
        ConfigError: the settings have faults.
    """
    if "check" not in sections_in(settings):
        return CheckConfig()
    return load_config(settings, "check", CheckConfig)
