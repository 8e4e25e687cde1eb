"""Changes of the keyring's slots: add or remove a passphrase or a recovery sheet, or change a passphrase.

Each change asks for a passphrase or a recovery sheet that opens the keyring now, and reads the file again.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from crypto.age.passphrase_slot import SLOTS_MAX
from crypto.age.recipients import PQIdentity
from crypto.age.recovery_key import read_identity
from crypto.passphrase import Argon2Params, normalise_passphrase
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import KeysRefusal, KeysRefusedError, UnlockRefusal, UnlockRefusedError
from journalist_app.services.desk_keys.keyring_file import keyring_in_place, replace_keyring
from journalist_app.services.desk_keys.passphrase_strength import is_strong
from protocol.keyring import SLOT_COST, AnySlot, RecoverySlot, Slot
from web.normal_text import is_visible_line

HOLDER_CHARS: Final = 200
_ID_DIGITS: Final = 8


def slot_id(slot: AnySlot) -> str:
    """Return a short id (8 hexadecimal digits) of a slot, which does not change when other slots do."""
    return hashlib.sha256(slot.recipient).hexdigest()[:_ID_DIGITS]


def require_holder(holder: str) -> str:
    """Return the name of a slot's holder without spaces around it.

    Raises:
        KeysRefusedError: the name is not one line of 1 to 200 visible characters.
    """
    name = holder.strip()
    if not (len(name) <= HOLDER_CHARS and is_visible_line(name)):
        raise KeysRefusedError(KeysRefusal.HOLDER)
    return name


def require_passphrase(typed: str, again: str) -> None:
    """Check a new passphrase that someone chose and typed twice.

    Raises:
        KeysRefusedError: the two texts differ, or the passphrase is easy to guess.
    """
    if normalise_passphrase(typed) != normalise_passphrase(again):
        raise KeysRefusedError(KeysRefusal.DIFFERENT)
    if not is_strong(typed):
        raise KeysRefusedError(KeysRefusal.WEAK)


def add_passphrase(  # noqa: PLR0913  # what a slot consists of
    desk: OpenDesk, secret: str, passphrase: str, *, holder: str, today: date, cost: Argon2Params = SLOT_COST
) -> None:
    """Add a slot for a new passphrase. `secret` is a passphrase or a sheet that opens the keyring now.

    Raises:
        KeysRefusedError: nothing was changed; `reason` says why.
    """
    slot = Slot.for_passphrase(passphrase, cost, holder=require_holder(holder), since=today)
    change_slots(desk, secret, lambda slots: [*slots, slot])


def add_sheet(desk: OpenDesk, secret: str, identity: PQIdentity, *, holder: str, today: date) -> None:
    """Add a slot for a recovery sheet with this secret key. `holder` is the safe where the sheet is kept.

    Raises:
        KeysRefusedError: nothing was changed; `reason` says why.
    """
    recipient = identity.recipient.to_bytes()
    slot = RecoverySlot(recipient=recipient, holder=require_holder(holder), since=today)
    change_slots(desk, secret, lambda slots: [*slots, slot])


def remove_slot(desk: OpenDesk, secret: str, unwanted: str) -> None:
    """Remove the slot with this short id. Its passphrase or sheet does not open later keyrings.

    Raises:
        KeysRefusedError: nothing was changed. The slot is the last one or is gone, or `secret` is wrong.
    """

    def without(slots: Sequence[AnySlot]) -> list[AnySlot]:
        left = [slot for slot in slots if slot_id(slot) != unwanted]
        if len(left) == len(slots):
            raise KeysRefusedError(KeysRefusal.GONE)
        if not left:
            raise KeysRefusedError(KeysRefusal.LAST)
        return left

    change_slots(desk, secret, without)


def change_passphrase(
    desk: OpenDesk, secret: str, passphrase: str, *, today: date, cost: Argon2Params = SLOT_COST
) -> None:
    """Replace the passphrase `secret` by a new passphrase. The holder stays the same.

    Raises:
        KeysRefusedError: nothing was changed; `reason` says why. For example, `secret` is a recovery sheet.
    """

    def changed(slots: Sequence[AnySlot]) -> list[AnySlot]:
        if read_identity(secret) is not None:
            raise KeysRefusedError(KeysRefusal.SHEET)
        old = next(slot for slot in slots if slot.opens_with(secret))
        fresh = Slot.for_passphrase(passphrase, cost, holder=old.holder, since=today)
        return [fresh if slot is old else slot for slot in slots]

    change_slots(desk, secret, changed)


def change_slots(
    desk: OpenDesk, secret: str, change: Callable[[Sequence[AnySlot]], Sequence[AnySlot]]
) -> None:
    """Read the keyring from its file, change its slots, and write the keyring and a backup.

    Raises:
        KeysRefusedError: nothing was changed; `reason` says why.
    """
    # Another process may have changed the keyring since this desk was unlocked.
    try:
        with keyring_in_place(desk, secret) as keyring:
            slots = change(keyring.slots)
            if len(slots) > SLOTS_MAX:
                raise KeysRefusedError(KeysRefusal.TOO_MANY)
            replace_keyring(desk, keyring.with_slots(slots))
    except UnlockRefusedError as why:
        is_older = why.reason is UnlockRefusal.OLDER
        raise KeysRefusedError(KeysRefusal.OLDER if is_older else KeysRefusal.CLOSED) from why
    except OSError as why:
        raise KeysRefusedError(KeysRefusal.UNWRITTEN) from why
