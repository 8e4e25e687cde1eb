"""The systemd units of a workstation, on a booted machine. The tests run in this order, on one machine."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.keyring import open_keyring
from tests.deploy.two_machines import Machine, TwoMachineDesk
from tests.journalist_app.desk_factories import a_source
from tests.proofs.packages.debian_machine import DebianMachine
from tests.proofs.packages.package_builds import Debian, Packages
from tests.proofs.packages.server_steps import bring
from tests.proofs.packages.units.unit_trials import Units
from tests.proofs.packages.units.unit_use import UnitUse, memory_of
from tests.proofs.packages.workstation_steps import (
    HOME,
    PAGE,
    PROGRAMS,
    booted_workstation,
    by_adviser,
    makes_a_desk,
    user_states,
)
from tests.proofs.proof_sizes import print_result
from web.dates import utc_today

pytestmark = pytest.mark.slow

TOLD = f"{HOME}/steunpunt/told"  # the command may write only here
COMMAND = f"#!/bin/sh\necho told >>{TOLD}\nsleep 1\n"
ENTRIES = """
import sqlite3
store = sqlite3.connect("steunpunt/var/store.db")
print(sorted(digest.hex() for (digest,) in store.execute("SELECT digest FROM entry")))
"""
MAILBOXES = 50  # each with a letter
LETTER = (
    b"{\\rtf1 " + b"A sentence of a long letter, which LibreOffice turns into pages.\\par\n" * 10_000 + b"}"
)
# A recipient makes a key, whose fingerprint the operator writes in the settings.
KEY = """
gpg --batch --quiet --passphrase "" --quick-generate-key "A recipient" default default never
gpg --armor --export >steunpunt/var/recipient.asc
gpg --list-keys --with-colons
"""
CONVERTERS = ("libreoffice-writer-nogui", "poppler-utils", "python3-pil")


@pytest.fixture(scope="module")
def machine(
    debian: Debian, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DebianMachine]:
    folder = tmp_path_factory.mktemp("units")
    with booted_workstation(debian, folder, packages.workstation, *CONVERTERS) as started:
        done = started.installs(packages.workstation)
        assert done.returncode == 0, done.stdout + done.stderr
        yield started


@pytest.fixture(scope="module")
def passphrase(machine: DebianMachine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The passphrase of the desk. Its mailboxes are on the workstation, and the operator has a command."""
    folder = tmp_path_factory.mktemp("desk")
    words, server = makes_a_desk(machine, folder)
    mailboxes_arrive(machine, server, words, folder)
    machine.does("tee", "/usr/local/bin/tell", text=COMMAND)
    machine.does("chmod", "755", "/usr/local/bin/tell")
    change = 's|^failure_command = .*|failure_command = "/usr/local/bin/tell"|'
    machine.does("sed", "--in-place", change, f"{HOME}/steunpunt/var/config.toml")
    return words


@pytest.fixture(scope="module")
def units(machine: DebianMachine, passphrase: str) -> Units:
    assert passphrase
    return Units(machine, by_adviser("systemctl", "--user"), "/etc/systemd/user", TOLD)


def mailboxes_arrive(machine: DebianMachine, server: Machine, passphrase: str, folder: Path) -> None:
    """Let sources write at the server, and carry their mailboxes to the workstation."""
    keyring = (machine.root / HOME[1:] / "steunpunt/var/keyring.age").read_bytes()
    desk = TwoMachineDesk(folder, open_keyring(keyring, passphrase, server.fingerprint), server, server)
    world = desk.world(server)
    file = ("letter.rtf", LETTER)
    for _ in range(MAILBOXES):
        a_source(world, day=utc_today()).writes("a message", day=utc_today(), file=file)
    world.store.close()
    server.does("pouch", "make", folder / "pouch")
    bring(machine, folder / "pouch")
    machine.does(*by_adviser("steunpunt", "pouch", "apply", "/srv/pouch"), text=f"{passphrase}\n")


