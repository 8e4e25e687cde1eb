"""A backup brings a server back: journeys go on, both machines catch up, and the posters stay right."""

import json
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from crypto import age
from deploy.backup.backup_folder import MANIFEST_FILE, file_digest
from deploy.backup.restore_backup import restore
from deploy.backup.verified_copy import Screen
from deploy.checking.backup_checks import make_backup_checks
from deploy.checking.check_results import Level
from deploy.checking.machine_files import read_machine_settings
from deploy.cli import terminal
from deploy.errors import DeployError
from deploy.onion.folders import read_service_key
from deploy.settings.load_settings import load_config
from deploy.settings.onion_settings import OnionConfig
from deploy.settings.settings_text import without_sections
from deploy.setup import STORE
from store.database.atomic_files import folder_lock
from store.database.engine import open_store
from store.dialect.own_journal import journal_of
from tests.deploy.backup.backups import BackedUpDesk
from tests.deploy.checking.machines import levels
from tests.deploy.two_machines import Machine, carry, flipped, texts_held
from tests.small_disk import CAN_MOUNT, a_small_disk
from tests.store.factories import a_mailbox
from tests.stores import killed_after
from web.dates import utc_today

pytestmark = pytest.mark.enable_socket


def everything_in(folder: Path) -> dict[str, bytes]:
    """Return the files of a server but its backups, by their paths."""
    files = (path for path in folder.rglob("*") if path.is_file() and "backups" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_lost_server_comes_back_with_its_keys_and_both_machines_catch_up(
    desk: BackedUpDesk, tmp_path: Path
) -> None:
    source, stick = desk.desk.a_source_writes(), tmp_path / "stick"
    carry(desk.server, desk.desk.first, stick)
    backup = desk.backs_up().rename(tmp_path / "kept elsewhere")
    card, fingerprint = desk.server.does("server", "card"), desk.server.does("keys", "fingerprint")
    onion = read_service_key(load_config(desk.server.settings, "onion", OnionConfig).source_folder)
    desk.desk.is_answered(source, desk.desk.first)
    desk.desk.publishes(desk.desk.first, answer_working_days=9)
    carry(desk.desk.first, desk.server, stick)
    desk.desk.a_source_writes("since the backup")
    carry(desk.server, desk.desk.first, stick)
    everything = texts_held(desk.desk.first)
    shutil.rmtree(desk.var)

    said = desk.server.does("restore", backup, "--identity", desk.identity)

    assert "start only the sync endpoint" in said
    assert card == desk.server.does("server", "card")
    assert fingerprint == desk.server.does("keys", "fingerprint")
    assert onion == read_service_key(load_config(desk.server.settings, "onion", OnionConfig).source_folder)
    assert 0o700 == desk.var.stat().st_mode & 0o777
    assert {0o600} == {path.stat().st_mode & 0o777 for path in desk.var.iterdir() if path.is_file()}
    assert "came early" in carry(desk.desk.first, desk.server, stick)
    assert "turned out to be restored to an earlier day" in carry(desk.server, desk.desk.first, stick)
    carry(desk.desk.first, desk.server, stick)
    assert everything == texts_held(desk.server)
    assert "Mailboxes that differ from what was signed: 0." in desk.server.does("store", "verify")


def test_a_workstation_notices_a_restore_of_a_backup_newer_than_its_last_sync(
    desk: BackedUpDesk, tmp_path: Path
) -> None:
    """Lose what a source wrote after the backup, perhaps a withdrawal: the adviser must be told."""
    stick = tmp_path / "stick"
    desk.desk.a_source_writes()
    for _ in range(2):
        carry(desk.server, desk.desk.first, stick)
        carry(desk.desk.first, desk.server, stick)
    carry(desk.server, desk.desk.first, stick)
    backup = desk.backs_up()
    desk.desk.a_source_writes("since the backup")

    desk.server.does("restore", backup, "--replace")

    carry(desk.desk.first, desk.server, stick)
    said = carry(desk.server, desk.desk.first, stick)
    assert "turned out to be restored to an earlier day" in said
    carry(desk.desk.first, desk.server, stick)
    assert texts_held(desk.server) == texts_held(desk.desk.first)


def test_a_rehearsal_with_the_servers_own_backup_is_noted_and_a_replaced_store_is_none(
    desk: BackedUpDesk, tmp_path: Path
) -> None:
    def rehearsed() -> list[Level]:
        return levels(
            make_backup_checks(read_machine_settings(desk.server.settings), utc_today()), "rehearsal"
        )

    backup = desk.backs_up()
    desk.server.does("restore", backup, "--replace")
    assert [Level.WARNING] == rehearsed()

    elsewhere = Machine(tmp_path / "rehearsal" / "config.toml", desk.server.fingerprint)
    said = elsewhere.does("restore", backup, "--identity", desk.identity)

    assert "check --rehearsed" in said
    assert [Level.OK] == rehearsed()


def test_a_store_is_replaced_only_with_replace_and_an_older_letterhead_is_no_fault(
    desk: BackedUpDesk,
) -> None:
    desk.desk.a_source_writes()
    before = texts_held(desk.server)
    backup = desk.backs_up()
    desk.desk.publishes(desk.server, answer_working_days=9)
    desk.desk.a_source_writes()
    desk.server.does("store", "letterhead")  # the newer serial is remembered
    there = everything_in(desk.var)

    assert "add --replace" in desk.server.is_told("restore", backup)
    assert there == everything_in(desk.var)

    desk.server.does("restore", backup, "--replace")

    assert before == texts_held(desk.server)
    desk.server.does("store", "letterhead")
    assert there.keys() == everything_in(desk.var).keys()
    assert there["config.toml"] == everything_in(desk.var)["config.toml"]


def test_a_store_that_was_killed_is_replaced_with_its_journal(desk: BackedUpDesk) -> None:
    desk.desk.a_source_writes()
    backup = desk.backs_up()
    before = texts_held(desk.server)
    store = desk.server.store()
    killed_after(lambda: a_mailbox(store))

    desk.server.does("restore", backup, "--replace")

    assert before == texts_held(desk.server)
    assert not journal_of(desk.var / STORE).exists()


@pytest.mark.parametrize("damage", [b"", b"this is not a store" * 1000])
def test_a_damaged_store_is_replaced(desk: BackedUpDesk, damage: bytes) -> None:
    desk.desk.a_source_writes()
    before = texts_held(desk.server)
    backup = desk.backs_up()
    (desk.var / STORE).write_bytes(damage)
    journal_of(desk.var / STORE).write_bytes(b"remains")

    desk.server.does("restore", backup, "--replace")

    assert before == texts_held(desk.server)


def test_a_restored_store_under_the_journal_of_the_lost_one_is_refused(desk: BackedUpDesk) -> None:
    """Someone copies the file of a backup by hand, over a server that was killed."""
    backup = desk.backs_up()
    store = desk.server.store()
    killed_after(lambda: a_mailbox(store))
    shutil.copyfile(backup / "store.db", desk.var / STORE)

    assert "belongs to another file" in desk.server.is_told("store", "verify")
    desk.server.does("restore", backup, "--replace")
    desk.server.does("store", "verify")


def test_nothing_is_restored_while_a_program_runs(desk: BackedUpDesk) -> None:
    backup = desk.backs_up()
    there = everything_in(desk.var)
    with closing(desk.server.store()) as store, store.reading() as session:
        session.connection().exec_driver_sql("SELECT 1 FROM mailbox")
        assert "stop all programs" in desk.server.is_told("restore", backup, "--replace")
    for section in ("source", "sync"):
        with socket.socket() as program:
            program.bind(("127.0.0.1", 0))
            program.listen()
            desk.set(section, "bind", f'"127.0.0.1:{program.getsockname()[1]}"')
            assert "A program listens on" in desk.server.is_told("restore", backup, "--replace")
            desk.set(section, "bind", '"127.0.0.9:18099"')
    assert {**there, "config.toml": b""} == {**everything_in(desk.var), "config.toml": b""}


def test_a_program_that_starts_during_the_verification_is_noticed(desk: BackedUpDesk) -> None:
    backup = desk.backs_up()
    there = everything_in(desk.var)
    store = desk.server.store()

    with ExitStack() as program:

        def start(step: str) -> None:
            if step.startswith("Verifying"):
                session = program.enter_context(store.reading())
                session.connection().exec_driver_sql("SELECT 1 FROM mailbox")

        screen = Screen(lambda _: None, start, *[lambda _done, _total: None] * 3)
        with pytest.raises(DeployError, match="stop all programs"):
            restore(desk.server.settings, backup, None, replace=True, screen=screen)
    store.close()

    assert there == everything_in(desk.var)


def test_two_restores_at_once_do_not_disturb_each_other(desk: BackedUpDesk) -> None:
    backup = desk.backs_up()
    with folder_lock(desk.var.parent, is_waiting=False):
        assert "Another restore or set-up is running" in desk.server.is_told("restore", backup, "--replace")


def newer(backup: Path, **changes: object) -> None:
    path = backup / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def no_manifest(backup: Path) -> None:
    (backup / MANIFEST_FILE).unlink()


def store_missing(backup: Path) -> None:
    (backup / "store.db").unlink()


def without_store(backup: Path) -> None:
    newer(backup, digests={})


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda backup: newer(backup, format=2, more="unknown"), "made by a newer version"),
        (lambda backup: newer(backup, tables="9999"), "made by a newer version"),
        (lambda backup: newer(backup, faults="none"), "is damaged"),
        (lambda backup: newer(backup, format="x"), "is damaged"),
        (lambda backup: (backup / MANIFEST_FILE).write_bytes(b"["), "is damaged"),
        (without_store, "is damaged"),
        (no_manifest, "cannot be read"),
        (store_missing, "cannot be read"),
        (lambda backup: flipped(backup / "store.db", 5000), "store.db in the backup is damaged"),
        (lambda backup: flipped(backup / "keys.age", 2000), "keys.age in the backup is damaged"),
        (lambda backup: (backup / "keys.age").unlink(), "cannot be read"),
    ],
)
def test_a_backup_that_is_damaged_or_newer_changes_nothing(
    desk: BackedUpDesk, spoil: Callable[[Path], object], sentence: str
) -> None:
    backup = desk.backs_up()
    there = everything_in(desk.var)
    spoil(backup)

    for words in (["--replace"], []):
        if not words:
            shutil.rmtree(desk.var / "onion")
            (desk.var / STORE).unlink()
            there = everything_in(desk.var)
        refusal = desk.server.is_told("restore", backup, "--identity", desk.identity, *words)
        assert sentence in refusal
        assert there == everything_in(desk.var)


