"""The desk's OpenPGP key: made with the desk, or by `steunpunt openpgp make` for a desk from before."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from crypto.errors import CryptoError
from deploy.errors import DeployError, OpenPGPError
from deploy.hardening import TMPFS, harden_process, refuse_readable_by_others
from deploy.settings.load_settings import load_config
from gpg.errors import OpenPGPMissingError
from gpg.home import GpgHome, OpenPGPKey
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.private_files import write_private
from journalist_app.errors import (
    LetterheadMovedError,
    UnlockRefusal,
    UnlockRefusedError,
)
from journalist_app.services.desk import publish_letterhead
from journalist_app.services.desk.unlocking import unlock_desk
from protocol import keyring as keyrings
from store.database.engine import open_store
from web.dates import utc_today

_NOT_IN_A_USER_ID = str.maketrans(dict.fromkeys("<>()"))  # gpg takes them for an address and a comment
_SENTENCES: dict[UnlockRefusal, str] = {
    UnlockRefusal.CLOSED: "The passphrase does not fit, or the keyring is damaged. Nothing was changed.",
    UnlockRefusal.MISSING: "There is no keyring where the settings say. Nothing was changed.",
    UnlockRefusal.EXPOSED: "Others can read the keyring: run chmod 600 on it. Nothing was changed.",
    UnlockRefusal.OTHER_DESK: "The keyring is another desk's. Nothing was changed.",
    UnlockRefusal.LETTERHEAD: "The letterhead in the store must not be used. Nothing was changed.",
}


def new_openpgp_key(name: str, day: date) -> OpenPGPKey:
    """Make an OpenPGP key in a home in memory that is gone afterwards; `name` becomes its user id.

    Raises:
        OpenPGPError: it could not be made; one sentence says why.
    """
    with _home() as home:
        return home.make_key(name.translate(_NOT_IN_A_USER_ID), day)


def make_openpgp_key(settings: Path, passphrase: str, *, say: Callable[[str], object]) -> None:
    """Make an OpenPGP key for a desk without one, keep it in the keyring and publish it in the letterhead.

    Stopped between the two, a second run publishes the key that the keyring holds.

    Raises:
        DeployError: it was not done; the message says what to do.
        StoreError: the store cannot be used.
    """
    harden_process()
    config = load_config(settings, "adviser", AdviserConfig)
    refuse_readable_by_others(config.keyring_path)
    store = open_store(config.store_path)
    try:
        desk = unlock_desk(config, store, passphrase)
        with contextlib.ExitStack() as stack:
            stack.callback(desk.stop)
            _make(desk, say)
    except UnlockRefusedError as why:
        raise DeployError(_SENTENCES[why.reason]) from why
    except LetterheadMovedError as why:
        raise DeployError(
            "Another letterhead was published just now: run this again, it goes on from here."
        ) from why
    finally:
        store.close()


def _make(desk: OpenDesk, say: Callable[[str], object]) -> None:
    told = desk.letterhead.openpgp_fingerprint
    if not desk.keyring.openpgp and told is None:
        key = new_openpgp_key(desk.letterhead.desk_name["nl"], utc_today())
        desk.keyring = desk.keyring.with_openpgp(key.secret)
        write_private(desk.config.keyring_path, keyrings.seal_keyring(desk.keyring))
    fingerprint, public = _kept(desk.keyring.openpgp) if desk.keyring.openpgp else ("", "")
    if told == fingerprint:
        say(f"The desk has an OpenPGP key already: {in_fours(fingerprint)}")
        return
    if told is not None:
        raise OpenPGPError(
            "The letterhead names an OpenPGP key that is not in this keyring: use the newest copy of the "
            "keyring. Nothing was changed."
        )
    with desk.store.writing() as session:
        published = publish_letterhead.publish_successor(
            desk, session, openpgp_fingerprint=fingerprint, openpgp_key=public
        )
    publish_letterhead.in_use(desk, published)
    say(f"The desk's OpenPGP key, for posters too: {in_fours(fingerprint)}")
    say("Lock the adviser's interface and unlock it again, and make a new copy of the keyring.")


def _kept(secret: str) -> tuple[str, str]:
    """Return fingerprint and public half of the key in the keyring."""
    with _home() as home:
        fingerprint = home.import_secret(secret)
        return fingerprint, home.export_public(fingerprint)


@contextlib.contextmanager
def _home() -> Iterator[GpgHome]:
    """Give a home in memory, in a folder of its own that nobody can guess."""
    place = Path(TMPFS) / f"steunpunt-{secrets.token_hex(8)}"
    try:
        with GpgHome.open(place) as home:
            yield home
    except OpenPGPMissingError as why:
        raise OpenPGPError("The program gpg (GnuPG 2.2 or newer) is not installed.") from why
    except CryptoError as why:
        raise OpenPGPError("The program gpg did not do what it was asked.") from why
    finally:
        with contextlib.suppress(OSError):
            place.rmdir()


def in_fours(fingerprint: str) -> str:
    """Write a fingerprint of 40 digits as people compare it: in groups of four."""
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))
