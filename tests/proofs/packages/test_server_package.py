"""One operator's year with the package of the server. The tests run in this order, on one machine."""

import re
import time
from hashlib import sha256
from pathlib import Path

import pytest

from tests.deploy.two_machines import TwoMachineDesk, a_desk
from tests.proofs.packages.debian_machine import DebianMachine, install_package
from tests.proofs.packages.package_builds import Packages, build_packages, clone_project, commit_change
from tests.proofs.proof_sizes import print_result
from web.dates import utc_today

pytestmark = pytest.mark.slow

HOME = "/var/lib/steunpunt"
SETTINGS = f"{HOME}/var/config.toml"
PROGRAMS = ("steunpunt-source", "steunpunt-sync", "steunpunt-sweep")
AGE_KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
COMMAND = "#!/bin/sh\necho told >>/var/lib/steunpunt/told\n"
GET = "import urllib.request as web; print(web.urlopen('http://127.0.0.1:8080/en/').status)"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    made = a_desk(tmp_path_factory.mktemp("desk"))
    made.publishes(
        made.first, issued=utc_today()
    )  # a program refuses to start long after the newest letterhead
    return made


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The packages of a later commit."""
    project = clone_project(tmp_path_factory.mktemp("newer") / "project")
    commit_change(project)
    return build_packages(project)


def _states(machine: DebianMachine) -> set[str]:
    """Return the states of the three programs, when none of them is just starting or stopping."""
    for _ in range(600):
        states = {machine.state(program) for program in PROGRAMS}
        if not states & {"activating", "deactivating"}:
            return states
        time.sleep(0.1)
    raise AssertionError(machine.types("journalctl", "--unit=steunpunt*", "--lines=30").stdout)


def _store(machine: DebianMachine) -> str:
    return sha256((machine.root / HOME[1:] / "var/store.db").read_bytes()).hexdigest()


def _set(machine: DebianMachine, key: str, value: str) -> None:
    machine.does("sed", "--in-place", f"s|^{key} = .*|{key} = {value}|", SETTINGS)


def _main_process(machine: DebianMachine, program: str) -> str:
    return machine.does("systemctl", "show", "--property=MainPID", "--value", program).strip()


def test_a_new_package_waits_for_a_desk_and_nothing_fails(machine: DebianMachine, packages: Packages) -> None:
    done = install_package(machine, packages.server)
    assert done.returncode == 0, done.stdout + done.stderr

    assert _states(machine) == {"inactive"}
    assert machine.state("tor@default") == "active"
    assert machine.does("systemctl", "list-units", "--failed", "--quiet") == ""
    assert machine.does("dpkg", "--verify", "steunpunt-server") == ""
    assert machine.does("stat", "--format=%a %U:%G", HOME) == "700 steunpunt:steunpunt\n"
    assert machine.does("stat", "--format=%a %U:%G", "/run/steunpunt") == "2750 steunpunt:debian-tor\n"


def test_an_operator_sets_up_the_server_and_gets_a_green_check(
    machine: DebianMachine, desk: TwoMachineDesk
) -> None:
    machine.does("steunpunt", "server", "setup", desk.keyring.fingerprint)
    card = machine.does("steunpunt", "server", "card")
    (desk.folder / "card").write_text(card, "utf-8")
    words = ("--server", "file", "--out", desk.folder / "first.pairing")
    desk.first.does("workstation", "pair", desk.folder / "card", *words)
    _bring(machine, desk.folder / "first.pairing")
    machine.does("steunpunt", "server", "admit", "/srv/first.pairing")
    _set(machine, "age_recipients", f'["{AGE_KEY}"]')

    machine.does("systemctl", "start", "steunpunt.target", "steunpunt-backup.service")

    machine.does("steunpunt", "store", "verify")
    assert _states(machine) == {"active"}
    assert machine.does("python3", "-c", GET) == "200\n"
    machine.does("steunpunt", "check")
    machine.does("systemctl", "start", "steunpunt-check.service")


def test_the_kernel_enforces_the_limits_of_the_units(machine: DebianMachine) -> None:
    for program in PROGRAMS:
        process = _main_process(machine, program)
        status = machine.does("cat", f"/proc/{process}/status")
        assert re.search(r"(?m)^CapBnd:\s0+$", status)
        assert re.search(r"(?m)^NoNewPrivs:\s1$", status)
        assert re.search(r"(?m)^Seccomp:\s2$", status)  # SystemCallFilter
        wanted = machine.does("systemctl", "show", "--property=MemoryMax", "--value", program).strip()
        assert _memory_limit(machine, process) == wanted
    is_enforced = Path("/sys/kernel/security/apparmor").exists()
    print_result(f"the kernel of this machine {'has' if is_enforced else 'has no'} AppArmor")


def test_a_program_that_hangs_is_started_again(machine: DebianMachine) -> None:
    drop_in = "/run/systemd/system/steunpunt-sync.service.d"
    machine.does("mkdir", drop_in)
    machine.does("tee", f"{drop_in}/short.conf", text="[Service]\nWatchdogSec=3\nTimeoutAbortSec=3\n")
    machine.does("systemctl", "daemon-reload")
    machine.does("systemctl", "restart", "steunpunt-sync")
    before = _main_process(machine, "steunpunt-sync")

    machine.does("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "steunpunt-sync")

    machine.does(
        "sh",
        "-c",
        "for i in $(seq 60); do sleep 1; systemctl show --property=NRestarts --value "
        "steunpunt-sync | grep -qx 0 || exit 0; done; exit 1",
    )
    machine.does("rm", "-r", drop_in)
    machine.does("systemctl", "daemon-reload")
    machine.does("systemctl", "restart", "steunpunt-sync")
    assert _main_process(machine, "steunpunt-sync") != before


def test_a_reload_takes_the_new_letterhead(machine: DebianMachine, desk: TwoMachineDesk) -> None:
    machine.does("steunpunt", "server", "card", "--out", f"{HOME}/card")
    card, pairing = machine.root / HOME[1:] / "card", desk.folder / "second.pairing"
    words = ["--keyring", desk.copy_of_keyring(), "--name", "Werkstation 2"]
    words += ["--fingerprint", desk.keyring.fingerprint, "--out", pairing]
    desk.machine("second").does("workstation", "pair", card, "--server", "file", *words)
    _bring(machine, pairing)
    machine.does("steunpunt", "server", "admit", "/srv/second.pairing")
    process = _main_process(machine, "steunpunt-source")

    machine.does("systemctl", "reload", "steunpunt-source")

    machine.does(
        "sh",
        "-c",
        f'for i in $(seq 60); do python3 -c "{GET}"; journalctl --quiet --unit '
        "steunpunt-source | grep 'letterhead number 3 is in use' && exit; sleep 1; done; exit 1",
    )
    assert _main_process(machine, "steunpunt-source") == process


def test_the_operators_command_is_called_when_a_unit_fails(machine: DebianMachine) -> None:
    machine.does("tee", "/usr/local/bin/tell", text=COMMAND)
    machine.does("chmod", "755", "/usr/local/bin/tell")
    _set(machine, "failure_command", '"/usr/local/bin/tell"')
    machine.does("mv", f"{HOME}/var/store.db", f"{HOME}/var/store.away")

    done = machine.types("systemctl", "start", "steunpunt-backup.service")

    machine.does("mv", f"{HOME}/var/store.away", f"{HOME}/var/store.db")
    assert done.returncode != 0
    machine.does("sh", "-c", f"for i in $(seq 60); do test -e {HOME}/told && exit; sleep 1; done; exit 1")
    machine.does("systemctl", "reset-failed")


def test_an_upgrade_makes_a_backup_first_and_starts_the_programs(
    machine: DebianMachine, newer: Packages
) -> None:
    machine.does("rm", "-r", f"{HOME}/var/backups")

    done = install_package(machine, newer.server)

    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.does("ls", f"{HOME}/var/backups").startswith("backup-")
    assert newer.version in machine.does("dpkg-query", "--show", "steunpunt-server")
    assert _states(machine) == {"active"}


def test_an_upgrade_that_fails_changes_nothing_and_names_the_way_back(
    machine: DebianMachine, packages: Packages, newer: Packages
) -> None:
    assert install_package(machine, packages.server).returncode == 0  # the older version again
    machine.does(
        "tee", "--append", SETTINGS, text="a_key_of_no_version = 1\n"
    )  # in the last section, [check]
    machine.does("systemctl", "stop", "steunpunt.target")
    before = _store(machine)

    done = install_package(machine, newer.server)

    assert done.returncode != 0
    assert f"dpkg --install steunpunt-server_{packages.version}_" in done.stderr + done.stdout
    assert _store(machine) == before
    assert "active" not in _states(machine)

    machine.does("sed", "--in-place", "/^a_key_of_no_version/d", SETTINGS)
    machine.does("dpkg", "--install", f"/{packages.server.name}")
    assert _states(machine) == {"active"}


def test_without_room_for_the_backup_the_older_version_goes_on(
    machine: DebianMachine, packages: Packages, newer: Packages
) -> None:
    machine.does("systemctl", "stop", "steunpunt.target")
    machine.does("mount", "--types", "tmpfs", "--options", "size=50M", "tmpfs", "/mnt")
    machine.does("cp", "--archive", f"{HOME}/.", "/mnt")
    machine.does("mount", "--bind", "/mnt", HOME)
    machine.does("systemctl", "start", "steunpunt.target")

    done = install_package(machine, newer.server)

    assert done.returncode != 0
    assert "KiB free" in done.stderr + done.stdout
    assert packages.version in machine.does("dpkg-query", "--show", "steunpunt-server")
    assert _states(machine) == {"active"}
    machine.does("systemctl", "stop", "steunpunt.target")
    machine.does("umount", HOME, "/mnt")
    machine.does("systemctl", "start", "steunpunt.target")


def test_after_a_reboot_everything_runs_again(machine: DebianMachine) -> None:
    machine.stop()
    machine.start()

    assert _states(machine) == {"active"}
    assert machine.does("python3", "-c", GET) == "200\n"


def test_the_store_outlives_the_package_unless_the_operator_says_delete(
    machine: DebianMachine, packages: Packages
) -> None:
    machine.does("apt-get", "--quiet=2", "remove", "--yes", "steunpunt-server")
    assert "active" not in _states(machine)
    assert machine.state("tor@default") == "active"
    before = _store(machine)

    machine.does("apt-get", "--quiet=2", "purge", "--yes", "steunpunt-server")

    assert _store(machine) == before
    assert install_package(machine, packages.server).returncode == 0
    assert _states(machine) == {"active"}
    machine.does(
        "debconf-set-selections", text="steunpunt-server steunpunt-server/delete-desk boolean true\n"
    )
    machine.does("apt-get", "--quiet=2", "purge", "--yes", "steunpunt-server")
    assert machine.types("test", "-e", HOME).returncode == 1
    assert machine.does("systemctl", "list-units", "--failed", "--quiet") == ""


def _bring(machine: DebianMachine, file: Path) -> None:
    """Copy a file to the machine's folder /srv, where every user may read it."""
    copy = machine.root / "srv" / file.name
    copy.write_bytes(file.read_bytes())
    copy.chmod(0o644)


def _memory_limit(machine: DebianMachine, process: str) -> str:
    """Return the most bytes of memory that the kernel gives to the control group of a process."""
    groups = machine.does("cat", f"/proc/{process}/cgroup")
    if found := re.search(r"(?m)^\d+:memory:(.*)$", groups):
        return machine.does("cat", f"/sys/fs/cgroup/memory{found[1]}/memory.limit_in_bytes").strip()
    path = groups.strip().partition("::")[2]
    return machine.does("cat", f"/sys/fs/cgroup{path}/memory.max").strip()
