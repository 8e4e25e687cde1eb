"""An adviser's workstation with the package. The tests run in this order, on one machine."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.two_machines import Machine
from tests.next_version import NEXT, change_to_next_version
from tests.proofs.packages.debian_machine import DebianMachine, booted, chroot, download_needs
from tests.proofs.packages.package_builds import Debian, Packages, change_package
from tests.proofs.packages.server_steps import bring

pytestmark = pytest.mark.slow

HOME = "/home/adviser"
LAUNCHER = "/usr/share/applications/steunpunt-adviser.desktop"
UNIT = "/usr/lib/systemd/user/steunpunt-adviser.service"
PROGRAMS = ("steunpunt-adviser", "steunpunt-sweep")
PAGE = "import urllib.request as web; print(web.urlopen('http://127.0.0.2:8081/').read().decode())"
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
# A workstation with a screen has these packages.
DESKTOP = ("dbus-user-session", "libpam-systemd", "desktop-file-utils")


@pytest.fixture(scope="module")
def machine(
    debian: Debian, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DebianMachine]:
    """A booted Debian without a network, which has downloaded what the package needs."""
    root = debian.copied(tmp_path_factory.mktemp("workstation") / debian.release)
    chroot(root, "apt-get", "--quiet=2", "install", "--yes", "--no-install-recommends", *DESKTOP)
    download_needs(root, packages.workstation)
    chroot(root, "useradd", "--create-home", "--shell", "/bin/bash", "adviser")
    (root / "var/lib/systemd/linger").mkdir(exist_ok=True)
    (root / "var/lib/systemd/linger/adviser").touch()  # systemd starts the adviser's user units at each boot
    with booted(DebianMachine("disk", root)) as started:
        started.waits("test -S /run/user/1000/systemd/private")
        yield started


def by_adviser(*words: str) -> tuple[str, ...]:
    """Return the words that run a command as the adviser, who is logged in."""
    variables = (f"HOME={HOME}", "XDG_RUNTIME_DIR=/run/user/1000")
    return ("runuser", "-u", "adviser", "--", "env", f"--chdir={HOME}", *variables, *words)


def user_states(machine: DebianMachine) -> list[str]:
    """Return the states of the two programs, when none of them is just starting or stopping."""
    ask = " ".join(by_adviser("systemctl", "--user", "is-active", *PROGRAMS))
    machine.waits(f"! {ask} | grep -q activating")
    return machine.types(*by_adviser("systemctl", "--user", "is-active", *PROGRAMS)).stdout.split()


def starts_from_the_menu(machine: DebianMachine) -> None:
    """Press the menu entry, and check that the browser gets the page that asks for the passphrase."""
    menu = machine.does("cat", LAUNCHER)
    command = re.search(r"(?m)^Exec=(\S+)$", menu)
    assert command is not None
    machine.does(*by_adviser(command[1]))

    assert machine.does("cat", f"{HOME}/opened") == "http://127.0.0.2:8081/\n"
    assert 'type="password"' in machine.does("python3", "-c", PAGE)
    assert user_states(machine) == ["active", "active"]


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
    machine.does("tee", "/usr/bin/xdg-open", text=f'#!/bin/sh\necho "$1" >{HOME}/opened\n')
    machine.does("chmod", "755", "/usr/bin/xdg-open")
    said = machine.does(*by_adviser("steunpunt", "setup", "--print-passphrase"))
    passphrase = re.search(r"(?m)^    (\S+( \S+)+)$", said)
    fingerprint = re.search(r"RW\S{54}", machine.does(*by_adviser("steunpunt", "keys", "fingerprint")))
    assert passphrase is not None
    assert fingerprint is not None
    server = Machine(tmp_path / "var" / "config.toml", fingerprint[0])
    server.does("server", "setup", fingerprint[0])
    server.does("server", "card", "--out", tmp_path / "card")
    bring(machine, tmp_path / "card")
    pair = by_adviser("steunpunt", "workstation", "pair", "/srv/card", "--server", "file")
    machine.does(*pair, text=f"{passphrase[1]}\n")

    starts_from_the_menu(machine)

    server.does("server", "admit", next((machine.root / HOME[1:]).glob("*.pairing")))
    machine.does(*by_adviser("steunpunt", "check"))


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
    newer = change_package(packages.workstation, tmp_path, "1", change_to_next_version)

    done = machine.installs(newer)

    assert done.returncode == 0, done.stdout + done.stderr
    assert user_states(machine) == ["inactive", "inactive"]
    starts_from_the_menu(machine)
    assert machine.does(*by_adviser("python3", "-c", TABLES)) == f"{NEXT}\n"


def test_the_desk_outlives_the_package(machine: DebianMachine) -> None:
    machine.does("apt-get", "--quiet=2", "remove", "--yes", "steunpunt-workstation")
    assert user_states(machine) == ["inactive", "inactive"]

    machine.does("dpkg", "--purge", "steunpunt-workstation")  # apt forgets a package without settings files

    assert machine.types("test", "-e", "/usr/lib/steunpunt").returncode == 1
    assert machine.does("stat", "--format=%a %U", f"{HOME}/steunpunt/var/keyring.age") == "600 adviser\n"
    assert machine.does("systemctl", "list-units", "--failed", "--quiet") == ""
