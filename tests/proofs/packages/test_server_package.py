"""One operator's year with the package of the server. The tests run in this order, on one machine."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.two_machines import TwoMachineDesk
from tests.next_version import NEW_KEY, NEXT, break_next_version, change_to_next_version
from tests.proofs.packages.debian_machine import DebianMachine
from tests.proofs.packages.package_builds import Debian, Packages, change_package
from tests.proofs.packages.server_steps import (
    GET,
    HOME,
    MONITOR_READS_OK,
    SETTINGS,
    booted_server,
    change_setting,
    entries,
    installed_version,
    is_green,
    is_watched,
    message_arrives,
    set_up_server,
    settings_text,
    states,
    store_digest,
    tables,
)
from tests.proofs.packages.shells import completes_commands, upgrades_another_desk

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def machine(
    debian: Debian, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DebianMachine]:
    with booted_server(debian, tmp_path_factory.mktemp("server"), packages.server) as started:
        yield started


@pytest.fixture(scope="module")
def newer(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a made-up next version, which has one more migration and one more setting."""
    return change_package(packages.server, tmp_path_factory.mktemp("newer"), ".1", change_to_next_version)


@pytest.fixture(scope="module")
def broken(newer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a version after it, whose migration fails in its last statement."""
    return change_package(newer, tmp_path_factory.mktemp("broken"), ".1", break_next_version)


def test_a_new_package_waits_for_a_desk_and_nothing_fails(machine: DebianMachine, packages: Packages) -> None:
    done = machine.installs(packages.server)
    assert done.returncode == 0, done.stdout + done.stderr

    assert states(machine) == {"inactive"}
    assert machine.state("tor@default") == "active"
    assert machine.does("systemctl", "list-units", "--failed", "--quiet") == ""
    assert machine.does("dpkg", "--verify", "steunpunt-server") == ""
    assert machine.does("stat", "--format=%a %U:%G", HOME) == "700 steunpunt:steunpunt\n"
    assert machine.does("stat", "--format=%a %U:%G", "/run/steunpunt") == "2750 steunpunt:debian-tor\n"


def test_an_operator_sets_up_the_server_and_gets_a_green_check(
    machine: DebianMachine, desk: TwoMachineDesk
) -> None:
    set_up_server(machine, desk)
    message_arrives(machine, desk)
    is_green(machine)
    is_watched(machine)  # from here on, also during each upgrade


def test_without_room_for_the_backup_the_older_version_goes_on(
    machine: DebianMachine, packages: Packages, newer: Path
) -> None:
    machine.does("systemctl", "stop", "steunpunt.target")
    machine.does("mount", "--types", "tmpfs", "--options", "size=50M", "tmpfs", "/mnt")
    machine.does("cp", "--archive", f"{HOME}/.", "/mnt")
    machine.does("mount", "--bind", "/mnt", HOME)
    machine.does("systemctl", "start", "steunpunt.target")

    done = machine.installs(newer)

    assert done.returncode != 0
    assert "KiB free" in done.stderr + done.stdout
    assert installed_version(machine) == packages.version
    assert states(machine) == {"active"}
    machine.does("systemctl", "stop", "steunpunt.target")
    machine.does("umount", HOME, "/mnt")
    machine.does("systemctl", "start", "steunpunt.target")


def test_without_a_good_backup_the_older_version_goes_on(
    machine: DebianMachine, packages: Packages, newer: Path
) -> None:
    before = settings_text(machine)
    change_setting(machine, "age_recipients", '["no key of age"]')

    done = machine.installs(newer)

    machine.does("tee", SETTINGS, text=before)
    assert done.returncode != 0
    assert "No backup was made" in done.stderr + done.stdout
    assert installed_version(machine) == packages.version
    assert states(machine) == {"active"}


def test_a_setting_of_no_version_stops_the_upgrade_before_the_store_changes(
    machine: DebianMachine, packages: Packages, newer: Path
) -> None:
    # In the last section, [check]. A program that runs has read its settings before.
    machine.does("tee", "--append", SETTINGS, text="a_key_of_no_version = 1\n")

    said = _fails_and_changes_nothing(machine, newer)

    assert "a_key_of_no_version" in said
    machine.does("sed", "--in-place", "/^a_key_of_no_version/d", SETTINGS)
    _goes_back(machine, packages, said)


def test_a_migration_that_fails_changes_nothing_and_names_the_way_back(
    machine: DebianMachine, packages: Packages, broken: Path
) -> None:
    said = _fails_and_changes_nothing(machine, broken)

    _goes_back(machine, packages, said)


def test_an_upgrade_makes_a_backup_migrates_the_store_and_starts_the_programs(
    machine: DebianMachine, newer: Path
) -> None:
    machine.does("rm", "-r", f"{HOME}/var/backups")
    before = entries(machine)

    done = machine.installs(newer)

    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.does("ls", f"{HOME}/var/backups").startswith("backup-")
    assert tables(machine) == NEXT
    assert settings_text(machine).count(f"{NEW_KEY} = 30\n") == 1
    assert installed_version(machine) in newer.name
    assert entries(machine) == before
    is_green(machine)


def test_after_a_reboot_everything_runs_again(machine: DebianMachine) -> None:
    machine.stop()
    machine.start()

    assert states(machine) == {"active"}
    assert machine.does("python3", "-c", GET) == "200\n"
    machine.waits(MONITOR_READS_OK)


def test_each_shell_completes_a_command_of_root(machine: DebianMachine) -> None:
    completes_commands(machine)


def test_root_upgrades_a_trial_desk_beside_the_desk(machine: DebianMachine) -> None:
    upgrades_another_desk(machine, "/srv/steunpunt")


def test_the_store_outlives_the_package_unless_the_operator_says_delete(
    machine: DebianMachine, newer: Path
) -> None:
    machine.does("apt-get", "--quiet=2", "remove", "--yes", "steunpunt-server")
    assert "active" not in states(machine)
    assert machine.state("tor@default") == "active"
    before = store_digest(machine)

    machine.does("apt-get", "--quiet=2", "purge", "--yes", "steunpunt-server")

    assert store_digest(machine) == before
    assert machine.installs(newer).returncode == 0
    assert states(machine) == {"active"}
    answer = "steunpunt-server steunpunt-server/delete-desk boolean true\n"
    machine.does("debconf-set-selections", text=answer)

    machine.does("apt-get", "--quiet=2", "purge", "--yes", "steunpunt-server")

    assert machine.types("test", "-e", HOME).returncode == 1
    assert machine.does("systemctl", "list-units", "--failed", "--quiet") == ""


def _fails_and_changes_nothing(machine: DebianMachine, package: Path) -> str:
    """Try an upgrade, and check that only the package's files changed. Return what the upgrade said."""
    stopped = machine.does("systemctl", "stop", "steunpunt.target") + "".join(states(machine))
    before = store_digest(machine), settings_text(machine)

    done = machine.installs(package)

    assert done.returncode != 0, stopped
    assert (store_digest(machine), settings_text(machine)) == before
    assert states(machine) == {"inactive"}
    return done.stdout + done.stderr


def _goes_back(machine: DebianMachine, packages: Packages, said: str) -> None:
    """Run the command that a failed upgrade names: install the older package again."""
    command = re.search(r"(?m)^ +dpkg --install (steunpunt-server_\S+)$", said)
    assert command is not None, said
    assert command[1] == packages.server.name

    machine.does("dpkg", "--install", f"/{command[1]}")

    is_green(machine)
