"""Steps that an adviser takes on a machine with the package of the workstation."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.two_machines import Machine
from tests.proofs.packages.debian_machine import INSTALL, DebianMachine, booted, chroot, download_needs
from tests.proofs.packages.package_builds import Debian
from tests.proofs.packages.server_steps import bring
from tests.proofs.packages.shells import SHELLS

HOME = "/home/adviser"
LAUNCHER = "/usr/share/applications/steunpunt-adviser.desktop"
PROGRAMS = ("steunpunt-adviser", "steunpunt-sweep")
PAGE = "import urllib.request as web; print(web.urlopen('http://127.0.0.2:8081/').read().decode())"
# A workstation with a screen has these packages.
_DESKTOP = ("dbus-user-session", "libpam-systemd", "desktop-file-utils")


@contextmanager
def booted_workstation(debian: Debian, folder: Path, package: Path, *names: str) -> Iterator[DebianMachine]:
    """Boot a Debian on which an adviser is logged in. It has no network, and has what the package needs.

    `names` are packages of Debian that are also installed.
    """
    root = debian.copied(folder / debian.release)
    chroot(root, *INSTALL, *_DESKTOP, *names)
    download_needs(root, package, *SHELLS)
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


def makes_a_desk(machine: DebianMachine, folder: Path) -> tuple[str, Machine]:
    """Set up a desk, pair it with a server in `folder`, press the menu entry, and check the machine.

    Return the desk's passphrase, and the server.
    """
    machine.does("tee", "/usr/bin/xdg-open", text=f'#!/bin/sh\necho "$1" >{HOME}/opened\n')
    machine.does("chmod", "755", "/usr/bin/xdg-open")
    said = machine.does(*by_adviser("steunpunt", "setup", "--print-passphrase"))
    passphrase = re.search(r"(?m)^    (\S+( \S+)+)$", said)
    fingerprint = re.search(r"RW\S{54}", machine.does(*by_adviser("steunpunt", "keys", "fingerprint")))
    assert passphrase is not None
    assert fingerprint is not None
    server = Machine(folder / "var" / "config.toml", fingerprint[0])
    server.does("server", "setup", fingerprint[0])
    server.does("server", "card", "--out", folder / "card")
    bring(machine, folder / "card")
    pair = by_adviser("steunpunt", "workstation", "pair", "/srv/card", "--server", "file")
    machine.does(*pair, text=f"{passphrase[1]}\n")

    starts_from_the_menu(machine)

    server.does("server", "admit", next((machine.root / HOME[1:]).glob("*.pairing")))
    machine.does(*by_adviser("steunpunt", "check"))
    return passphrase[1], server
