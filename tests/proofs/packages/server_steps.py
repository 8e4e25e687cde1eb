"""Steps that an operator takes on a machine with the package of the server."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from tests.deploy.two_machines import TwoMachineDesk
from tests.journalist_app.desk_factories import a_source
from tests.proofs.packages.debian_machine import INSTALL, DebianMachine, booted, chroot, download_needs
from tests.proofs.packages.package_builds import Debian
from tests.proofs.packages.shells import SHELLS
from web.dates import utc_today

HOME = "/var/lib/steunpunt"
SETTINGS = f"{HOME}/var/config.toml"
PROGRAMS = ("steunpunt-source", "steunpunt-sync", "steunpunt-sweep")
GET = "import urllib.request as web; print(web.urlopen('http://127.0.0.1:8080/en/').status)"
HEALTH_SOCKET = "/run/steunpunt-watch/health.sock"
_ASK = f"import socket as s; c = s.socket(s.AF_UNIX); c.connect('{HEALTH_SOCKET}'); print(c.recv(9).decode())"
# A monitoring program, whose user is in the group `steunpunt`, asks for the result of the check.
MONITOR_READS_OK = (
    f'setpriv --reuid=daemon --regid=daemon --groups=steunpunt python3 -c "{_ASK}" | grep -qx ok'
)
_AGE_KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


@contextmanager
def booted_server(debian: Debian, folder: Path, package: Path, *names: str) -> Iterator[DebianMachine]:
    """Boot a Debian without a network, which has downloaded what the package needs, and other packages."""
    root = debian.copied(folder / debian.release)
    chroot(root, *INSTALL, "apparmor")
    download_needs(root, package, *SHELLS, *names)
    with booted(DebianMachine("disk", root)) as started:
        yield started


def set_up_server(machine: DebianMachine, desk: TwoMachineDesk, *options: str, way: str = "file") -> None:
    """Set up the server of a desk, admit the desk's workstation, and start everything."""
    machine.does("steunpunt", "server", "setup", desk.keyring.fingerprint, *options)
    card = machine.does("steunpunt", "server", "card")
    (desk.folder / "card").write_text(card, "utf-8")
    words = ("--server", way, "--out", desk.folder / "first.pairing")
    desk.first.does("workstation", "pair", desk.folder / "card", *words)
    bring(machine, desk.folder / "first.pairing")
    machine.does("steunpunt", "server", "admit", "/srv/first.pairing")
    change_setting(machine, "age_recipients", f'["{_AGE_KEY}"]')
    machine.does("systemctl", "start", "steunpunt.target")


def message_arrives(machine: DebianMachine, desk: TwoMachineDesk) -> None:
    """Carry a message of a source to the server, in a pouch of the desk's workstation."""
    world = desk.world(desk.first)
    a_source(world, day=utc_today()).writes("a message that every upgrade keeps", day=utc_today())
    world.store.close()
    desk.first.does("pouch", "make", desk.folder / "pouch")
    bring(machine, desk.folder / "pouch")

    machine.does("steunpunt", "pouch", "apply", "/srv/pouch")

    assert entries(machine) == 1


def is_green(machine: DebianMachine) -> None:
    """Check that a source can write, and that neither a backup nor `steunpunt check` finds a fault."""
    machine.does("steunpunt", "store", "verify")
    machine.does("systemctl", "start", "steunpunt-backup.service")
    assert states(machine) == {"active"}
    sources_write(machine, 0)
    machine.does("steunpunt", "check")
    machine.does("systemctl", "start", "steunpunt-check.service")


def is_watched(machine: DebianMachine) -> None:
    """Let the watch make the checks, instead of the timer, and wait until a monitoring program gets "ok"."""
    change_setting(machine, "health_socket", f'"{HEALTH_SOCKET}"')
    machine.does("systemctl", "stop", "steunpunt-check.timer")
    machine.does("systemctl", "mask", "steunpunt-check.timer")
    machine.does("systemctl", "enable", "--now", "steunpunt-watch")
    machine.waits(MONITOR_READS_OK)


def sources_write(machine: DebianMachine, seconds: int) -> None:
    """Let a source write and log in again. Then let six sources use everything for some seconds."""
    words = ("-m", "tests.proofs.packages.busy_sources", "127.0.0.1", "8080", str(seconds))
    machine.is_used_by(sys.executable, *words)


def states(machine: DebianMachine) -> set[str]:
    """Return the states of the three programs, when none of them is just starting or stopping."""
    for _ in range(600):
        found = {machine.state(program) for program in PROGRAMS}
        if not found & {"activating", "deactivating"}:
            return found
        time.sleep(0.1)
    raise AssertionError(machine.types("journalctl", "--unit=steunpunt*", "--lines=30").stdout)


def store_digest(machine: DebianMachine) -> str:
    """Return a digest of all tables and rows of the store."""
    code = f"import sqlite3; print(*sqlite3.connect('{HOME}/var/store.db').iterdump(), sep='\\n')"
    return sha256(_python(machine, code).encode()).hexdigest()


def entries(machine: DebianMachine) -> int:
    """Return the number of entries in the store."""
    return int(_ask(machine, "SELECT count(*) FROM entry"))


def tables(machine: DebianMachine) -> str:
    """Return the version of the store's tables."""
    return _ask(machine, "SELECT version_num FROM alembic_version")


def installed_version(machine: DebianMachine) -> str:
    return machine.does("dpkg-query", "--show", "--showformat=${Version}", "steunpunt-server")


def settings_text(machine: DebianMachine) -> str:
    return (machine.root / SETTINGS[1:]).read_text("utf-8")


def change_setting(machine: DebianMachine, key: str, value: str) -> None:
    machine.does("sed", "--in-place", f"s|^{key} = .*|{key} = {value}|", SETTINGS)


def main_process(machine: DebianMachine, program: str) -> str:
    return machine.does("systemctl", "show", "--property=MainPID", "--value", program).strip()


def bring(machine: DebianMachine, file: Path) -> None:
    """Copy a file to the machine's folder /srv, where every user may read it."""
    copy = machine.root / "srv" / file.name
    copy.write_bytes(file.read_bytes())
    copy.chmod(0o644)


def _ask(machine: DebianMachine, statement: str) -> str:
    code = f"import sqlite3; print(*sqlite3.connect('{HOME}/var/store.db').execute('{statement}').fetchone())"
    return _python(machine, code).strip()


def _python(machine: DebianMachine, code: str) -> str:
    user = ("setpriv", "--reuid=steunpunt", "--regid=steunpunt", "--clear-groups")
    return machine.does(*user, "python3", "-c", code)
