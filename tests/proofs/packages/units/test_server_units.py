"""The systemd units of the server, on a booted machine. The tests run in this order, on one machine."""

import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.tor_network import TorNetwork
from deploy.settings.settings_text import with_key
from tests.deploy.two_machines import TwoMachineDesk
from tests.docs.manual_blocks import read_blocks
from tests.proofs.packages.debian_machine import DebianMachine
from tests.proofs.packages.package_builds import Debian, Packages
from tests.proofs.packages.server_steps import (
    GET,
    HOME,
    PROGRAMS,
    SETTINGS,
    booted_server,
    bring,
    change_setting,
    main_process,
    set_up_server,
    settings_text,
    sources_write,
    states,
)
from tests.proofs.packages.units.mail_sink import MAIL, start_mail_server
from tests.proofs.packages.units.unit_trials import TRIAL, Units
from tests.proofs.packages.units.unit_use import UnitUse, memory_of
from tests.proofs.proof_sizes import print_result
from tests.tor.manual.reachable_machines import tor_network_reached
from tests.tor.onion_sites import wait_for_answer

pytestmark = pytest.mark.slow

TOLD = f"{HOME}/told"
COMMAND = f"#!/bin/sh\necho told >>{TOLD}\nsleep 1\n"
PUBLISHER = "steunpunt-onion"
JOBS = ("steunpunt-backup", "steunpunt-check", "steunpunt-failure@trial")
APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
WATCH = "steunpunt-watch"
RUNNING = (*PROGRAMS, PUBLISHER, WATCH)
ALL = (*RUNNING, *JOBS)
# The source's site, which never looks for a newer letterhead while it runs.
NEVER_LOOKS = """
from deploy import pinned_letterhead
pinned_letterhead.LOOK_SECONDS = float("inf")
from deploy.cli.main import main
main(prog_name="steunpunt")
"""
LETTERHEADS = (
    "journalctl --sync; journalctl --quiet --unit steunpunt-source | grep 'letterhead number 3 is in use'"
)


@pytest.fixture(scope="module")
def machine(
    debian: Debian, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DebianMachine]:
    with booted_server(debian, tmp_path_factory.mktemp("units"), packages.server) as started:
        yield started


@pytest.fixture(scope="module")
def units(machine: DebianMachine, packages: Packages, desk: TwoMachineDesk) -> Units:
    """The units of a server that is set up, with a command of the operator."""
    done = machine.installs(packages.server)
    assert done.returncode == 0, done.stdout + done.stderr
    set_up_server(machine, desk, "--onion", way=f"unix:{machine.root}/run/steunpunt/sync.sock")
    machine.does("tee", "/usr/local/bin/tell", text=COMMAND)
    machine.does("chmod", "755", "/usr/local/bin/tell")
    change_setting(machine, "failure_command", '"/usr/local/bin/tell"')
    return Units(machine, ("systemctl",), "/run/systemd/system", TOLD)


def test_memory_of_each_unit_in_use(units: Units, desk: TwoMachineDesk) -> None:
    """Sources are busy, and the watch makes its checks. Then a workstation syncs, and the jobs run."""
    machine = units.machine
    print_result(f"idle: {memory_of(machine) >> 20} MiB (all processes, with systemd, the journal and Tor)")

    with UnitUse(units, *PROGRAMS, WATCH, *JOBS[:2]) as use:
        units.does("start", WATCH)
        ready = units.shown(WATCH, "WatchdogTimestampMonotonic")  # the checks end with a new one
        sources_write(machine, 20)
        desk.first.does("workstation", "sync")
        for job in JOBS[:2]:
            machine.types("systemctl", "start", job)
        machine.waits(f"! systemctl show --property=WatchdogTimestampMonotonic {WATCH} | grep -q {ready}")
    units.does("stop", WATCH)
    with UnitUse(units, JOBS[2]) as use_of_last:
        units.does("start", JOBS[2])

    use.is_far_below_the_limits()
    use_of_last.is_far_below_the_limits()