def test_a_backup_of_another_desk_is_refused(desk: BackedUpDesk) -> None:
    backup = desk.backs_up()
    desk.set("source", "fingerprint", f'"RWQ{"A" * 53}"')

    assert "is forged" in desk.server.is_told("restore", backup, "--replace")


def test_a_letterhead_with_another_salt_is_refused(desk: BackedUpDesk) -> None:
    """No passphrase would open its mailbox any more."""
    desk.server.does("store", "letterhead")
    backup = desk.backs_up()
    serial = desk.var / "letterhead-serial"
    serial.write_text(serial.read_text().split()[0] + " " + "0" * 64 + "\n")
    there = everything_in(desk.var)

    assert "parameters that may never change" in desk.server.is_told("restore", backup, "--replace")
    assert there == everything_in(desk.var)


def test_settings_and_keys_are_never_replaced_by_others(desk: BackedUpDesk) -> None:
    backup = desk.backs_up()
    (desk.var / "server.key").write_bytes(bytes(64))

    said = desk.server.is_told("restore", backup, "--replace", "--identity", desk.identity)

    assert "the key of another server" in said
    assert bytes(64) == (desk.var / "server.key").read_bytes()


def test_an_empty_place_needs_the_identity_of_the_backup(desk: BackedUpDesk, tmp_path: Path) -> None:
    backup = desk.backs_up().rename(tmp_path / "backup")
    shutil.rmtree(desk.var)
    assert "--identity FILE" in desk.server.is_told("restore", backup)

    wrong = tmp_path / "wrong.txt"
    wrong.write_text(age.PQIdentity(b"q" * 32).to_text(), "ascii")
    assert "cannot be decrypted" in desk.server.is_told("restore", backup, "--identity", wrong)
    assert not desk.var.exists()


