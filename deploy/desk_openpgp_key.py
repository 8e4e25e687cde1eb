"""The desk's OpenPGP key: made at set-up, or later with `steunpunt keys make-openpgp`."""

import contextlib
import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from crypto.errors import CryptoError
from deploy.desk_for_command import open_desk_for_command
from deploy.errors import OpenPGPError, os_error_as
from deploy.hardening import TMPFS
from gpg.errors import OpenPGPMissingError
from gpg.home import GpgHome, OpenPGPKey
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.desk_keys.keyring_file import keyring_in_place, replace_keyring
from journalist_app.services.whole_desk import publish_letterhead
from web.dates import utc_today

_NO_GPG = "The program gpg (GnuPG 2.2 or newer) is not installed."
_NOT_IN_A_USER_ID = str.maketrans(dict.fromkeys("<>()"))  # gpg reads text in them as an address or comment


def new_openpgp_key(name: str, day: date) -> OpenPGPKey:
    """Make an OpenPGP key whose user id is `name`.

    gpg works in a home folder in memory, which is deleted afterwards.

    Raises:
        OpenPGPError: gpg is missing or failed.
    """
    with _temporary_home() as home:
        return home.make_key(name.translate(_NOT_IN_A_USER_ID), day)


def make_openpgp_key(
    settings: Path, ask_passphrase: Callable[[], str], *, say: Callable[[str], object]
) -> None:
    """Make and publish an OpenPGP key for a desk that has no such key.

    After an interruption, a second run completes the work.

    Raises:
        DeployError: the key was not published. The message says what to do.
        StoreError: the store cannot be used.
    """
    if shutil.which("gpg") is None:
        raise OpenPGPError(_NO_GPG)
    asked: list[str] = []

    def ask_once() -> str:
        asked.append(ask_passphrase())
        return asked[0]

    with open_desk_for_command(settings, ask_once) as desk:
        _make_and_publish(desk, asked[0], say)


def _make_and_publish(desk: OpenDesk, secret: str, say: Callable[[str], object]) -> None:
    published_fingerprint = desk.letterhead.openpgp_fingerprint
    if not desk.keyring.openpgp and published_fingerprint is None:
        key = new_openpgp_key(next(iter(desk.letterhead.desk_name.values())), utc_today())
        # Another process may have changed the keyring since this desk was unlocked.
        written = os_error_as(f"{desk.config.keyring_path} cannot be written")
        with written, keyring_in_place(desk, secret) as keyring:
            replace_keyring(desk, keyring if keyring.openpgp else keyring.with_openpgp(key.secret))
    fingerprint, public = _public_half(desk.keyring.openpgp) if desk.keyring.openpgp else ("", "")
    if published_fingerprint == fingerprint:
        say(f"The desk has an OpenPGP key already: {in_fours(fingerprint)}")
        return
    if published_fingerprint is not None:
        raise OpenPGPError(
            "The letterhead names an OpenPGP key that is not in this keyring. Nothing was changed: use the "
            "newest copy of the keyring."
        )
    with desk.store.writing() as session:
        published = publish_letterhead.sign_next_letterhead(
            desk, session, openpgp_fingerprint=fingerprint, openpgp_key=public
        )
    publish_letterhead.use_letterhead(desk, published)
    say(f"The desk's OpenPGP key, for posters too: {in_fours(fingerprint)}")
    say("Lock the adviser's interface and unlock it again, and copy the keyring's backup to another place.")


def _public_half(secret: str) -> tuple[str, str]:
    """Return the fingerprint and the public half of an OpenPGP secret key."""
    with _temporary_home() as home:
        fingerprint = home.import_secret(secret)
        return fingerprint, home.export_public(fingerprint)


@contextlib.contextmanager
def _temporary_home() -> Iterator[GpgHome]:
    """Yield a gpg home in memory, in a folder whose name no one can guess."""
    place = Path(TMPFS) / f"steunpunt-{secrets.token_hex(8)}"
    try:
        with GpgHome.open(place) as home:
            yield home
    except OpenPGPMissingError as why:
        raise OpenPGPError(_NO_GPG) from why
    except CryptoError as why:
        raise OpenPGPError("The program gpg failed.") from why
    finally:
        with contextlib.suppress(OSError):
            place.rmdir()


def in_fours(fingerprint: str) -> str:
    """Return a fingerprint of 40 digits in groups of four digits, so that people can compare it."""
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))