def test_a_reload_alone_takes_the_new_letterhead(units: Units, desk: TwoMachineDesk) -> None:
    machine, before = units.machine, settings_text(units.machine)
    change_setting(machine, "workers", "1")
    units.put_trial(NEVER_LOOKS)
    start = f"ExecStart={TRIAL} --settings {SETTINGS} run source --refuse-unsafe"
    with units.changed(["steunpunt-source"], "ExecStart=", start):
        units.does("start", "steunpunt-source")
        machine.does("python3", "-c", GET)
        machine.does("steunpunt", "server", "card", "--out", f"{HOME}/card")
        card, pairing = machine.root / HOME[1:] / "card", desk.folder / "second.pairing"
        named = ["--keyring", desk.copy_of_keyring(), "--name", "Werkstation 2"]
        named += ["--fingerprint", desk.keyring.fingerprint, "--out", pairing]
        desk.machine("second").does("workstation", "pair", card, "--server", "file", *named)
        bring(machine, pairing)
        machine.does("steunpunt", "server", "admit", "/srv/second.pairing")
        machine.does("python3", "-c", GET)
        assert machine.types("sh", "-c", LETTERHEADS).stdout == ""
        process = main_process(machine, "steunpunt-source")

        units.does("reload", "steunpunt-source")

        machine.waits(f'python3 -c "{GET}"; {LETTERHEADS}')
        assert main_process(machine, "steunpunt-source") == process
    machine.does("tee", SETTINGS, text=before)
    units.does("start", "steunpunt.target")


def test_timers_start_the_backup_and_the_check(units: Units) -> None:
    """The backup of a night in which the server was off comes at the start."""
    machine = units.machine
    assert " 03:30:00 " in units.shown("steunpunt-backup.timer", "NextElapseUSecRealtime")
    assert "OnActiveUSec=10min" in units.shown("steunpunt-check.timer", "TimersMonotonic")
    assert "OnUnitInactiveUSec=1h" in units.shown("steunpunt-check.timer", "TimersMonotonic")
    units.does("stop", "steunpunt-backup.timer")
    machine.does("rm", "--recursive", "--force", f"{HOME}/var/backups")
    machine.does("touch", "--date=2 days ago", "/var/lib/systemd/timers/stamp-steunpunt-backup.timer")

    units.does("start", "steunpunt-backup.timer")

    machine.waits(f"test -e {HOME}/var/backups/backup-*")
    units.wait_for("steunpunt-backup", "ActiveState", "inactive")
    assert units.shown("steunpunt-backup", "Result") == "success"
    soon = ("OnActiveSec=", "OnActiveSec=1s", "OnUnitInactiveSec=1s", "AccuracySec=100ms")
    with units.changed(["steunpunt-check"], *soon, kind="timer"):
        units.does("start", "steunpunt-check.timer")
        units.wait_for("steunpunt-check", "ActiveState", "activating")
        first = units.shown("steunpunt-check", "InvocationID")
        units.wait_for("steunpunt-check", "InvocationID", f"[^{first[0]}].*|.[^{first[1]}].*")
    # The trials count how many times the operator is told, and this timer would start one more check.
    units.does("mask", "--runtime", "--now", "steunpunt-check.timer")
    units.does("start", "steunpunt.target")


def test_the_publisher_publishes_the_site_also_after_a_restart_of_tor(units: Units) -> None:
    machine = units.machine
    text = with_key(settings_text(machine), "onion", "way", "control")
    machine.does("tee", SETTINGS, text=with_key(text, "onion", "folder", "onion"))
    with TorNetwork() as network, tor_network_reached(machine, network):
        client = network.add("client", socks=True)
        client.start()
        client.wait_until_bootstrapped()
        units.does("restart", "tor", "steunpunt.target")
        name = f"{HOME}/var/onion/steunpunt-source/hostname"
        machine.waits(f"test -s {name}")
        host = machine.does("cat", name).strip()
        change_setting(machine, "onion_host", f'"{host}"')
        units.does("restart", "steunpunt-source")
        assert b" 200 OK" in wait_for_answer(client, host, "/en/")[:20]
        publisher = main_process(machine, PUBLISHER)

        with UnitUse(units, PUBLISHER) as use:
            units.does("restart", "tor")
            assert b" 200 OK" in wait_for_answer(client, host, "/en/")[:20]

    assert main_process(machine, PUBLISHER) == publisher
    use.is_far_below_the_limits()


@pytest.mark.parametrize("unit", [*PROGRAMS, PUBLISHER])
def test_a_program_that_hangs_is_started_again(units: Units, unit: str) -> None:
    units.start_again_after_hanging(unit)


