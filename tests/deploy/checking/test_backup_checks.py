"""Checks of backups: a server needs a fresh and verified backup, and a rehearsed restore."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.checking.backup_checks import make_backup_checks
from deploy.checking.check_results import CheckResult, Level
from deploy.checking.machine_files import read_machine_settings
from deploy.noted_days import REHEARSED, REWRITTEN, note_day
from deploy.onion.folders import write_service_key
from deploy.onion.onion_keys import OnionKey
from deploy.settings.backup_settings import BackupConfig
from deploy.settings.load_settings import load_config
from deploy.settings.onion_settings import OnionConfig
from deploy.setup import STORE
from protocol.letterhead import TRIAL_SALT
from tests.deploy.checking.machines import levels, set_text
from tests.deploy.two_machines import Machine, TwoMachineDesk
from web.dates import utc_today

pytestmark = pytest.mark.enable_socket  # a pairing syncs
TODAY = utc_today()
RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"  # of age's own manual


@pytest.fixture
def server(made: TwoMachineDesk, tmp_path: Path) -> Machine:
    """Return a server with a letterhead, which seals its keys to someone."""
    desk = made.copied(tmp_path / "pair")
    desk.pair_first()
    text = desk.server.settings.read_text("utf-8").replace(
        "age_recipients = []", f'age_recipients = ["{RECIPIENT}"]'
    )
    desk.server.settings.write_text(text, "utf-8")
    note_day(desk.server.settings.parent / STORE, REWRITTEN, TODAY)  # its letterhead is years old
    return desk.server


def _checked(machine: Machine, *, days: int = 0) -> list[CheckResult]:
    return make_backup_checks(read_machine_settings(machine.settings), TODAY + timedelta(days=days))


def test_a_server_without_a_backup_is_a_fault_until_there_is_one(server: Machine) -> None:
    before = _checked(server)
    server.does("backup")

    after = _checked(server)

    assert [Level.FAULT] == levels(before, "backup")
    assert [Level.OK] == levels(after, "backup")
    assert f"on {TODAY}" in after[0].state


def test_a_backup_that_is_too_old_is_a_fault(server: Machine) -> None:
    server.does("backup")

    assert [Level.OK] == levels(_checked(server, days=2), "backup")
    assert [Level.FAULT] == levels(_checked(server, days=3), "backup")


def test_backups_that_are_kept_longer_than_the_desk_promises_are_a_fault(server: Machine) -> None:
    server.does("backup")
    keep_days = load_config(server.settings, "backup", BackupConfig).keep_days
    text = server.settings.read_text("utf-8").replace(f"keep_days = {keep_days}", "keep_days = 4000")
    server.settings.write_text(text, "utf-8")

    assert [Level.FAULT, Level.OK] == levels(_checked(server), "backup")


def test_a_newest_backup_without_the_key_of_the_posters_address_is_a_warning(server: Machine) -> None:
    """Tor's user keeps the key, so a backup that root did not make lacks it, night after night."""
    key = OnionKey.draw()
    set_text(server, "source", "onion_host", key.host)
    set_text(server, "onion", "way", "control")
    set_text(server, "onion", "folder", "onion")
    server.does("backup")

    without = _checked(server)

    assert [Level.OK, Level.WARNING] == levels(without, "backup")
    assert "no onion key" in without[1].state
    write_service_key(load_config(server.settings, "onion", OnionConfig).source_folder, key)
    server.does("backup")
    assert [Level.OK] == levels(_checked(server), "backup")


def test_a_server_without_the_section_is_a_fault(server: Machine) -> None:
    text = server.settings.read_text("utf-8")
    head, _, rest = text.partition("[backup]")
    server.settings.write_text(head + "[check]" + rest.partition("[check]")[2], "utf-8")

    assert [Level.FAULT] == levels(_checked(server), "backup")


def test_a_trial_desk_needs_no_backup_and_no_rehearsal(made: TwoMachineDesk, tmp_path: Path) -> None:
    """`steunpunt check` on a demo found a fault that no one should repair."""
    desk = made.copied(tmp_path / "trial")
    assert [Level.FAULT] == [each.level for each in _checked(desk.first)]
    desk.publishes(desk.first, site_salt=TRIAL_SALT)

    (result,) = _checked(desk.first)

    assert (Level.OK, "") == (result.level, result.to_do)
    assert "trial desk" in result.state


def test_backups_of_a_trial_desk_are_checked_if_its_settings_ask_for_them(
    made: TwoMachineDesk, tmp_path: Path
) -> None:
    desk = made.copied(tmp_path / "trial")
    desk.publishes(desk.first, site_salt=TRIAL_SALT)
    text = desk.first.settings.read_text("utf-8")
    text += '[backup]\nfolder = "backups"\nkeep = 7\nkeep_days = 7\nage_recipients = []\n'
    desk.first.settings.write_text(text, "utf-8")

    assert [Level.FAULT, Level.FAULT] == levels(_checked(desk.first), "backup")


def test_a_store_that_cannot_be_read_leaves_the_promise_unknown(server: Machine) -> None:
    (server.settings.parent / STORE).unlink()

    assert [Level.UNKNOWN] == levels(_checked(server), "backup")


def test_a_new_server_without_a_letterhead_is_not_told_to_run_as_another_user(server: Machine) -> None:
    with closing(sqlite3.connect(server.settings.parent / STORE)) as store, store:
        store.execute("DELETE FROM letterhead")

    (result, *_) = _checked(server)

    assert (Level.UNKNOWN, "") == (result.level, result.to_do)
    assert "holds no letterhead" in result.state


def test_a_workstation_has_no_backup_of_its_store(made: TwoMachineDesk, tmp_path: Path) -> None:
    desk = made.copied(tmp_path / "pair")
    desk.pair_first()

    assert [] == _checked(desk.first)


def test_a_restore_that_was_not_rehearsed_for_six_months_is_a_warning_until_it_was(server: Machine) -> None:
    assert [Level.WARNING] == levels(_checked(server), "rehearsal")
    note_day(server.settings.parent / STORE, REHEARSED, TODAY - timedelta(days=184))
    assert [Level.WARNING] == levels(_checked(server), "rehearsal")

    server.types("check", "--rehearsed")

    assert [Level.OK] == levels(_checked(server), "rehearsal")
