"""New passphrases and recovery sheets, which open nothing before someone has typed them back."""

import hmac
import secrets
from datetime import date

from crypto.age.recovery_key import RECOVERY_WORDS, draw_identity
from crypto.passphrase import Language, generate_passphrase, normalise_passphrase
from journalist_app.desk.new_key import NewKey, NewPassphrase, NewSheet
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import KeysRefusal, KeysRefusedError
from journalist_app.recovery_sheet.sheet_content import SheetFacts, compose_sheet
from journalist_app.services.desk_keys import change_slots
from store.database.keyring_backups import backup_name
from web.languages import closest


def new_passphrase(
    holder: str, language: Language, *, is_drawn: bool, is_change: bool = False
) -> NewPassphrase:
    """Prepare a new passphrase. If `is_drawn` is False, the adviser chooses it later.

    Raises:
        KeysRefusedError: the holder's name is not one line of visible characters.
    """
    name = "" if is_change else change_slots.require_holder(holder)
    return NewPassphrase(name, generate_passphrase(language) if is_drawn else "", is_change)


def draw_sheet(desk: OpenDesk, safe: str, language: Language, today: date) -> NewSheet:
    """Prepare a new recovery sheet with a random key. `safe` is the name of the safe where the sheet is kept.

    Raises:
        KeysRefusedError: the safe's name is not one line of visible characters.
    """
    names = desk.letterhead.desk_name
    facts = SheetFacts(
        desk_name=names[closest(language, names)],
        fingerprint=desk.keyring.fingerprint,
        safe=change_slots.require_holder(safe),
        day=today,
        backup=backup_name(desk.keyring.strand.id, desk.keyring.serial + 1),
        identity=draw_identity(),
    )
    return NewSheet(compose_sheet(facts, language), 1 + secrets.randbelow(RECOVERY_WORDS))


def use_new_key(  # noqa: PLR0913, PLR0917  # the fields of one form
    desk: OpenDesk, secret: str, new: NewKey, typed: str, again: str, today: date
) -> None:
    """Check what was typed back, and let the new passphrase or sheet open the keyring.

    `secret` opens the keyring now. `again` is used only for a passphrase that the adviser chose.

    Raises:
        KeysRefusedError: nothing was changed; `reason` says why.
    """
    if isinstance(new, NewSheet):
        _require_typed_back(typed, new.sheet.seed_words[new.asked - 1])
        facts = new.sheet.facts
        change_slots.add_sheet(desk, secret, facts.identity, holder=facts.safe, today=today)
        return
    if new.drawn:
        _require_typed_back(typed, new.drawn)
    else:
        change_slots.require_passphrase(typed, again)
    if new.is_change:
        change_slots.change_passphrase(desk, secret, typed, today=today)
    else:
        change_slots.add_passphrase(desk, secret, typed, holder=new.holder, today=today)


def _require_typed_back(typed: str, shown: str) -> None:
    if not hmac.compare_digest(*(normalise_passphrase(each).encode() for each in (typed, shown))):
        raise KeysRefusedError(KeysRefusal.NOT_TYPED_BACK)
