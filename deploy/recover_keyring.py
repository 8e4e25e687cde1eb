"""Recovery of the keyring on a workstation, from its newest backup or from a copy."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from deploy.desk_for_command import open_keyring_copy
from deploy.errors import DeployError, os_error_as
from deploy.hardening import refuse_readable_by_others
from deploy.keys_at_terminal import Say
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import TrustedStateStatus, read_trusted_state
from journalist_app.errors import UnlockRefusedError
from journalist_app.services.desk_keys.keyring_file import back_up, open_keyring_file
from protocol.keyring import Keyring, seal_keyring
from store.database.atomic_files import folder_lock, replace_file
from store.database.keyring_backups import backup_name, list_backups

_OTHER_WORKSTATION: Final = (
    "This keyring is another workstation's, or the trusted state is damaged. Nothing was changed. To replace "
    "a lost workstation, run steunpunt workstation rebuild; for a damaged trusted state, see the operator's "
    "manual."
)
_NOT_NEEDED: Final = (
    "The keyring in its place opens with this passphrase or sheet, and is as new as the backup. Nothing was "
    "changed: unlock the adviser's interface with it."
)
_TOO_OLD: Final = (
    "This backup has serial {found}, and this machine has used serial {used}. Later changes are lost: a "
    "passphrase or a sheet that was removed since then opens the keyring again, until you remove it."
)
_THEN: Final = (
    "Unlock the adviser's interface with the passphrase, or with the words of the sheet. Then look at the "
    "page Keys: make a new passphrase if one was lost."
)


def choose_backups(config: AdviserConfig, copy: Path | None) -> list[Path]:
    """Return the files to recover from: the given copy, or all backups in the folder, newest first.

    Raises:
        DeployError: others can read the copy, the folder has no backup, or several workstations made its
            backups.
    """
    if copy is not None:
        refuse_readable_by_others(copy)
        return [copy]
    folder = config.keyring_backups_path
    backups = list_backups(folder)
    if not backups:
        raise DeployError(f"{folder} has no backup of the keyring: name a copy, with --from FILE.")
    if len({backup.strand for backup in backups}) > 1:
        raise DeployError(f"{folder} has backups of several workstations: name this one's, with --from FILE.")
    return [backup.path for backup in backups]


def recover_keyring(config: AdviserConfig, backups: Sequence[Path], secret: str, *, say: Say) -> None:
    """Recover the keyring from the first of these backups that can be opened.

    `secret` is a passphrase or a recovery sheet. If the present keyring file cannot be opened, a copy of the
    file is kept.

    Raises:
        DeployError: no backup can be used, or the keyring needs no recovery. Nothing was changed.
    """
    keyring = _open_first(config, backups, secret, say)
    path = config.keyring_path
    with os_error_as(f"{path} cannot be written"), folder_lock(path.parent, is_waiting=True):
        trusted_state, status, _ = read_trusted_state(config, keyring)
        if status is TrustedStateStatus.DAMAGED:
            raise DeployError(_OTHER_WORKSTATION)
        in_place = _in_place(config, secret)
        newest = in_place if in_place is not None and in_place.serial > keyring.serial else keyring
        remembered = trusted_state.keyring_serial
        if in_place is not None and in_place.serial >= max(newest.serial, remembered):
            raise DeployError(_NOT_NEEDED)
        if newest.serial < remembered:
            say(_TOO_OLD.format(found=newest.serial, used=remembered))
            newest = replace(newest, serial=remembered + 1)
        if in_place is None and path.exists():
            aside = path.with_name(f"{path.name}.set-aside")
            replace_file(
                aside, [path.read_bytes()]
            )  # a copy, so that a keyring is in its place at any moment
            say(f"The file that was in the keyring's place does not open. A copy is in {aside}.")
        replace_file(path, [seal_keyring(newest)])
    back_up(config, newest)
    say(f"The keyring with serial {newest.serial} is in {path}. {_THEN}")


def _open_first(config: AdviserConfig, backups: Sequence[Path], secret: str, say: Say) -> Keyring:
    """Return the keyring in the first backup that can be opened, and say which backups were skipped.

    Raises:
        DeployError: no backup can be opened.
    """
    *newer, last = backups
    for backup in newer:
        try:
            return _open_backup(config, backup, secret, say)
        except DeployError as why:
            say(f"{backup} is left out. {why}")
    return _open_backup(config, last, secret, say)


def _open_backup(config: AdviserConfig, backup: Path, secret: str, say: Say) -> Keyring:
    # Attack: someone puts a file with a far higher serial in the folder, or an old backup under a new name.
    keyring = open_keyring_copy(backup, lambda: secret, config.fingerprint)
    name = backup_name(keyring.strand.id, keyring.serial)
    if backup.parent == config.keyring_backups_path and backup.name != name:
        raise DeployError(f"This is {name} under another name.")
    say(f"This backup opens: {backup}")
    return keyring


def _in_place(config: AdviserConfig, secret: str) -> Keyring | None:
    with contextlib.suppress(UnlockRefusedError):
        return open_keyring_file(config, secret)
    return None
