"""Checks on a recipient's OpenPGP key, before it is imported and before anything is encrypted to it.

The functions get keys as python-gnupg lists them: a mapping with `type`, `fingerprint`, `trust`, `expires`
and so on. `today` is a day in UTC.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from gpg.errors import RecipientRefusal, RecipientRefusedError

ListedKey = Mapping[str, Any]

# Size of a key file. A key with a few hundred signatures by others takes 200 KiB.
KEY_BYTES_MAX: Final = 1024 * 1024
_WEAK_BITS: Final = 2048
_FACTORED: Final = frozenset({"1", "2", "3", "16", "17", "20"})  # RFC 4880, 9.1: RSA, ElGamal, DSA


def require_only_key(listed: Sequence[ListedKey], fingerprint: str) -> None:
    """Check that a key file has exactly one public key, and that the key has the right primary fingerprint.

    Raises:
        RecipientRefusedError: the reason is UNREADABLE, SEVERAL or OTHER_KEY.
    """
    if not listed or any(key["type"] != "pub" for key in listed):
        raise RecipientRefusedError(RecipientRefusal.UNREADABLE)
    if len(listed) > 1:
        raise RecipientRefusedError(RecipientRefusal.SEVERAL)
    if listed[0]["fingerprint"] != fingerprint:
        raise RecipientRefusedError(RecipientRefusal.OTHER_KEY)


def newest_usable_subkey(key: ListedKey | None, today: date) -> str:
    """Return the fingerprint of the newest subkey that may be used for encryption today.

    If no subkey may be used but the primary key can encrypt, return the primary fingerprint.

    Raises:
        RecipientRefusedError: the reason is UNKNOWN (no key), REVOKED, EXPIRED, NO_ENCRYPTION or WEAK.
    """
    if key is None:
        raise RecipientRefusedError(RecipientRefusal.UNKNOWN)
    _require_valid(key, today)
    refusals: list[RecipientRefusedError] = []
    for part in _encrypting_parts(key):
        try:
            _require_valid(part, today)
        except RecipientRefusedError as why:
            refusals.append(why)
        else:
            _require_strong(key)
            _require_strong(part)
            return str(part["fingerprint"])
    raise refusals[0] if refusals else RecipientRefusedError(RecipientRefusal.NO_ENCRYPTION)


def _encrypting_parts(key: ListedKey) -> list[ListedKey]:
    """Return an OpenPGP key's subkeys that can encrypt, newest first.

    If the primary key can encrypt too, it comes last.
    """
    info = key.get("subkey_info", {})
    subkeys = [{**info[keyid], "fingerprint": fingerprint} for keyid, _, fingerprint, *_ in key["subkeys"]]
    newest_first = sorted(subkeys, key=lambda subkey: int(subkey["date"]), reverse=True)
    return [part for part in (*newest_first, key) if "e" in part["cap"]]


def _require_valid(part: ListedKey, today: date) -> None:
    """Check that a key or subkey is not revoked, and is not expired on `today`.

    Raises:
        RecipientRefusedError: the reason is REVOKED or EXPIRED.
    """
    if part["trust"] == "r":
        raise RecipientRefusedError(RecipientRefusal.REVOKED)
    if part["expires"] and datetime.fromtimestamp(int(part["expires"]), UTC).date() <= today:
        raise RecipientRefusedError(RecipientRefusal.EXPIRED)


def _require_strong(part: ListedKey) -> None:
    if part["algo"] in _FACTORED and int(part["length"]) < _WEAK_BITS:
        raise RecipientRefusedError(RecipientRefusal.WEAK)
