"""A desk on one machine for the tests of checks, in a safe state, and the scene at which the table looks."""

import re
from contextlib import closing
from pathlib import Path

from deploy.checking.check_results import CheckResult, Level
from deploy.noted_days import REHEARSED, REWRITTEN, VERIFIED, note_day
from deploy.pinned_letterhead import serial_line
from deploy.setup import SERIAL, STORE
from store.database.atomic_files import replace_file
from tests.deploy.two_machines import Machine, TwoMachineDesk, newest
from web.dates import utc_today


def a_safe_machine(made: TwoMachineDesk, folder: Path) -> Machine:
    """Copy a desk to a folder, and return its machine with both interfaces, in a safe state."""
    machine = made.copied(folder).first
    for task in (REHEARSED, REWRITTEN, VERIFIED):
        note_day(machine.settings.parent / STORE, task, utc_today())
    with closing(machine.store()) as store:
        replace_file(machine.settings.parent / SERIAL, [serial_line(newest(store, made.keyring))])
    return machine


def set_text(machine: Machine, section: str, key: str, value: str) -> None:
    """Set a text of the settings file."""
    text = machine.settings.read_text("utf-8")
    head, mark, rest = text.partition(f"[{section}]\n")
    rest = re.sub(rf'(?m)^{key} = ".*"$', f'{key} = "{value}"', rest, count=1)
    machine.settings.write_text(head + mark + rest, "utf-8")


def levels(results: list[CheckResult], check: str) -> list[Level]:
    """Return the levels of the results of one check, in order."""
    return [each.level for each in results if each.check == check]