def test_the_operator_is_told_once_of_each_program_that_hangs_after_each_start(units: Units) -> None:
    units.tell_of_hanging(RUNNING)


def test_the_operator_is_told_once_of_each_program_that_cannot_start(units: Units) -> None:
    units.tell_of_failing(RUNNING)


@pytest.mark.parametrize("unit", JOBS[:2])
def test_the_operator_is_told_of_a_job_that_fails_or_does_not_end(units: Units, unit: str) -> None:
    units.tell_of_failing([unit])
    units.tell_of_job_without_end(unit)


def test_the_program_of_the_manual_sends_an_e_mail_from_the_unit(
    units: Units, tmp_path_factory: pytest.TempPathFactory
) -> None:
    machine, before = units.machine, settings_text(units.machine)
    (program,) = (block for block in read_blocks("operator.md") if block.kind.startswith("python server /"))
    path = program.kind.partition(" server ")[2]
    machine.does("tee", path, text="\n".join((*program.lines, "")))
    machine.does("chmod", "755", path)
    machine.does("install", "--owner=steunpunt", "--mode=600", "/dev/null", f"{HOME}/mail-password")
    machine.does("tee", f"{HOME}/mail-password", text="a password\n")
    start_mail_server(machine, tmp_path_factory.mktemp("mail"))
    change_setting(machine, "failure_command", f'"{path}"')

    units.does("start", "steunpunt-failure@trial")

    machine.does("tee", SETTINGS, text=before)
    machine.waits(f"grep -q QUIT {MAIL}")
    mail = machine.does("cat", MAIL)
    assert "Subject: The mailbox has a fault\n" in mail
    assert b64decode(mail.partition("AUTH PLAIN ")[2].split()[0]) == b"\0mailbox@example.org\0a password"


def test_the_operator_is_told_if_tor_cannot_start(units: Units) -> None:
    before = units.times_told()
    units.machine.does("tee", "/etc/tor/torrc.d/broken.conf", text="NoSetting 1\n")
    units.machine.types("systemctl", "restart", "tor@default")
    units.wait_for("tor@default", "ActiveState", "failed")
    units.wait_until_told(before + 1)
    units.machine.does("rm", "/etc/tor/torrc.d/broken.conf")
    units.does("reset-failed")
    units.does("restart", "tor")


def test_the_operator_is_told_although_another_section_of_the_settings_is_wrong(units: Units) -> None:
    text, before = settings_text(units.machine), units.times_told()
    wrong = text.replace("[source]\n", "[source]\na_key_of_no_version = 1\n", 1)
    units.machine.does("tee", SETTINGS, text=wrong)
    units.machine.types("systemctl", "start", "steunpunt-check")
    units.wait_until_told(before + 1)
    units.machine.does("tee", SETTINGS, text=text)


@pytest.mark.parametrize("unit", ALL)
def test_the_kernel_refuses_a_forbidden_system_call(units: Units, unit: str) -> None:
    units.refuse_forbidden_call(unit)


@pytest.mark.parametrize("unit", ALL)
def test_the_kernel_ends_a_program_that_exceeds_the_memory_limit(units: Units, unit: str) -> None:
    units.end_too_large(unit)


def test_each_program_runs_without_capabilities_and_new_privileges(units: Units) -> None:
    units.does("start", "steunpunt.target")
    assert states(units.machine) == {"active"}
    for program in (*PROGRAMS, PUBLISHER):
        status = units.machine.does("cat", f"/proc/{main_process(units.machine, program)}/status")
        assert re.search(r"(?m)^CapBnd:\s0+$", status)
        assert re.search(r"(?m)^NoNewPrivs:\s1$", status)


def test_apparmor_confines_each_program_if_the_kernel_has_apparmor(units: Units) -> None:
    if not APPARMOR.exists() or APPARMOR.read_text("ascii") != "Y\n":
        print_result("not tried, because this kernel has no AppArmor: the AppArmor profiles")
        return
    profiles = {**dict.fromkeys(RUNNING, "steunpunt_server"), "tor@default": "steunpunt_tor"}
    units.does("start", *profiles)
    for program, profile in profiles.items():
        current = f"/proc/{main_process(units.machine, program)}/attr/current"
        assert units.machine.does("cat", current) == f"{profile} (enforce)\n"
