"""A backup is complete, consistent and verified, and has nothing that was deleted, and no secret in plain."""

import json
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.backup.backup_folder import MANIFEST_FILE
from deploy.backup.kept_backups import backup_faults
from deploy.exit_codes import ExitCode
from deploy.onion.onion_keys import SECRET_FILE
from deploy.setup import STORE
from store import attachments, entries
from store.database.atomic_files import folder_lock
from store.database.engine import open_store
from tests.deploy.backup.backups import BackedUpDesk
from tests.deploy.two_machines import newest, texts_held
from tests.journalist_app.desk_factories import ASource
from tests.small_disk import CAN_MOUNT, a_read_only_copy_over, a_small_disk
from tests.store.factories import an_entry, an_upload
from web.dates import utc_today

pytestmark = pytest.mark.enable_socket


def digests_in(path: Path) -> set[bytes]:
    with closing(open_store(path)) as store, store.reading() as session:
        return {row[0] for row in session.connection().exec_driver_sql("SELECT digest FROM entry")}


def test_a_backup_has_every_entry_and_only_its_owner_can_read_it(desk: BackedUpDesk) -> None:
    for number in range(3):
        desk.desk.a_source_writes(f"bericht {number}", ("a.pdf", b"content" * 1000))

    backup = desk.backs_up()

    assert ["keys.age", MANIFEST_FILE, "store.db"] == sorted(path.name for path in backup.iterdir())
    assert {0o600} == {path.stat().st_mode & 0o777 for path in backup.iterdir()}
    assert {0o700} == {path.stat().st_mode & 0o777 for path in (backup, desk.folder)}
    assert texts_held(desk.server) == digests_in(backup / "store.db")


def test_a_backup_contains_only_ciphertext(desk: BackedUpDesk) -> None:
    """A thief of the backups learns nothing more than a thief of the store, and gets no key of the server."""
    desk.desk.a_source_writes("een kanarie in een mijn", ("kanarie.pdf", b"kanarie" * 1000))

    raw = b"".join(path.read_bytes() for path in desk.backs_up().iterdir())

    onion = (desk.var / "onion" / "steunpunt-source" / SECRET_FILE).read_bytes()
    server_key = (desk.var / "server.key").read_bytes()
    for secret in (b"kanarie", onion[32:], server_key[:32], server_key[32:], b"store_path"):
        assert secret not in raw


def test_a_backup_has_nothing_that_was_deleted_and_no_upload_that_was_given_up(desk: BackedUpDesk) -> None:
    address = desk.desk.a_source_writes().keys.address
    store = desk.server.store()
    swept, queued = (an_entry(store, address, payload=b"canary" * 900, strand=b"x" * 8) for _ in range(2))
    entry_id = bytes(16)
    an_upload(store, address, entry_id, [b"canary" * 900] * 3)
    with store.writing() as session:
        entries.destroy(session, address, [swept, queued])
        attachments.abandon_uploads(session, address, entry_id)
    store.close()

    backup = Path(re.findall(r"(\S+): \d+ entries", desk.server.types("backup").stdout)[0])

    raw = (backup / "store.db").read_bytes()
    assert b"canary" not in raw
    with closing(sqlite3.connect(backup / "store.db")) as copy:
        assert (0,) == copy.execute("SELECT count(*) FROM deletion_queue").fetchone()


