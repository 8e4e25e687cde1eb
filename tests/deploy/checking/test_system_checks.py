"""Checks of the system, on invented copies of the kernel's files: swap, core dumps, programs and logs."""

from pathlib import Path

import pytest

from deploy.checking.check_results import CheckResult, Level
from deploy.checking.machine_files import read_machine_settings
from deploy.checking.running_programs import RunningProgram, running_programs
from deploy.checking.system_checks import check_swap, make_system_checks
from tests.deploy.checking.machines import levels, set_text
from tests.deploy.two_machines import Machine

_HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
SWEEPER = RunningProgram(1000, ("run", "sweeper"), "0")
SOURCE = RunningProgram(1000, ("run", "source"), "0")


def _device(
    root: Path, name: str, *, uuid: str = "", slaves: tuple[str, ...] = (), backing: str = ""
) -> None:
    """Invent a block device, as the kernel shows it."""
    folder = root / "block" / name
    (folder / "dm").mkdir(parents=True)
    (folder / "slaves").mkdir()
    if uuid:
        (folder / "dm" / "uuid").write_text(f"{uuid}\n")
    if backing:
        (folder / "backing_dev").write_text(f"{backing}\n")
    for slave in slaves:
        (folder / "slaves" / slave).symlink_to(root / "block" / slave)
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev" / name).symlink_to(folder)


def _swap(root: Path, *names: str) -> list[CheckResult]:
    text = _HEADER + "".join(f"/dev/{name} partition 1 0 -2\n" for name in names)
    return list(check_swap(text, number_of=lambda path: Path(path).name, devices=root / "dev"))


def test_no_swap_is_fine(tmp_path: Path) -> None:
    assert [Level.OK] == levels(_swap(tmp_path), "swap")


def test_swap_on_a_bare_disk_is_a_fault_that_names_it(tmp_path: Path) -> None:
    _device(tmp_path, "sda2")

    (result,) = _swap(tmp_path, "sda2")

    assert (Level.FAULT, True) == (result.level, "/dev/sda2 is not encrypted" in result.state)


def test_encrypted_swap_and_a_volume_on_an_encrypted_disk_are_fine(tmp_path: Path) -> None:
    _device(tmp_path, "dm-0", uuid="CRYPT-PLAIN-swap")
    _device(tmp_path, "dm-1", uuid="LVM-abc", slaves=("dm-0",))

    assert [Level.OK] == levels(_swap(tmp_path, "dm-0", "dm-1"), "swap")


def test_a_volume_of_which_one_disk_is_not_encrypted_is_a_fault(tmp_path: Path) -> None:
    _device(tmp_path, "dm-0", uuid="CRYPT-LUKS2-x")
    _device(tmp_path, "sdb1")
    _device(tmp_path, "dm-1", uuid="LVM-abc", slaves=("dm-0", "sdb1"))

    assert [Level.FAULT] == levels(_swap(tmp_path, "dm-1"), "swap")


def test_swap_in_memory_is_fine_unless_it_writes_to_a_disk(tmp_path: Path) -> None:
    _device(tmp_path, "zram0", backing="none")
    _device(tmp_path, "zram1", backing="/dev/sda3")

    assert [Level.OK] == levels(_swap(tmp_path, "zram0"), "swap")
    assert [Level.FAULT] == levels(_swap(tmp_path, "zram1"), "swap")


