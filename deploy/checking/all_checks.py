"""All checks of this machine, in order, for `steunpunt check`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from deploy.checking.backup_checks import make_backup_checks
from deploy.checking.check_results import CheckResult, Level
from deploy.checking.contact_checks import make_contact_checks
from deploy.checking.keyring_checks import make_keyring_checks
from deploy.checking.machine_files import read_machine_settings
from deploy.checking.network_checks import make_network_checks
from deploy.checking.running_programs import running_programs
from deploy.checking.store_checks import make_store_checks
from deploy.checking.system_checks import make_system_checks
from deploy.checking.unsafe_states import Scene, look_at_states
from deploy.settings.check_settings import CheckConfig

_FAILS = frozenset({Level.FAULT, Level.UNKNOWN})


def check_machine(settings_path: Path, config: CheckConfig, today: date) -> list[CheckResult]:
    """Make every check of this machine. This takes up to a few minutes if Tor is slow.

    Raises:
        ConfigError: the settings file cannot be read.
    """
    settings = read_machine_settings(settings_path)
    programs = running_programs(settings_path)
    scene = Scene(
        settings,
        today,
        frozenset(program.user for program in programs if program.is_lasting),
        is_serving=any(program.is_part("run", "source") for program in programs),
    )
    return [
        *look_at_states(scene),
        *make_store_checks(settings, today),
        *make_backup_checks(settings, today),
        *make_keyring_checks(settings),
        *make_network_checks(settings),
        *make_contact_checks(settings, today),
        *make_system_checks(settings, programs, config.log_paths),
    ]


def is_in_order(results: Sequence[CheckResult]) -> bool:
    """Return True if there is no fault, and every check could be made. Warnings are allowed."""
    return not any(result.level in _FAILS for result in results)


def results_as_json(results: Sequence[CheckResult], today: date) -> str:
    """Return the results as one JSON object, for a monitoring program."""
    rows = [asdict(result) for result in results]
    return json.dumps({"day": f"{today}", "is_in_order": is_in_order(results), "results": rows}, indent=1)