def test_a_backup_is_made_of_one_moment_while_programs_write(desk: BackedUpDesk) -> None:
    """An entry and its file are both in the copy, or neither."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            desk.desk.a_source_writes("bericht", ("a.pdf", b"content" * 10_000))

    writing = threading.Thread(target=write)
    writing.start()
    try:
        backups = [desk.backs_up() for _ in range(3)]
    finally:
        stop.set()
        writing.join()

    counts = [len(digests_in(backup / "store.db")) for backup in backups]
    assert counts == sorted(counts)
    for backup in backups:
        with closing(sqlite3.connect(backup / "store.db")) as copy:
            assert ("ok",) == copy.execute("PRAGMA integrity_check").fetchone()


def test_a_script_reads_where_the_backup_is_and_nothing_else(desk: BackedUpDesk) -> None:
    desk.desk.a_source_writes()

    done = desk.server.types("backup", "--json")

    (made,) = desk.folder.glob("backup-*")
    assert {"folder": str(made), "entries": 1, "faults": 0} == json.loads(done.stdout)
    assert f"{made}: 1 entries verified." in done.stderr


def test_the_backup_of_a_store_with_a_fault_is_kept_and_said(desk: BackedUpDesk) -> None:
    desk.desk.a_source_writes()
    store = desk.server.store()
    with store.writing() as session:
        session.connection().exec_driver_sql("UPDATE entry SET signature = zeroblob(64)")
        session.connection().exec_driver_sql("UPDATE mailbox SET last_day = 7")
    store.close()

    done = desk.server.types("backup")

    assert done.exit_code == ExitCode.FAULTS_FOUND
    assert "Damaged rows: 1." in done.stdout
    assert "Tell the desk" in done.stdout
    assert re.search(r"Mailbox .*signature", done.stdout), done.stdout
    assert 1 == len(desk.names())


def test_a_row_that_is_lost_for_good_is_one_bad_night_and_not_the_end_of_sound_backups(
    desk: BackedUpDesk,
) -> None:
    """Attack: an operator deletes one row. From then on every night is a fault, and every backup stays."""
    desk.set("backup", "keep", "2")
    sources = [desk.desk.a_source_writes() for _ in range(2)]
    lost = []
    with closing(desk.server.store()) as store:
        for source in sources:
            there = ASource(replace(source.world, store=store), source.keys)
            lost.append(there.writes("lost", day=utc_today()))
            there.writes("the newest message names the lost one", day=utc_today())
    sound = desk.backs_up()

    statuses = []
    for entry in (lost[0], None, lost[1], None, None):
        with closing(sqlite3.connect(desk.var / STORE)) as connection, connection:
            connection.execute("DELETE FROM entry WHERE digest = ?", (entry and entry.digest,))
        done = desk.server.types("backup")
        statuses.append(done.exit_code)
        assert "missing" in done.stdout
        assert "Tell the desk" in done.stdout
        assert sound.exists() == (len(statuses) < 4)  # a backup with a new fault replaces no older one

    assert statuses == [3, 0, 3, 0, 0]
    assert 2 == len(desk.names())
    with closing(desk.server.store()) as store:
        letterhead = newest(store, desk.desk.keyring)
    assert [] == list(backup_faults(desk.server.settings, letterhead, utc_today()))


def test_a_forged_row_stays_a_fault_of_every_backup(desk: BackedUpDesk) -> None:
    desk.desk.a_source_writes()
    with closing(sqlite3.connect(desk.var / STORE)) as connection, connection:
        connection.execute("UPDATE entry SET signature = zeroblob(64)")

    assert [3, 3] == [desk.server.types("backup").exit_code for _ in range(2)]


def test_a_damaged_backup_says_nothing_about_the_faults_before(desk: BackedUpDesk) -> None:
    source = desk.desk.a_source_writes()
    with closing(desk.server.store()) as store:
        there = ASource(replace(source.world, store=store), source.keys)
        lost = there.writes("lost", day=utc_today())
        there.writes("names the lost one", day=utc_today())
    with closing(sqlite3.connect(desk.var / STORE)) as connection, connection:
        connection.execute("DELETE FROM entry WHERE digest = ?", (lost.digest,))
    assert desk.server.types("backup").exit_code == 3
    (made,) = desk.folder.iterdir()
    (made / MANIFEST_FILE).write_bytes(b"{")

    assert [3, 0] == [desk.server.types("backup").exit_code for _ in range(2)]


def test_two_backups_at_once_do_not_disturb_each_other(desk: BackedUpDesk) -> None:
    desk.folder.mkdir(0o700)
    with folder_lock(desk.folder, is_waiting=False):
        assert "Another backup is being made" in desk.server.is_told("backup")
    assert [] == desk.names()


def test_what_a_killed_backup_left_is_removed(desk: BackedUpDesk) -> None:
    left = desk.folder / "backup-2026-01-01.unfinished"
    left.mkdir(0o700, parents=True)
    (left / "store.db").write_bytes(b"half of a store")

    backup = desk.backs_up()

    assert [backup.name] == desk.names()


@pytest.mark.parametrize(
    ("recipients", "sentence"),
    [('["age1nobody"]', "not an age recipient"), (f'["age1pq1{"q" * 10}"]', "not an age recipient")],
)
def test_a_wrong_recipient_is_told_before_anything_is_copied(
    desk: BackedUpDesk, recipients: str, sentence: str
) -> None:
    desk.set("backup", "age_recipients", recipients)

    assert sentence in desk.server.is_told("backup")
    assert not desk.folder.exists()


def test_without_recipients_or_keys_the_backup_says_what_it_lacks(desk: BackedUpDesk) -> None:
    shutil.rmtree(desk.var / "onion")
    assert "no onion key" in desk.server.does("backup")

    desk.set("backup", "age_recipients", "[]")
    assert "The backup has no keys" in desk.server.does("backup")


def test_a_server_without_its_key_is_told(desk: BackedUpDesk) -> None:
    (desk.var / "server.key").unlink()

    assert "server.key cannot be read" in desk.server.is_told("backup")
    assert [] == desk.names()


def test_a_workstation_makes_no_backup_of_its_replica(desk: BackedUpDesk) -> None:
    assert "missing section [source]" in desk.desk.first.is_told("backup")


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a disk")
def test_a_full_disk_leaves_nothing_half_made(desk: BackedUpDesk) -> None:
    source = desk.desk.a_source_writes()
    store = desk.server.store()
    for _ in range(8):
        an_upload(store, source.keys.address, b"i" * 16, [bytes(1_000_000)])
    store.close()
    with a_small_disk("4m") as disk:
        desk.set("backup", "folder", f'"{disk / "backups"}"')
        assert "no room" in desk.server.is_told("backup")
        assert [] == list((disk / "backups").iterdir())
        desk.set("backup", "folder", f'"{disk}"')  # the disk itself
        assert "no room" in desk.server.is_told("backup")
    assert (desk.var / STORE).exists()


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a disk")
def test_a_read_only_folder_of_backups_is_told(desk: BackedUpDesk) -> None:
    with a_small_disk("4m") as disk:
        folder = disk / "backups"
        folder.mkdir(0o700)
        desk.set("backup", "folder", f'"{folder}"')
        with a_read_only_copy_over(folder, disk / "copy"):
            assert "cannot be written" in desk.server.is_told("backup")
