"""Two versions of the program: a machine goes to the next version and back, and loses nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.backup.backup_folder import BackupName
from deploy.backup.before_upgrade import folder_before_upgrade
from deploy.setup import STORE
from tests.deploy.backup.backups import BackedUpDesk
from tests.deploy.two_machines import Machine, TwoMachineDesk, carry, texts_held
from tests.next_version import (
    NEW_COMMENT,
    NEW_KEY,
    THIS_PROGRAM,
    ProgramVersion,
    a_next_program,
    store_code_of_next_version,
)

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> ProgramVersion:
    return a_next_program(tmp_path_factory.mktemp("next") / "program")


def files_of(machine: Machine) -> dict[str, bytes]:
    folder = machine.settings.parent
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def goes_back(machine: Machine) -> str:
    """Do what 'Go back to an older version' of docs/operator.md says. Return what `restore` says."""
    (copy,) = folder_before_upgrade(machine.settings.parent / STORE).iterdir()
    shutil.copyfile(copy / "config.toml", machine.settings)
    return machine.does("restore", copy, "--replace")


def test_a_server_goes_to_the_next_version_and_back(desk: TwoMachineDesk, later: ProgramVersion) -> None:
    desk.a_source_writes("before", ("a.pdf", b"content" * 1000))
    held, settings = texts_held(desk.server), desk.server.settings
    there = files_of(desk.server)
    assert f"missing key '{NEW_KEY}' (run: steunpunt upgrade)" in later.is_told(settings, "run", "source")

    later.does(settings, "upgrade")

    assert f"{NEW_COMMENT}\n{NEW_KEY} = 30\n" in settings.read_text("utf-8")
    assert "1 entries verified" in later.does(settings, "store", "verify")
    refusal = desk.server.is_told("upgrade")
    for words in ("tables of version 0002", "no version after 0001", "Go back to an older version"):
        assert words in refusal
    assert f"unknown key '{NEW_KEY}' in line" in desk.server.is_told("store", "verify")

    goes_back(desk.server)

    assert held == texts_held(desk.server)
    assert there[str(settings)] == settings.read_bytes()
    assert "1 entries verified" in desk.server.does("store", "verify")


def test_a_workstation_goes_back_and_gets_what_was_written_since(
    desk: TwoMachineDesk, later: ProgramVersion, tmp_path: Path
) -> None:
    """The keyring and the trusted state have formats of their own: no upgrade changes them."""
    stick, first = tmp_path / "stick", desk.first
    source = desk.a_source_writes("before")
    carry(desk.server, first, stick)
    carry(first, desk.server, stick)
    desk.is_answered(source, first, "before")
    secrets = {name: content for name, content in files_of(first).items() if name.endswith(".age")}
    later.does(first.settings, "upgrade")
    assert secrets == {name: content for name, content in files_of(first).items() if name.endswith(".age")}
    with store_code_of_next_version(later.folder / "store"):
        desk.is_answered(source, first, "since the upgrade")
        first.settings.write_text(first.settings.read_text("utf-8").replace(f"{NEW_KEY} = 30\n", ""), "utf-8")
        first.does("pouch", "make", stick)
        everything = texts_held(first)
    desk.server.does("pouch", "apply", stick)

    said = goes_back(first)

    assert "Before the adviser writes anything, run twice: steunpunt workstation sync" in said
    assert texts_held(first) < everything
    for _ in range(2):
        carry(first, desk.server, stick)
        carry(desk.server, first, stick)
    assert everything == texts_held(first) == texts_held(desk.server)
    desk.is_answered(source, first, "after going back")
    carry(first, desk.server, stick)
    assert texts_held(first) == texts_held(desk.server)


def test_nothing_is_upgraded_while_a_program_runs(desk: TwoMachineDesk, later: ProgramVersion) -> None:

    there = files_of(desk.server)
    words = THIS_PROGRAM.words(desk.server.settings, "check", "--watch")  # opens the store only now and then
    with subprocess.Popen(words, cwd=THIS_PROGRAM.folder, stdout=subprocess.PIPE) as watch:
        try:
            assert watch.stdout is not None
            watch.stdout.readline()
            said = later.is_told(desk.server.settings, "upgrade")
            planned = later.does(desk.server.settings, "upgrade", "--dry-run")
        finally:
            watch.terminate()
    assert "First stop these programs: steunpunt check --watch." == said
    assert "First stop these programs: steunpunt check --watch." in planned
    assert there.items() <= files_of(desk.server).items()


def test_upgrades_at_once_are_made_once(desk: TwoMachineDesk, later: ProgramVersion) -> None:

    for _ in range(3):
        desk.a_source_writes("before", ("a.pdf", bytes(500_000)))
    processes = [
        subprocess.Popen(
            later.words(desk.server.settings, "upgrade"),
            cwd=later.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [process.communicate() for process in processes]

    results = [process.returncode for process in processes]
    assert 1 == sum("Upgraded." in out for out, _ in said), said
    for status, (out, err) in zip(results, said, strict=True):
        assert status == 0 or "Another upgrade or restore is running" in err or "in use" in err
        assert status != 0 or "Upgraded." in out or "Nothing to do" in out
    assert 1 == len(list(folder_before_upgrade(desk.server.settings.parent / STORE).iterdir()))
    assert "3 entries verified" in later.does(desk.server.settings, "store", "verify")


def test_a_backup_of_an_older_version_is_restored_and_brought_to_this_version(
    desk: TwoMachineDesk, later: ProgramVersion
) -> None:
    desk.a_source_writes("before")
    older = BackedUpDesk(desk).backs_up()
    settings = desk.server.settings
    text = settings.read_text("utf-8").replace("threads = 16\n", f"threads = 16\n{NEW_KEY} = 30\n", 1)
    settings.write_text(text, "utf-8")
    (settings.parent / STORE).unlink()

    assert "with 1 entries" in later.does(settings, "restore", older)

    assert "1 entries verified" in later.does(settings, "backup")
    (newer,) = {each for each in older.parent.iterdir() if BackupName.from_text(each.name)} - {older}
    assert "was made by a newer version" in desk.server.is_told("restore", newer, "--replace")
