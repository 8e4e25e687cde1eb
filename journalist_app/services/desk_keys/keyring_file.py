"""The keyring's file on this workstation: read it, replace it in one step, and write its backup."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import OpenDesk, read_trusted_state
from journalist_app.desk.private_files import ExposedError, read_private
from journalist_app.errors import UnlockRefusal, UnlockRefusedError
from protocol.errors import KeyringRefusal, KeyringRefusedError
from protocol.keyring import Keyring, open_keyring, seal_keyring
from store.database.atomic_files import folder_lock, replace_file
from store.database.keyring_backups import BackupStatus, backup_status, write_backup


def open_keyring_file(config: AdviserConfig, secret: str) -> Keyring:
    """Decrypt this workstation's keyring (the desk's secret keys) with a passphrase or a recovery sheet.

    Raises:
        UnlockRefusedError: the keyring is missing, others can read it, it cannot be decrypted, or it is
            another desk's.
    """
    try:
        return open_keyring(read_private(config.keyring_path), secret, config.fingerprint)
    except ExposedError as why:
        raise UnlockRefusedError(UnlockRefusal.EXPOSED) from why
    except OSError as why:
        raise UnlockRefusedError(UnlockRefusal.MISSING) from why
    except KeyringRefusedError as why:
        is_other = why.reason is KeyringRefusal.OTHER_DESK
        raise UnlockRefusedError(UnlockRefusal.OTHER_DESK if is_other else UnlockRefusal.CLOSED) from why


@contextmanager
def keyring_in_place(desk: OpenDesk, secret: str) -> Iterator[Keyring]:
    """Open the keyring's file with `secret`, and yield the keyring.

    In the `with` block, no other process changes the file. The trusted state is saved after the block.

    Raises:
        UnlockRefusedError: the keyring does not open, or this workstation has used a newer keyring.
    """
    with desk.saving_once(), folder_lock(desk.config.keyring_path.parent, is_waiting=True):
        keyring = open_keyring_file(desk.config, secret)
        saved, _, _ = read_trusted_state(desk.config, desk.keyring)
        if keyring.serial < max(saved.keyring_serial, desk.trusted_state.keyring_serial):
            raise UnlockRefusedError(UnlockRefusal.OLDER)
        yield keyring


def replace_keyring(desk: OpenDesk, keyring: Keyring) -> None:
    """Replace the keyring's file in one step, remember the new serial, and write a backup.

    If the process is killed, the file is the whole old keyring or the whole new one. If the backup cannot be
    written, the next unlocking tries again.

    Raises:
        OSError: the keyring cannot be written. The old keyring stays.
    """
    replace_file(desk.config.keyring_path, [seal_keyring(keyring)])
    desk.keyring = keyring
    desk.saw_serials()
    back_up(desk.config, keyring)


def back_up(config: AdviserConfig, keyring: Keyring) -> None:
    """Write a backup of the keyring, unless the folder for backups has this version or cannot be written.

    If a power cut left an older backup beside this version, the function deletes the older backup.
    """
    with suppress(OSError):  # the page about the keys and the operator's check say that there is no backup
        sealed = config.keyring_path.read_bytes()
        write_backup(config.keyring_backups_path, keyring.strand.id, keyring.serial, sealed)


def find_backup(config: AdviserConfig) -> BackupStatus:
    """Return the backup of this workstation's keyring, and whether a copy in another place is confirmed."""
    return backup_status(config.keyring_backups_path, config.keyring_path)
