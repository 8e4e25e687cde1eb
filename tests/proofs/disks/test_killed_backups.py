"""`backup`, `restore` and `upgrade` that are killed at a random moment: nothing half made, and no loss."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.backup.backup_folder import backups_in, file_digest, read_manifest
from deploy.setup import STORE
from store.database.engine import open_store
from store.database.table_versions import inspect_store
from tests.deploy.backup.backups import BackedUpDesk, a_backed_up_desk
from tests.deploy.servers import ROOT
from tests.deploy.two_machines import texts_held
from tests.next_version import NEXT, ProgramVersion, a_next_program, store_code_of_next_version
from tests.proofs.proof_sizes import BACKUP_KILLS, print_result

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


@pytest.fixture
def desk(tmp_path: Path) -> BackedUpDesk:
    return a_backed_up_desk(tmp_path / "desk")


def run_and_kill(desk: BackedUpDesk, after: float | None, *words: str | Path) -> float:
    """Run a command, and kill it after some seconds, or let it end. Return the seconds that it ran."""
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", desk.server.settings, *words]
    begun = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until_gone(process.pid)
    else:
        assert process.returncode == 0
    return time.monotonic() - begun


def wait_until_gone(group: int) -> None:
    """Wait until the processes that verified the store have ended too."""
    for _ in range(1200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("a process of a killed command still runs")


def fill(desk: BackedUpDesk) -> None:
    for number in range(5):
        desk.desk.a_source_writes(f"bericht {number}", ("a.pdf", os.urandom(2_000_000)))


def test_a_backup_that_is_killed_leaves_no_half_backup(desk: BackedUpDesk) -> None:
    fill(desk)
    held = texts_held(desk.server)
    desk.set("backup", "keep", "3")
    longest = run_and_kill(desk, None, "backup")

    for _ in range(BACKUP_KILLS):
        run_and_kill(desk, random.uniform(0, longest), "backup")
        for name in backups_in(desk.folder):
            backup = desk.folder / name.text
            manifest = read_manifest(backup)
            assert manifest.digests == {each: file_digest(backup / each) for each in manifest.digests}
            assert not manifest.faults

    run_and_kill(desk, None, "backup")
    assert desk.names() == [name.text for name in backups_in(desk.folder)]
    assert held == texts_held(desk.server)
    print_result(f"backups that were killed: {BACKUP_KILLS}, of which none left half a backup")


def test_a_restore_that_is_killed_leaves_one_of_both_stores_and_can_be_repeated(
    desk: BackedUpDesk, tmp_path: Path
) -> None:
    fill(desk)
    backup = desk.backs_up().rename(tmp_path / "backup")
    restored = texts_held(desk.server)
    desk.desk.a_source_writes("since the backup")
    desk.server.store().settle()
    there, other = texts_held(desk.server), tmp_path / "there"
    shutil.copytree(desk.var, other)
    words = ("restore", backup, "--replace", "--identity", desk.identity)
    longest = run_and_kill(desk, None, *words)

    for number in range(BACKUP_KILLS):
        shutil.rmtree(desk.var)
        if number % 2:  # otherwise into an empty place
            shutil.copytree(other, desk.var)
        run_and_kill(desk, random.uniform(0, longest), *words)
        if (desk.var / STORE).exists():
            assert texts_held(desk.server) in (restored, there)
            open_store(desk.var / STORE).settle()
        run_and_kill(desk, None, *words)
        assert restored == texts_held(desk.server)
        assert not list(desk.var.glob("*.restored*"))
        assert "may never change" not in desk.server.does("store", "letterhead")
    print_result(f"restores that were killed and repeated: {BACKUP_KILLS}, of which none lost anything")


def kill_at_work(program: ProgramVersion, settings: Path, after: float | None) -> float:
    """Upgrade, and kill the command some seconds after it begins to change something, or let it end.

    Return the seconds from then to its end.
    """
    process = subprocess.Popen(
        program.words(settings, "upgrade"), cwd=program.folder, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline().startswith((b"Copy", b"Nothing"))
        begun = time.monotonic()
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            wait_until_gone(process.pid)
        else:
            assert process.returncode == 0
    return time.monotonic() - begun


def test_an_upgrade_that_is_killed_can_be_repeated_and_gone_back_from(
    desk: BackedUpDesk, tmp_path: Path
) -> None:
    later, before = a_next_program(tmp_path / "next"), tmp_path / "before"
    settings = desk.server.settings
    fill(desk)
    held = texts_held(desk.server)
    shutil.copytree(desk.var, before)
    longest = kill_at_work(later, settings, None)
    texts = {(before / "config.toml").read_bytes(), settings.read_bytes()}

    half_way = 0
    for _ in range(BACKUP_KILLS):
        shutil.rmtree(desk.var)
        shutil.copytree(before, desk.var)
        kill_at_work(later, settings, random.uniform(0, longest))
        assert settings.read_bytes() in texts
        is_upgraded = inspected_version(desk.var / STORE, later) == NEXT
        half_way += is_upgraded
        copies = list((desk.var / "before-upgrade").glob("backup-????-??-??"))
        assert copies or not is_upgraded
        for copy in copies:
            assert (before / "config.toml").read_bytes() == (copy / "config.toml").read_bytes()
            assert read_manifest(copy).digests == {STORE: file_digest(copy / STORE)}
        kill_at_work(later, settings, None)
        assert not list(desk.var.rglob("*.unfinished"))
        assert not list(desk.var.glob("*.new"))
        assert settings.read_bytes() in texts - {(before / "config.toml").read_bytes()}
        with store_code_of_next_version(later.folder / "store"):
            assert held == texts_held(desk.server)
    copy = min((desk.var / "before-upgrade").glob("backup-*/store.db")).parent
    shutil.copyfile(copy / "config.toml", settings)
    desk.server.does("restore", copy, "--replace")
    assert held == texts_held(desk.server)
    print_result(
        f"upgrades that were killed and repeated: {BACKUP_KILLS}, of which {half_way} had changed the "
        "tables, and none lost anything"
    )


def inspected_version(store: Path, program: ProgramVersion) -> str:
    """Return the version of a store after a kill, which a dry run sees too, perhaps only in its journal."""
    with store_code_of_next_version(program.folder / "store"):
        return inspect_store(store).version
