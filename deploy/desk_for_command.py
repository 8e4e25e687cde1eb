"""The desk on a workstation, unlocked with the adviser's passphrase for one command and then locked again."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from deploy.errors import DeployError, os_error_as
from deploy.hardening import refuse_readable_by_others, refuse_unusable_keyring
from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import LOST_STATES, OpenDesk
from journalist_app.errors import LetterheadMovedError, UnlockRefusal, UnlockRefusedError
from journalist_app.services.whole_desk.unlocking import unlock_desk
from protocol import keyring as keyrings
from protocol.errors import KeyringRefusal, KeyringRefusedError
from protocol.keyring import Keyring
from store.database.engine import Store, open_store

_CLOSED = "The passphrase does not fit, or the keyring is damaged. Nothing was changed."
_OTHER_DESK = "The keyring is another desk's. Nothing was changed: compare the fingerprint with a poster."
_MOVED = "Another letterhead was published just now. Run the command again: it continues from here."
_LOST_STATE = "trusted-state.age is missing or damaged: call the operator."
_SENTENCES: dict[UnlockRefusal, str] = {
    UnlockRefusal.CLOSED: _CLOSED,
    UnlockRefusal.MISSING: "There is no keyring where the settings say. Nothing was changed.",
    UnlockRefusal.EXPOSED: "Others can read the keyring: run chmod 600 on it. Nothing was changed.",
    UnlockRefusal.OTHER_DESK: _OTHER_DESK,
    UnlockRefusal.OLDER: "This machine has used a newer keyring: find out who put the old one back, and then "
    "run steunpunt keys recover",
    UnlockRefusal.LETTERHEAD: "The letterhead must not be used. Nothing was changed: call the operator.",
}


@contextmanager
def open_desk_for_command(
    settings: Path,
    ask_passphrase: Callable[[], str],
    check_first: Callable[[AdviserConfig, Store], object] = lambda _config, _store: None,
) -> Iterator[OpenDesk]:
    """Yield the desk of this workstation, unlocked with a passphrase, and lock the desk afterwards.

    `check_first` is called before the passphrase is asked, and raises DeployError if the command cannot
    succeed.

    Raises:
        DeployError: the desk cannot be unlocked, or its signed letterhead was replaced during the command.
        StoreError: the store cannot be used.
    """
    config = load_config(settings, "adviser", AdviserConfig)
    refuse_unusable_keyring(config.keyring_path)
    try:
        with closing(open_store(config.store_path)) as store:
            check_first(config, store)
            desk = unlock_desk(config, store, ask_passphrase())
            try:
                if desk.trusted_state_status in LOST_STATES:
                    click.echo(_LOST_STATE, err=True)
                yield desk
            finally:
                desk.stop()
    except UnlockRefusedError as why:
        raise DeployError(_SENTENCES[why.reason]) from why
    except LetterheadMovedError as why:
        raise DeployError(_MOVED) from why


def open_keyring_copy(path: Path, ask_passphrase: Callable[[], str], fingerprint: str) -> Keyring:
    """Decrypt a copy of the desk's keyring (secret keys), and check that it has the desk's `fingerprint`.

    Raises:
        DeployError: the copy cannot be decrypted, or is another desk's keyring.
    """
    refuse_readable_by_others(path)
    try:
        with os_error_as(f"{path} cannot be read"):
            return keyrings.open_keyring(path.read_bytes(), ask_passphrase(), fingerprint)
    except KeyringRefusedError as why:
        raise DeployError(_OTHER_DESK if why.reason is KeyringRefusal.OTHER_DESK else _CLOSED) from why
