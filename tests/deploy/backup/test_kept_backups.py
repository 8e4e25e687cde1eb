"""No backup is kept longer than the desk promises, and the newest sound ones stay as long as they may."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace

import pytest

from deploy import clock
from deploy.backup.backup_folder import FORMAT, MANIFEST_FILE, BackupName, Manifest, manifest_bytes
from deploy.backup.kept_backups import backup_faults, remove_old_backups
from deploy.errors import DeployError
from deploy.noted_days import REWRITTEN, SOUND, noted_day
from deploy.quiet_log import OWN_LOGGER
from deploy.settings.settings_text import without_sections
from deploy.sweeping import server_cleanup
from deploy.sweeping.server_cleanup import open_server_cleanup
from store.database.atomic_files import folder_lock
from store.database.table_versions import SCHEMA
from store.dialect import opened_store
from tests.deploy.backup.backups import BackedUpDesk
from tests.deploy.two_machines import newest
from web.dates import utc_today

pytestmark = pytest.mark.enable_socket

TODAY = utc_today()
YESTERDAY = TODAY - timedelta(1)


def a_backup(desk: BackedUpDesk, days: int, number: int = 1, faults: int = 0) -> str:
    """Make a folder that looks like a backup of some days ago. Return its name."""
    name = BackupName(TODAY - timedelta(days), number).text
    folder = desk.folder / name
    folder.mkdir(0o700, parents=True)
    (folder / "store.db").write_bytes(b"ciphertext")
    manifest = Manifest(FORMAT, SCHEMA, TODAY, faults, {"store.db": ""})
    (folder / MANIFEST_FILE).write_bytes(manifest_bytes(manifest))
    return name


def removed(desk: BackedUpDesk) -> int:
    with closing(desk.server.store()) as store:
        return remove_old_backups(desk.server.settings, newest(store, desk.desk.keyring), TODAY)


def test_backups_that_are_too_many_are_removed_and_the_newest_stay(desk: BackedUpDesk) -> None:
    desk.set("backup", "keep", "3")
    made = [a_backup(desk, 2), a_backup(desk, 1), *(a_backup(desk, 0, number) for number in (2, 9, 10))]

    assert 2 == removed(desk)

    assert sorted(made[2:]) == desk.names()


def test_backups_that_are_too_old_are_removed_even_if_there_is_no_other(desk: BackedUpDesk) -> None:
    desk.set("backup", "keep_days", "5")
    a_backup(desk, 6)
    kept = a_backup(desk, 5)
    assert 1 == removed(desk)
    assert [kept] == desk.names()

    desk.set("backup", "keep_days", "4")
    assert 1 == removed(desk)
    assert [] == desk.names()


def test_no_backup_is_older_than_the_day_on_which_a_closed_mailbox_must_be_gone(desk: BackedUpDesk) -> None:
    desk.set("backup", "keep_days", "400")
    desk.desk.publishes(desk.server, retention_days=30)
    a_backup(desk, 31)
    kept = a_backup(desk, 30)

    assert 1 == removed(desk)

    assert [kept] == desk.names()


def test_a_backup_with_faults_replaces_no_sound_one(desk: BackedUpDesk) -> None:
    desk.set("backup", "keep", "1")
    sound = a_backup(desk, 3)
    faulty = a_backup(desk, 2, faults=1)
    damaged = a_backup(desk, 1)
    (desk.folder / damaged / MANIFEST_FILE).write_bytes(b"{")

    assert 0 == removed(desk)
    assert sorted([sound, faulty, damaged]) == desk.names()

    again = a_backup(desk, 0)
    assert 3 == removed(desk)
    assert [again] == desk.names()


def test_a_backup_from_a_later_day_than_today_is_a_fault_that_names_it(desk: BackedUpDesk) -> None:
    """The clock was wrong when it was made. It would stay far longer than the desk promises."""
    made = a_backup(desk, -1)
    (said,) = faults(desk)
    assert made in said
    assert "clock" in said


def test_other_files_in_the_folder_stay(desk: BackedUpDesk) -> None:
    names = [
        "backup-2020-01-01.tar",
        "backup-2020-13-01",
        "backup-2020-01-01-0",
        "notes",
        "backup-2020-01-01-",
    ]
    for name in names:
        (desk.folder / name).mkdir(parents=True)

    assert 0 == removed(desk)

    assert sorted(names) == desk.names()


def test_nothing_is_removed_while_a_backup_is_made_or_without_backups(desk: BackedUpDesk) -> None:
    assert 0 == removed(desk)
    a_backup(desk, 100)
    with folder_lock(desk.folder, is_waiting=False):
        assert 0 == removed(desk)
    path = desk.server.settings
    path.write_text(without_sections(path.read_text("utf-8"), {"backup"}), "utf-8")
    assert 0 == removed(desk)


def test_a_new_backup_removes_old_ones(desk: BackedUpDesk) -> None:
    a_backup(desk, 20)

    assert "Old backups removed: 1." in desk.server.does("backup")

    assert [f"backup-{TODAY}"] == desk.names()
    desk.server.does("backup")
    assert [f"backup-{TODAY}", f"backup-{TODAY}-2"] == desk.names()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger(OWN_LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)


def test_the_sweeper_removes_old_backups_each_night_even_without_a_letterhead(
    desk: BackedUpDesk, logged: io.StringIO
) -> None:
    """The timer that makes the backups may have stopped."""
    sweeper = open_server_cleanup(desk.server.settings)
    sweeper.tidy()
    assert "backups" not in logged.getvalue()
    a_backup(desk, 30)
    left = desk.var / "store.db.restored"
    left.write_bytes(b"what a killed restore left")
    with sweeper.store.writing() as session:
        session.connection().exec_driver_sql("DELETE FROM letterhead")

    sweeper.tidy()

    assert [] == desk.names()
    assert not left.exists()
    assert "old backups removed: 1" in logged.getvalue()
    sweeper.store.close()


def test_a_clock_that_jumps_while_the_sweeper_runs_removes_no_backup_and_is_not_noted(
    desk: BackedUpDesk, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a false time server. The server would have neither its closed mailboxes nor a backup."""
    kept, store = a_backup(desk, 1), desk.var / "store.db"
    sweeper, stop = open_server_cleanup(desk.server.settings), threading.Event()
    sweeper.tidy()
    stop.set()  # after one round
    later = datetime.combine(TODAY + timedelta(365), time(12), UTC)
    for module in (server_cleanup, clock, opened_store):
        monkeypatch.setattr(module, "datetime", SimpleNamespace(now=lambda _: later))
    monkeypatch.setattr(server_cleanup, "utc_today", later.date)

    server_cleanup.sweep_until_stopped(sweeper, stop)

    assert [kept] == desk.names()
    assert (TODAY, SOUND) == noted_day(store, REWRITTEN)
    assert "a clock is wrong" in logged.getvalue()

    server_cleanup.sweep_now(sweeper, lambda _: None, lambda _done, _total: None)  # the operator says so

    assert [] == desk.names()
    assert (later.date(), SOUND) == noted_day(store, REWRITTEN)