def test_a_swap_space_that_cannot_be_inspected_is_not_called_fine(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _swap(tmp_path, "sdz")


# ---- programs --------------------------------------------------------------------------------------


def _process(proc: Path, number: int, *words: str, user: int = 1000, core: str = "0") -> None:
    folder = proc / str(number)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_text("".join(f"{word}\0" for word in words))
    (folder / "status").write_text(f"Name:\tpython\nUid:\t{user}\t{user}\n")
    (folder / "limits").write_text(
        f"Max core file size        {core}                    0                    bytes\n"
    )


def test_the_programs_of_this_desk_are_found_and_no_others(tmp_path: Path) -> None:
    ours, command = "/srv/steunpunt/var/config.toml", "/srv/steunpunt/.venv/bin/steunpunt"
    _process(tmp_path, 1, "/sbin/init")
    _process(tmp_path, 2, "python", command, "--settings", ours, "run", "source", core="unlimited")
    _process(tmp_path, 3, "python", command, "run", "sweeper", user=0)
    _process(
        tmp_path, 4, "python", "-m", "deploy.cli.main", "--settings", "/other/config.toml", "run", "sweeper"
    )
    _process(tmp_path, 5, "python", command, "check", "--json")
    _process(tmp_path, 8, "python", command, "check", "--rehearsed", user=0)
    _process(tmp_path, 9, "python", command, "check", "--watch", user=0)
    _process(
        tmp_path, 6, "python", "-m", "deploy.cli.main", "--settings", ours, "--parent", "2", "run", "sync"
    )
    (tmp_path / "7").mkdir()  # it ended while we looked

    found = sorted(running_programs(Path(ours), tmp_path), key=lambda each: each.words)

    assert [
        RunningProgram(0, ("check", "--watch"), "0"),
        RunningProgram(1000, ("run", "source"), "unlimited"),
        RunningProgram(0, ("run", "sweeper"), "0"),
        RunningProgram(1000, ("run", "sync"), "0"),
    ] == found


@pytest.mark.parametrize(
    "words",
    [
        ["su", "-", "steunpunt", "-c", "steunpunt run sweeper"],  # as the manual says, from a shell of root
        ["sudo", "-u", "steunpunt", "/srv/steunpunt/.venv/bin/steunpunt", "run", "sweeper"],
        ["rsync", "-a", "/srv/steunpunt", "/mnt/copy"],
        ["-bash", "steunpunt", "run", "sweeper"],
        [],  # a thread of the kernel
    ],
)
def test_a_program_of_root_that_only_names_us_is_not_one_of_ours(tmp_path: Path, words: list[str]) -> None:
    """Each of them was a fault of `steunpunt check`, and stopped an upgrade."""
    _process(tmp_path, 1, *words, user=0)

    assert [] == running_programs(Path("var/config.toml"), tmp_path)


def test_a_program_of_another_desk_on_this_machine_is_known_by_its_folder(tmp_path: Path) -> None:
    """The usual settings file is named from the folder in which a command was typed."""
    proc, command = tmp_path / "proc", "/srv/steunpunt/.venv/bin/steunpunt"
    for number, folder in enumerate(("ours", "other"), 1):
        _process(proc, number, "python", command, "run", "sweeper", user=number)
        _process(proc, number + 2, "python", command, "--settings", "var/config.toml", "run", user=number)
        for each in (number, number + 2):
            (proc / str(each) / "cwd").symlink_to(tmp_path / folder)

    found = running_programs(tmp_path / "ours" / "var" / "config.toml", proc)

    assert {(1, ("run", "sweeper")), (1, ("run",))} == {(each.user, each.words) for each in found}


@pytest.mark.parametrize("name", ["../ours/var/config.toml", "link.toml"])
def test_a_program_is_ours_under_every_name_of_the_settings_file(tmp_path: Path, name: str) -> None:
    """Otherwise `steunpunt upgrade` would change the settings while it runs."""
    ours, proc = tmp_path / "ours" / "var" / "config.toml", tmp_path / "proc"
    ours.parent.mkdir(parents=True)
    ours.touch()
    (tmp_path / "ours" / "link.toml").symlink_to(ours)
    _process(proc, 1, "python", "/usr/local/bin/steunpunt", "--settings", name, "run")
    (proc / "1" / "cwd").symlink_to(tmp_path / "ours")

    assert 1 == len(running_programs(ours, proc))


def _checked(desk: Machine, *programs: RunningProgram, logs: tuple[Path, ...] = ()) -> list[CheckResult]:
    return make_system_checks(read_machine_settings(desk.settings), programs, logs)


def test_a_program_that_does_not_run_is_a_fault(desk: Machine) -> None:
    assert [Level.OK, Level.OK] == levels(_checked(desk, SWEEPER, SOURCE), "running")
    assert [Level.FAULT, Level.OK] == levels(_checked(desk, SOURCE), "running")


def test_a_program_that_could_leave_a_core_dump_is_a_fault(desk: Machine) -> None:
    dumping = RunningProgram(1000, ("run", "source"), "unlimited")

    (result,) = (each for each in _checked(desk, SWEEPER, dumping) if each.check == "core_dumps")

    assert (Level.FAULT, True) == (result.level, "run source" in result.state)
    assert [Level.OK] == levels(_checked(desk, SWEEPER), "core_dumps")


def test_without_a_running_program_the_core_dumps_are_unknown_and_not_fine(desk: Machine) -> None:
    assert [Level.UNKNOWN] == levels(_checked(desk), "core_dumps")


# ---- logs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["GET / 203.0.113.9 200", "from [2001:db8::7]:443", "client: 198.51.100.1:5000,", "::ffff:203.0.113.9"],
)
def test_a_log_with_the_address_of_a_visitor_is_a_fault_that_does_not_repeat_it(
    desk: Machine, tmp_path: Path, line: str
) -> None:
    log = tmp_path / "access.log"
    log.write_text(f"2026-11-30 12:34:56 started\n{line}\n")

    (result,) = (each for each in _checked(desk, logs=(log,)) if each.check == "logs")

    assert Level.FAULT is result.level
    assert not any(part in result.line for part in ("203.0", "2001:", "198.51"))


@pytest.mark.parametrize(
    "line",
    [
        "12:34:56 nginx 1.22.1 started",
        "listening on 127.0.0.1:8080",
        "bind [::1]:80",
        "std::string",
        "[notice] Tor 0.4.9.11 opening new log file.",
    ],
)
def test_a_log_without_addresses_of_visitors_is_fine(desk: Machine, tmp_path: Path, line: str) -> None:
    log = tmp_path / "notices.log"
    log.write_text(f"{line}\n")

    assert [Level.OK] == levels(_checked(desk, logs=(log,)), "logs")


def test_a_log_that_cannot_be_read_is_unknown(desk: Machine, tmp_path: Path) -> None:
    assert [Level.UNKNOWN] == levels(_checked(desk, logs=(tmp_path / "missing.log",)), "logs")


def test_the_logs_of_a_proxy_or_of_tor_that_no_one_named_are_unknown(desk: Machine) -> None:
    assert [] == levels(_checked(desk), "logs")
    set_text(desk, "source", "onion_socket", "/run/steunpunt/source.sock")
    assert [Level.UNKNOWN] == levels(_checked(desk), "logs")


def test_the_journal_is_checked_or_the_check_says_that_it_was_not(
    desk: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "journalctl"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [Level.WARNING] == levels(_checked(desk), "journal")
    for text, level in (
        ("echo 2026-11-30 error x", Level.OK),
        ("echo 203.0.113.9", Level.FAULT),
        ("exit 1", Level.UNKNOWN),
    ):
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        assert [level] == levels(_checked(desk), "journal")