def adviser_works(machine: DebianMachine, passphrase: str, seconds: int) -> None:
    """Let the adviser unlock the desk, read each mailbox and answer."""
    words = ("-m", "tests.proofs.packages.units.busy_adviser", "127.0.0.2", "8081", str(seconds), passphrase)
    machine.is_used_by(sys.executable, *words)


def test_memory_of_a_workstation_in_use(machine: DebianMachine, passphrase: str, units: Units) -> None:
    print_result(f"idle and locked: {memory_of(machine) >> 20} MiB (all processes)")

    with UnitUse(units, *PROGRAMS) as use:
        adviser_works(machine, passphrase, 20)
    with UnitUse(units, PROGRAMS[0]) as use_of_conversion:
        words = ("-m", "tests.proofs.packages.units.converting_adviser", "127.0.0.2", "8081", passphrase)
        machine.is_used_by(sys.executable, *words)
    fingerprint = _recipient(machine)
    units.does("restart", PROGRAMS[0])
    with UnitUse(units, PROGRAMS[0]) as use_of_cleaning:
        words = ("-m", "tests.proofs.packages.units.cleaning_adviser", "127.0.0.2", "8081", passphrase)
        machine.is_used_by(sys.executable, *words, fingerprint)
    with UnitUse(units, "steunpunt-failure@trial") as use_of_caller:
        units.does("start", "steunpunt-failure@trial")

    print_result(f"unlocked: {memory_of(machine) >> 20} MiB (all processes)")
    use.is_far_below_the_limits()
    print_result("the adviser looks at a letter, which LibreOffice converts:")
    use_of_conversion.is_far_below_the_limits()
    print_result("the adviser gets cleaned copies of a photo and a picture:")
    use_of_cleaning.is_far_below_the_limits()
    use_of_caller.is_far_below_the_limits()


def _recipient(machine: DebianMachine) -> str:
    """Make a recipient, and return the fingerprint of their key."""
    found = re.search(r"(?m)^fpr:+([0-9A-F]{40}):", machine.does(*by_adviser("sh", "-c", KEY)))
    assert found is not None
    values = f'role = "sg", name = "A recipient", fingerprint = "{found[1]}", key_path = "recipient.asc"'
    change = f"s|^recipients = .*|recipients = [{{ {values} }}]|"
    machine.does("sed", "--in-place", change, f"{HOME}/steunpunt/var/config.toml")
    return found[1]


def test_after_a_reboot_the_adviser_finds_the_same_desk_locked(
    machine: DebianMachine, passphrase: str, units: Units
) -> None:
    units.does("enable", "steunpunt-adviser")
    before = machine.does(*by_adviser("python3", "-c", ENTRIES))

    machine.stop()
    machine.start()

    machine.waits("test -S /run/user/1000/systemd/private")
    assert user_states(machine) == ["active", "active"]
    assert machine.does(*by_adviser("python3", "-c", ENTRIES)) == before
    assert 'type="password"' in machine.does("python3", "-c", PAGE)
    adviser_works(machine, passphrase, 10)


@pytest.mark.parametrize("unit", PROGRAMS)
def test_a_program_that_hangs_is_started_again(units: Units, unit: str) -> None:
    units.start_again_after_hanging(unit)


def test_the_command_is_called_once_for_each_program_that_hangs_after_each_start(units: Units) -> None:
    units.tell_of_hanging(PROGRAMS)


def test_the_command_is_called_once_for_each_program_that_cannot_start(units: Units) -> None:
    units.tell_of_failing(PROGRAMS)


@pytest.mark.parametrize("unit", [*PROGRAMS, "steunpunt-failure@trial"])
def test_the_kernel_refuses_a_forbidden_system_call(units: Units, unit: str) -> None:
    units.refuse_forbidden_call(unit)


def test_the_kernel_ends_a_program_that_exceeds_the_memory_limit(units: Units) -> None:
    """With version 1 of cgroups, the kernel lets only the systemd of root limit memory."""
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        units.end_too_large("steunpunt-sweep")
    else:
        print_result("not tried, because this kernel has version 1 of cgroups: MemoryMax of user units")
