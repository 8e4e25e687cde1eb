"""Options of gpg's command line, and the parameters of a new key."""

from datetime import UTC, date, datetime, time
from typing import Final

from crypto.errors import MalformedError

# We do not read gpg's messages for people. They can quote text from a stranger's message, and that text
# could pose as a status line.
BASE_OPTIONS: Final = (
    "--no-options --no-auto-key-locate --no-auto-key-retrieve --disable-dirmngr --no-random-seed-file"
    " --display-charset=utf-8 --pinentry-mode=error --logger-file=/dev/null"
    " --allow-freeform-uid"  # `new_key_parameters` checks the name
)
# All keys are imported before a message is encrypted or decrypted. Then gpg needs no lock. The trust model
# is `always` because gpg does not decide about trust here: the settings pin keys by fingerprint, and only a
# pinned key is ever named. With these two options gpg writes to no file. (Importing does not use them,
# because an import fails without a trust database.)
DECRYPTING: Final = ("--lock-never", "--trust-model=always")
# Every OpenPGP program knows AES since 2000 and SHA-512 since 2010. A key's own preferences could ask for
# 3DES.
_ENCRYPTING: Final = (
    "--cipher-algo=AES256 --digest-algo=SHA512 --compress-algo=none"
    " --ignore-time-conflict --ignore-valid-from --set-filename"
)
_USER_ID_SYNTAX: Final = frozenset("<>()")  # gpg reads text in these brackets as an address or a comment


def encryption_options(day: date) -> tuple[str, ...]:
    """Return gpg's command-line options to encrypt and sign a message.

    gpg uses the start of `day`, in UTC, as the current time.
    """
    return (*DECRYPTING, *_ENCRYPTING.split(), "", f"--faked-system-time={int(_midnight(day).timestamp())}!")


def new_key_parameters(name: str, day: date) -> str:
    """Return gpg's parameters for an ed25519 key that signs, with a cv25519 subkey that decrypts.

    `name` is the user id, without an e-mail address. The key is dated at the start of `day`, in UTC.

    Raises:
        MalformedError: the name cannot be a user id, for example because it is empty.
    """
    # The key does not expire, because the desk's signed letterhead says which key is valid.
    if not name.strip() or not name.isprintable() or set(name) & _USER_ID_SYNTAX:
        raise MalformedError
    return (
        "%no-protection\nKey-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign\n"
        "Subkey-Type: ECDH\nSubkey-Curve: cv25519\nSubkey-Usage: encrypt\n"
        f"Name-Real: {name.strip()}\nExpire-Date: 0\nCreation-Date: {_midnight(day):%Y%m%dT%H%M%S}\n%commit\n"
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