def test_a_backup_with_a_fault_of_the_store_is_restored_and_the_fault_said(desk: BackedUpDesk) -> None:
    desk.desk.a_source_writes()
    store = desk.server.store()
    with store.writing() as session:
        session.connection().exec_driver_sql("UPDATE entry SET signature = zeroblob(64)")
    store.close()
    desk.server.types("backup")
    (backup,) = desk.folder.iterdir()

    assert "Tell the desk" in desk.server.does("restore", backup, "--replace")


def test_a_server_and_a_workstation_do_not_take_the_store_of_the_other(desk: BackedUpDesk) -> None:
    """The replica has no list of workstations, and the server's store does not know the way to the server."""
    of_server = desk.backs_up()
    store = desk.desk.first.store()
    store.settle()
    of_workstation = desk.desk.folder / "copied by hand"
    of_workstation.mkdir(0o700)
    copy = shutil.copyfile(store.path, of_workstation / "store.db")
    manifest = json.loads((of_server / MANIFEST_FILE).read_text())
    manifest["digests"] = {"store.db": file_digest(copy)}
    (of_workstation / MANIFEST_FILE).write_text(json.dumps(manifest))

    for machine, backup in ((desk.server, of_workstation), (desk.desk.first, of_server)):
        there = everything_in(machine.settings.parent)
        assert "not of this kind of machine" in machine.is_told("restore", backup, "--replace")
        assert there == everything_in(machine.settings.parent)
    said = desk.desk.first.does("restore", of_workstation, "--replace")
    assert "run twice: steunpunt workstation sync" in said


