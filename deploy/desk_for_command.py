"""A workstation's desk, opened with the passphrase for one command and closed again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.errors import TwoMachinesError
from deploy.hardening import harden_process, refuse_readable_by_others
from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import (
    LetterheadMovedError,
    UnlockRefusal,
    UnlockRefusedError,
)
from journalist_app.services.desk.unlocking import unlock_desk
from protocol import keyring as keyrings
from protocol.errors import KeyringRefusal, KeyringRefusedError
from protocol.keyring import Keyring
from store.database.engine import open_store

_CLOSED = "The passphrase does not fit, or the keyring is damaged. Nothing was changed."
_OTHER_DESK = "The keyring is another desk's. Nothing was changed: compare the fingerprint with a poster."
_SENTENCES: dict[UnlockRefusal, str] = {
    UnlockRefusal.CLOSED: _CLOSED,
    UnlockRefusal.MISSING: "There is no keyring where the settings say. Nothing was changed.",
    UnlockRefusal.EXPOSED: "Others can read the keyring: run chmod 600 on it. Nothing was changed.",
    UnlockRefusal.OTHER_DESK: _OTHER_DESK,
    UnlockRefusal.LETTERHEAD: (
        "The letterhead in the store must not be used. Nothing was changed: call the operator."
    ),
}


@contextmanager
def open_desk_for_command(settings: Path, passphrase: str) -> Iterator[OpenDesk]:
    """Give the desk of this workstation.

    Raises:
        DeployError: it does not open; one sentence.
        StoreError: the store cannot be used.
    """
    harden_process()
    config = load_config(settings, "adviser", AdviserConfig)
    refuse_readable_by_others(config.keyring_path)
    store = open_store(config.store_path)
    try:
        desk = unlock_desk(config, store, passphrase)
        try:
            yield desk
        finally:
            desk.stop()
    except UnlockRefusedError as why:
        raise TwoMachinesError(_SENTENCES[why.reason]) from why
    except LetterheadMovedError as why:
        raise TwoMachinesError(
            "Another letterhead was published just now: run this again, it goes on from here."
        ) from why
    finally:
        store.close()


def open_keyring_copy(path: Path, passphrase: str, fingerprint: str) -> Keyring:
    """Open a copy of the desk's keyring, of which the poster's fingerprint tells that it is the desk's.

    Raises:
        DeployError: it does not open, or is another desk's.
    """
    refuse_readable_by_others(path)
    try:
        return keyrings.open_keyring(path.read_bytes(), passphrase, fingerprint)
    except OSError as why:
        raise TwoMachinesError(f"{path} cannot be read ({type(why).__name__}).") from why
    except KeyringRefusedError as why:
        raise TwoMachinesError(_OTHER_DESK if why.reason is KeyringRefusal.OTHER_DESK else _CLOSED) from why
