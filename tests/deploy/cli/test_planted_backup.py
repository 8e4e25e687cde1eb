"""Attack: someone puts a file with a far higher serial in the folder for backups of the keyring."""

from pathlib import Path

import pytest

from deploy.checking.keyring_checks import make_keyring_checks
from deploy.checking.machine_files import read_machine_settings
from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from store.database.keyring_backups import backup_name, list_backups
from tests.deploy.two_machines import Machine, TwoMachineDesk, a_desk


@pytest.fixture
def desk(tmp_path: Path) -> TwoMachineDesk:
    made = a_desk(tmp_path)
    made.first.does("keys", "list")  # writes the backup
    return made


def _config(machine: Machine) -> AdviserConfig:
    return load_config(machine.settings, "adviser", AdviserConfig)


def _plant(desk: TwoMachineDesk, content: bytes) -> tuple[Path, Path]:
    """Put a file with a high serial beside the backup. Return the backup and this file."""
    folder = _config(desk.first).keyring_backups_path
    (backup,) = list_backups(folder)
    planted = folder / backup_name(desk.keyring.strand.id, 10**9)
    planted.write_bytes(content)
    planted.chmod(0o600)
    return backup.path, planted


def test_the_planted_file_is_not_called_the_backup(desk: TwoMachineDesk, tmp_path: Path) -> None:
    backup, planted = _plant(desk, b"of no use")
    copy = tmp_path / "copy.age"
    copy.write_bytes(planted.read_bytes())

    assert str(backup) in desk.first.does("keys", "list")
    assert f"copy {backup} again" in desk.first.is_told("keys", "confirm-copy", copy)
    (check, _) = make_keyring_checks(read_machine_settings(desk.first.settings))
    assert str(backup) in check.state
    copy.write_bytes(backup.read_bytes())
    desk.first.does("keys", "confirm-copy", copy)
    (check, _) = make_keyring_checks(read_machine_settings(desk.first.settings))
    assert check.level == "ok"


def test_the_planted_file_does_not_stop_the_backups(desk: TwoMachineDesk) -> None:
    backup, _ = _plant(desk, b"of no use")
    backup.unlink()

    assert str(backup) in desk.first.does("keys", "list")


def test_the_newest_backup_that_opens_is_recovered(desk: TwoMachineDesk) -> None:
    backup, planted = _plant(desk, b"of no use")
    keyring = _config(desk.first).keyring_path
    keyring.unlink()

    said = desk.first.does("keys", "recover")

    assert f"{planted} is left out" in said
    assert f"This backup opens: {backup}" in said
    assert keyring.read_bytes() == backup.read_bytes()


def test_a_backup_under_another_name_is_not_what_its_name_says(desk: TwoMachineDesk) -> None:
    folder = _config(desk.first).keyring_backups_path
    backup, planted = _plant(desk, list_backups(folder)[0].path.read_bytes())
    _config(desk.first).keyring_path.unlink()

    said = desk.first.does("keys", "recover")

    assert f"{planted} is left out. This is {backup.name} under another name." in said


def test_with_a_wrong_passphrase_no_backup_opens_and_nothing_changes(desk: TwoMachineDesk) -> None:
    _plant(desk, b"of no use")
    _config(desk.first).keyring_path.unlink()

    done = desk.first.types("keys", "recover", passphrase="fout")

    assert (1, True) == (done.exit_code, "does not fit" in done.stderr)
    assert not _config(desk.first).keyring_path.exists()
