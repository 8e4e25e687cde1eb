"""An upgrade to the tables of a made-up next version, on a full disk and after a program was killed."""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from deploy.backup.before_upgrade import folder_before_upgrade
from deploy.cli import terminal
from deploy.setup import STORE
from deploy.upgrading import upgrade_machine
from store.database import server_copies
from store.database.engine import open_store
from store.database.file_copies import write_copy
from store.dialect.own_journal import journal_of
from tests.deploy.two_machines import Machine, TwoMachineDesk
from tests.next_version import break_next_version, copy_with_next_migration, store_code_of_next_version
from tests.small_disk import CAN_MOUNT, a_small_disk, make_read_only
from tests.store.factories import a_mailbox, rows
from tests.stores import killed_after

pytestmark = pytest.mark.enable_socket

UNKNOWN = "as root, run dpkg --install with the package of the older version."


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """Return a copy of the folder `store/` that has one more migration."""
    return copy_with_next_migration(tmp_path / "later" / "store")


def files_of(machine: Machine) -> dict[str, bytes]:
    folder = machine.settings.parent
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_store_of_a_killed_program_is_upgraded_with_its_last_change(
    desk: TwoMachineDesk, later: Path
) -> None:
    store = desk.server.store()
    store.settle()
    killed_after(lambda: a_mailbox(store))
    there = files_of(desk.server)
    with store_code_of_next_version(later):
        assert "from version 0001 to version 0002" in desk.server.does("upgrade", "--dry-run")
        assert there == files_of(desk.server)
        store.path.with_name("store.db-shm").unlink()  # as after a power cut
        del there[f"{store.path}-shm"]
        assert "from version 0001 to version 0002" in desk.server.does("upgrade", "--dry-run")
        assert there == files_of(desk.server)

        desk.server.does("upgrade")

        assert not journal_of(store.path).exists()
        with closing(open_store(store.path)) as upgraded:
            assert 1 == rows(upgraded, "mailbox")


def test_the_copy_before_an_upgrade_shows_a_bar(
    desk: TwoMachineDesk, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_is_watched", lambda: True)
    with store_code_of_next_version(later):
        done = desk.server.types("upgrade")

    assert re.search(r"\r\[#{30}\] (\d+) of \1 bytes copied\n", done.stderr)


@pytest.mark.parametrize(
    ("log", "named"),
    [
        (
            "16:20:57 upgrade steunpunt-workstation:amd64 0.1.0 0.2.0\n16:20:57 upgrade tor:amd64 1 2\n",
            "as root, run dpkg --install steunpunt-workstation_0.1.0_amd64.deb.",
        ),
        ("16:20:57 install steunpunt-workstation:amd64 <none> 0.2.0\n", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_a_migration_that_fails_names_the_package_to_go_back_to(
    desk: TwoMachineDesk, later: Path, monkeypatch: pytest.MonkeyPatch, log: str | None, named: str
) -> None:
    """Fault: on a workstation, the error named no way back."""
    break_next_version(later.parent)
    monkeypatch.setattr(upgrade_machine, "_DPKG_LOG", later / "dpkg.log")
    if log is not None:
        (later / "dpkg.log").write_text(log, "utf-8")
    desk.first.store().settle()
    there = files_of(desk.first)

    with store_code_of_next_version(later):
        sentence = desk.first.is_told("upgrade")

    assert "The upgrade failed, and nothing was changed" in sentence
    assert named in sentence
    assert there == files_of(desk.first)


def test_a_file_that_cannot_be_written_names_the_package_to_go_back_to(
    desk: TwoMachineDesk, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade_machine, "_DPKG_LOG", later / "dpkg.log")
    (later / "dpkg.log").write_text("16:20:57 upgrade steunpunt-server:amd64 0.1.0 0.2.0\n", "utf-8")
    folder_before_upgrade(desk.server.store().path).write_text("not a folder", "utf-8")

    with store_code_of_next_version(later):
        sentence = desk.server.is_told("upgrade")

    assert "the upgrade is not complete (FileExistsError): when the disk is in order" in sentence
    assert "as root, run dpkg --install steunpunt-server_0.1.0_amd64.deb." in sentence


def test_a_disk_that_writes_another_copy_leaves_the_older_version_whole(
    desk: TwoMachineDesk, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator goes back with the copy, so a wrong copy must be noticed before the tables change."""
    desk.a_source_writes("before")
    desk.server.store().settle()
    there = files_of(desk.server)

    def write_with_a_fault(path: Path, copy: Path, on_bytes: Callable[[int, int], object]) -> None:
        write_copy(path, copy, on_bytes)
        with closing(sqlite3.connect(copy)) as copied, copied:
            copied.execute("UPDATE sealed SET payload = zeroblob(length(payload))")

    monkeypatch.setattr(server_copies, "write_copy", write_with_a_fault)
    with store_code_of_next_version(later):
        assert "copy of the store differs from the store" in desk.server.is_told("upgrade")

    assert there == files_of(desk.server)


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a disk")
def test_a_disk_that_is_full_at_any_moment_leaves_the_older_version_whole(
    desk: TwoMachineDesk, later: Path
) -> None:
    desk.a_source_writes("before", ("a.pdf", bytes(1_000_000)))
    desk.server.store().settle()
    with a_small_disk("24m") as disk:
        server = Machine(disk / "var" / "config.toml", desk.server.fingerprint)
        shutil.copytree(desk.server.settings.parent, server.settings.parent)
        text = server.settings.read_text("utf-8").replace("threads = 16\n", "", 1)
        server.settings.write_text(text, "utf-8")
        before, refusals = files_of(server), set[str]()
        with store_code_of_next_version(later):
            for free in range(0, 10_000_000, 100_000):
                if not (refusal := upgrades_with_room(server, disk / "ballast", free)):
                    break
                refusals.add(refusal)
                assert before == files_of(server), free
            with closing(open_store(server.settings.parent / STORE)) as upgraded:
                assert 1 == rows(upgraded, "entry")
    assert 2_000_000 < free < 9_000_000
    assert {"has no room", "disk is full"} == {
        words for refusal in refusals for words in ("has no room", "disk is full") if words in refusal
    }, refusals


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a disk")
def test_a_disk_that_became_read_only_is_told_and_a_dry_run_still_works(
    desk: TwoMachineDesk, later: Path
) -> None:
    desk.server.store().settle()
    with a_small_disk("24m") as disk:
        server = Machine(disk / "var" / "config.toml", desk.server.fingerprint)
        shutil.copytree(desk.server.settings.parent, server.settings.parent)
        before = files_of(server)
        make_read_only(disk)
        with store_code_of_next_version(later):
            assert "the upgrade is not complete (OSError)" in server.is_told("upgrade")
            assert "from version 0001 to version 0002" in server.does("upgrade", "--dry-run")
        assert before == files_of(server)


def upgrades_with_room(server: Machine, ballast: Path, free: int) -> str:
    """Upgrade on a disk with so many free bytes. Return the sentence of the refusal, or "" if it was made."""
    ballast.write_bytes(bytes(shutil.disk_usage(ballast.parent).free - free))
    done = server.types("upgrade")
    ballast.unlink()
    assert done.exit_code == 0 or done.stderr.count("Error: ") == 1, done.stderr
    return done.stderr.partition("Error: ")[2].strip()
