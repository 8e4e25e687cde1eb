"""An adviser's workstation with the package. The tests run in this order, on one machine."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.next_version import NEXT, change_to_next_version
from tests.proofs.packages.debian_machine import DebianMachine
from tests.proofs.packages.package_builds import Debian, Packages, change_package
from tests.proofs.packages.shells import completes_commands, upgrades_another_desk
from tests.proofs.packages.workstation_steps import (
    HOME,
    LAUNCHER,
    booted_workstation,
    by_adviser,
    makes_a_desk,
    starts_from_the_menu,
    user_states,
)

pytestmark = pytest.mark.slow

UNIT = "/usr/lib/systemd/user/steunpunt-adviser.service"
# gpg and mat2 read files of sources, in the sandbox of the program.
IN_SANDBOX = """
from pathlib import Path
from journalist_app.conversion.conversion_limits import limits_of_run
from programs.sandbox import Sandbox
for words in ("/usr/bin/mat2 --version", "/usr/bin/gpg --version"):
    Sandbox(Path("/usr/bin/bwrap")).run(words.split(), limits_of_run(60), ())
"""
TABLES = """
import sqlite3
store = sqlite3.connect("steunpunt/var/store.db")
print(*store.execute("SELECT version_num FROM alembic_version").fetchone())
"""


@pytest.fixture(scope="module")
def machine(
    debian: Debian, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DebianMachine]:
    with booted_workstation(debian, tmp_path_factory.mktemp("workstation"), packages.workstation) as started:
        yield started


def test_the_package_brings_all_its_programs_and_a_valid_menu_entry(
    machine: DebianMachine, packages: Packages
) -> None:
    done = machine.installs(packages.workstation)
    assert done.returncode == 0, done.stdout + done.stderr

    machine.does("sh", "-c", "command -v steunpunt gpg mat2 bwrap && ldconfig -p | grep -q libpango-1.0.so.0")
    assert machine.does("desktop-file-validate", LAUNCHER) == ""
    assert machine.does("dpkg", "--verify", "steunpunt-workstation") == ""
    assert user_states(machine) == ["inactive", "inactive"]
    assert machine.does("systemctl", "list-units", "--failed", "--quiet") == ""


def test_an_adviser_makes_a_desk_pairs_and_unlocks_it_from_the_menu(
    machine: DebianMachine, tmp_path: Path
) -> None:
    makes_a_desk(machine, tmp_path)


def test_gpg_and_mat2_run_in_the_sandbox_under_the_limits_of_the_unit(machine: DebianMachine) -> None:
    unit = machine.does("cat", UNIT)
    machine.does("tee", "/srv/in-sandbox", text=IN_SANDBOX)
    start = "ExecStart=/usr/lib/steunpunt/bin/python -P /srv/in-sandbox"
    unit = re.sub(r"(?m)^ExecStart=.*$", start, unit.replace("Type=notify", "Type=oneshot"))
    unit = re.sub(r"(?m)^(ExecStartPre|Restart|WatchdogSec)=.*\n", "", unit)
    machine.does("tee", "/etc/systemd/user/sandbox.service", text=unit)
    machine.does(*by_adviser("systemctl", "--user", "daemon-reload"))

    done = machine.types(*by_adviser("systemctl", "--user", "start", "sandbox.service"))

    assert done.returncode == 0, machine.types("journalctl", "--lines=30").stdout


def test_an_upgrade_stops_the_programs_and_the_next_start_migrates_the_store(
    machine: DebianMachine, packages: Packages, tmp_path: Path
) -> None:
    newer = change_package(packages.workstation, tmp_path, ".1", change_to_next_version)

    done = machine.installs(newer)

    assert done.returncode == 0, done.stdout + done.stderr
    assert user_states(machine) == ["inactive", "inactive"]
    starts_from_the_menu(machine)
    assert machine.does(*by_adviser("python3", "-c", TABLES)) == f"{NEXT}\n"


def test_each_shell_completes_a_command_of_the_adviser(machine: DebianMachine) -> None:
    completes_commands(machine, *by_adviser())


def test_the_adviser_upgrades_a_trial_desk_beside_the_desk(machine: DebianMachine) -> None:
    upgrades_another_desk(machine, HOME, *by_adviser())


def test_the_desk_outlives_the_package(machine: DebianMachine) -> None:
    machine.does("apt-get", "--quiet=2", "remove", "--yes", "steunpunt-workstation")
    assert user_states(machine) == ["inactive", "inactive"]

    machine.does("dpkg", "--purge", "steunpunt-workstation")  # apt forgets a package without settings files

    assert machine.types("test", "-e", "/usr/lib/steunpunt").returncode == 1
    assert machine.does("stat", "--format=%a %U", f"{HOME}/steunpunt/var/keyring.age") == "600 adviser\n"
    assert machine.does("systemctl", "list-units", "--failed", "--quiet") == ""