def test_a_one_machine_desk_hears_nothing_about_workstations(desk: BackedUpDesk) -> None:
    backup = desk.backs_up()
    path = desk.server.settings
    path.write_text(without_sections(path.read_text("utf-8"), {"sync"}), "utf-8")

    assert "workstation" not in Machine(path, desk.server.fingerprint).does("restore", backup, "--replace")


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a disk")
def test_a_full_disk_keeps_the_store_that_is_there(desk: BackedUpDesk) -> None:
    desk.desk.a_source_writes("bericht", ("a.pdf", bytes(1_500_000)))
    backup = desk.backs_up()
    with a_small_disk("3m") as disk:
        place = disk / STORE
        store = desk.server.store()
        store.settle()
        shutil.copyfile(store.path, place)
        desk.set("source", "store_path", f'"{place}"')
        before = place.read_bytes()
        assert "no room" in desk.server.is_told("restore", backup, "--replace")
        assert [place] == list(disk.iterdir())
        assert before == place.read_bytes()


def test_a_copy_that_a_killed_restore_left_is_removed(desk: BackedUpDesk) -> None:
    backup = desk.backs_up()
    for ending in ("", "-wal", "-shm"):
        (desk.var / f"{STORE}.restored{ending}").write_bytes(b"half")

    desk.server.does("restore", backup, "--replace")

    assert [STORE] == sorted(path.name for path in desk.var.glob(f"{STORE}*"))
    open_store(desk.var / STORE).close()


def test_a_person_at_the_terminal_sees_how_much_is_copied(
    desk: BackedUpDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = desk.backs_up()
    monkeypatch.setattr(terminal, "_is_watched", lambda: True)

    done = desk.server.types("restore", backup, "--replace")

    size = (backup / STORE).stat().st_size
    assert f"\r[{'#' * 30}] {size} of {size} bytes copied\n" in done.stderr
