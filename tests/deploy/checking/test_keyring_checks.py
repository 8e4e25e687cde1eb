"""Checks of the desk's own keys: without a passphrase, and nothing that is unknown looks good."""

from pathlib import Path

from crypto.age.recovery_key import draw_identity
from deploy.checking.check_results import Level
from deploy.checking.keyring_checks import make_keyring_checks
from deploy.checking.machine_files import read_machine_settings
from deploy.setup import KEYRING
from protocol.keyring import RecoverySlot, seal_keyring
from store.database.keyring_backups import backup_status, confirm_copied, write_backup
from tests.deploy.two_machines import Machine, TwoMachineDesk

_BACKUPS = "keyring-backups"


def _levels(machine: Machine) -> dict[str, Level]:
    results = make_keyring_checks(read_machine_settings(machine.settings))
    return {each.check: each.level for each in results}


def test_a_backup_that_no_one_confirmed_as_copied_away_is_a_warning(desk: Machine) -> None:
    folder = desk.settings.parent / _BACKUPS
    assert Level.WARNING is _levels(desk)["keyring_backup"]
    keyring = desk.settings.parent / KEYRING
    write_backup(folder, bytes(8), 2, keyring.read_bytes())
    assert Level.WARNING is _levels(desk)["keyring_backup"]
    newest = backup_status(folder, keyring).newest
    assert newest is not None
    confirm_copied(newest)
    assert Level.OK is _levels(desk)["keyring_backup"]
    write_backup(folder, bytes(8), 3, b"of no use")
    assert Level.WARNING is _levels(desk)["keyring_backup"]


def test_a_keyring_without_a_sheet_is_a_warning_and_a_damaged_one_a_fault(
    made: TwoMachineDesk, desk: Machine
) -> None:
    path: Path = desk.settings.parent / KEYRING
    assert Level.WARNING is _levels(desk)["recovery_sheet"]
    sheet = RecoverySlot(recipient=draw_identity().recipient.to_bytes())
    path.write_bytes(seal_keyring(made.keyring.with_slots([*made.keyring.slots, sheet])))
    assert Level.OK is _levels(desk)["recovery_sheet"]
    path.write_bytes(b"damaged")
    assert Level.FAULT is _levels(desk)["recovery_sheet"]


def test_a_lost_keyring_is_a_fault_that_names_the_command_and_says_nothing_of_its_backups(
    desk: Machine,
) -> None:
    path: Path = desk.settings.parent / KEYRING
    write_backup(desk.settings.parent / _BACKUPS, bytes(8), 2, path.read_bytes())
    path.unlink()

    (result,) = make_keyring_checks(read_machine_settings(desk.settings))

    assert (Level.FAULT, "Run: steunpunt keys recover") == (result.level, result.to_do)


def test_a_backup_of_another_keyring_is_not_called_a_missing_one(desk: Machine) -> None:
    write_backup(desk.settings.parent / _BACKUPS, bytes(8), 2, b"of an older keyring")

    found = make_keyring_checks(read_machine_settings(desk.settings))

    assert "has no backup of the present keyring" in found[0].state


def test_a_server_has_no_keyring_to_check(made: TwoMachineDesk) -> None:
    assert [] == make_keyring_checks(read_machine_settings(made.server.settings))