def test_a_sweeper_that_cannot_remove_backups_logs_it_and_goes_on(
    desk: BackedUpDesk, logged: io.StringIO
) -> None:
    sweeper = open_server_cleanup(desk.server.settings)
    desk.set("backup", "keep", "0")

    sweeper.tidy()

    assert "old backups are not removed: ConfigError" in logged.getvalue()
    sweeper.store.close()


def faults(desk: BackedUpDesk) -> list[str]:
    with closing(desk.server.store()) as store:
        return list(backup_faults(desk.server.settings, newest(store, desk.desk.keyring), TODAY))


def test_a_server_with_backups_as_promised_has_no_fault(desk: BackedUpDesk) -> None:
    desk.backs_up()

    assert [] == faults(desk)
    with closing(desk.server.store()) as store:
        letterhead = newest(store, desk.desk.keyring)
    assert [] == list(backup_faults(desk.desk.first.settings, letterhead, TODAY))


def test_each_way_in_which_backups_differ_from_the_promise_is_said(desk: BackedUpDesk) -> None:
    desk.set("backup", "keep_days", "100")
    desk.set("backup", "age_recipients", "[]")
    a_backup(desk, 91, faults=1)

    words = ["keep_days is 100", "No backup has the keys", "from before", "without faults"]
    assert all(word in said for word, said in zip(words, faults(desk), strict=True))
    path = desk.server.settings
    path.write_text(without_sections(path.read_text("utf-8"), {"backup"}), "utf-8")
    (only,) = faults(desk)
    assert "no section [backup]" in only


def test_a_letterhead_without_a_promise_leaves_the_setting(desk: BackedUpDesk) -> None:
    desk.set("backup", "keep_days", "100")
    kept = a_backup(desk, 100)

    assert 0 == remove_old_backups(desk.server.settings, None, TODAY)
    assert [kept] == desk.names()


def test_a_backup_that_cannot_be_removed_is_said(desk: BackedUpDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    a_backup(desk, 100)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("shutil.rmtree", refuse)

    with pytest.raises(DeployError, match="cannot be removed"):
        removed(desk)


def test_a_manifest_is_readable_for_people(desk: BackedUpDesk) -> None:
    manifest = json.loads((desk.backs_up() / MANIFEST_FILE).read_text())

    assert date.fromisoformat(manifest["day"]) in {TODAY, TODAY + timedelta(1)}
    assert {"keys.age", "store.db"} == manifest["digests"].keys()
