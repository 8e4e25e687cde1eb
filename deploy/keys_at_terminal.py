"""The desk's own keys at a terminal: list, add, remove and change passphrases and recovery sheets."""

import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crypto.errors import MalformedError
from crypto.passphrase import DUTCH, Language
from deploy.atomic_folder import refuse_unwritable, write_new
from deploy.errors import DeployError, os_error_as
from deploy.hardening import TMPFS, private_folder
from deploy.settings.load_settings import load_config, sections_in
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import KeysRefusal, KeysRefusedError
from journalist_app.recovery_sheet.sheet_content import RecoverySheet, sheet_pdf, sheet_text
from journalist_app.services.desk_keys import change_slots, new_keys
from journalist_app.services.desk_keys.keyring_file import find_backup
from protocol.keyring import RecoverySlot, has_recovery_slot
from report.errors import PdfToolsMissingError
from store.database.atomic_files import replace_file
from store.database.keyring_backups import KeyringBackup, confirm_copied, list_backups
from web.dates import utc_today

_SENTENCES: Final[dict[KeysRefusal, str]] = {
    KeysRefusal.CLOSED: "The passphrase does not fit, or the keyring is damaged.",
    KeysRefusal.OLDER: "This machine has used a newer keyring: run steunpunt keys recover",
    KeysRefusal.HOLDER: "A name is one line of 1 to 200 visible characters.",
    KeysRefusal.DIFFERENT: "The new passphrase was not typed the same way twice.",
    KeysRefusal.WEAK: "This passphrase is easy to guess. Leave out --typed, and the program draws one.",
    KeysRefusal.NOT_TYPED_BACK: "That is not what was shown.",
    KeysRefusal.SHEET: "A recovery sheet has no passphrase to change: run steunpunt keys add",
    KeysRefusal.TOO_MANY: "The keyring has 16 passphrases and sheets, and has no room for more: remove one.",
    KeysRefusal.LAST: "This is the last one: without it, no one could open the keyring. Add another first.",
    KeysRefusal.GONE: "There is nothing with this id: run steunpunt keys list",
    KeysRefusal.UNWRITTEN: "The keyring cannot be written, for example because the disk is full.",
}
_ADDED: Final = "The new passphrase opens the keyring."
_CHANGED: Final = "Your old passphrase opens only older copies of the keyring now: destroy them."
_REMOVED: Final = (
    "Removed. The passphrase or sheet still opens older copies of the keyring: destroy them. The person who "
    "used it may have copied the desk's keys, and these stay the same."
)
_NO_SHEET_HERE: Final = "A recovery sheet next to the keyring would protect nothing: name another folder."

_ID: Final = re.compile("[0-9a-f]{8}")

Ask = Callable[[str], str]
Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Terminal:
    """Two functions: `say` prints a line, and `ask` asks a question and hides the typed text."""

    say: Say
    ask: Ask


def lacks_sheet(settings: Path) -> bool:
    """Return True if this machine is for an adviser, and no recovery sheet opens its keyring."""
    if "adviser" not in sections_in(settings):
        return False
    with suppress(OSError, MalformedError):
        return not has_recovery_slot(
            load_config(settings, "adviser", AdviserConfig).keyring_path.read_bytes()
        )
    return True


def list_keys(desk: OpenDesk, *, say: Say) -> None:
    """Print each person and each sheet that can open the keyring, and the state of the newest backup."""
    for slot in desk.keyring.slots:
        kind = "recovery sheet" if isinstance(slot, RecoverySlot) else "passphrase"
        since = slot.since.isoformat() if slot.since else "unknown"
        say(f"{change_slots.slot_id(slot)}  {kind:14}  since {since:10}  {slot.holder or 'unknown'}")
    status = find_backup(desk.config)
    if status.newest is None:
        say(f"The keyring has no backup: {desk.config.keyring_backups_path} cannot be written.")
    else:
        place = "copied to another place" if status.is_copied else "not confirmed as copied to another place"
        say(f"Backup: {status.newest.path}, {place}.")


def check_new_key(config: AdviserConfig, holder: str, folder: Path | None) -> None:
    """Check the holder's name and the folder for a new passphrase or recovery sheet.

    Raises:
        DeployError: the name is not one line, or a sheet cannot be written in the folder.
    """
    with _refused_as_sentences():
        change_slots.require_holder(holder)
    if folder is not None:
        _refuse_beside_keyring(config, folder)
        refuse_unwritable(folder / "sheet")


def refuse_no_id(typed: str) -> None:
    """Check that a text has the form of an id that `steunpunt keys list` prints.

    Raises:
        DeployError: the text has another form.
    """
    if _ID.fullmatch(typed) is None:
        raise DeployError(f"{_SENTENCES[KeysRefusal.GONE]} Nothing was changed.")


def ask_new_passphrase(
    desk: OpenDesk, secret: str, terminal: Terminal, holder: str | None, *, is_typed: bool
) -> None:
    """Add a passphrase for `holder`. The program draws it, or the person at the terminal chooses it.

    If `holder` is None, the new passphrase replaces the passphrase `secret`.

    Raises:
        DeployError: nothing was changed.
    """
    with _refused_as_sentences():
        new = new_keys.new_passphrase(holder or "", DUTCH, is_drawn=not is_typed, is_change=holder is None)
        if is_typed:
            typed, again = terminal.ask("New passphrase"), terminal.ask("The same passphrase again")
        else:
            terminal.say(f"The new passphrase, shown only this once:\n\n    {new.drawn}\n\nWrite it down.")
            typed, again = terminal.ask("Type the new passphrase"), ""
        new_keys.use_new_key(desk, secret, new, typed, again, utc_today())
    terminal.say(f"{_CHANGED if new.is_change else _ADDED} {_copy_sentence(desk)}")


def drop_key(desk: OpenDesk, secret: str, unwanted: str, *, say: Say) -> None:
    """Remove a passphrase or a recovery sheet, by its id.

    Raises:
        DeployError: nothing was changed.
    """
    with _refused_as_sentences():
        change_slots.remove_slot(desk, secret, unwanted)
    say(f"{_REMOVED} {_copy_sentence(desk)}")


def print_new_sheet(  # noqa: PLR0913, PLR0917  # where the sheet goes, and in which language
    desk: OpenDesk, secret: str, terminal: Terminal, safe: str, language: Language, folder: Path | None
) -> None:
    """Make a recovery sheet, and ask for one word of the printed sheet. Then let the sheet open the keyring.

    The files to print are deleted at the end. If `folder` is None, these files are never on a disk.

    Raises:
        DeployError: nothing was changed.
    """
    with _refused_as_sentences():
        new = new_keys.draw_sheet(desk, safe, language, utc_today())
    with _sheet_files(desk.config, new.sheet, folder) as paths:
        terminal.say(f"Print this sheet now, once: {paths[-1]}")
        terminal.say("The files are deleted as soon as you have typed the word, or press Ctrl-C.")
        while True:
            typed = terminal.ask(f"Word {new.asked} on the printed sheet")
            with _refused_as_sentences():
                try:
                    new_keys.use_new_key(desk, secret, new, typed, "", utc_today())
                    break
                except KeysRefusedError as why:
                    if why.reason is not KeysRefusal.NOT_TYPED_BACK:
                        raise
                    terminal.say(_SENTENCES[why.reason])
    terminal.say(
        f"The sheet opens the keyring. It belongs in: {new.sheet.facts.safe}. {_copy_sentence(desk)}"
    )


def compare_copy(config: AdviserConfig, copy: Path, *, say: Say) -> None:
    """Check that a file is a copy of the keyring's newest backup, and remember that such a copy exists.

    Raises:
        DeployError: the file is not a copy of a backup, or is in the same folder as the backups.
    """
    folder = config.keyring_backups_path
    with os_error_as(f"{copy} cannot be read"):
        backup, is_elsewhere = _newest_backup(config), copy.resolve().parent != folder.resolve()
        if copy.read_bytes() != backup.path.read_bytes():
            raise DeployError(f"{copy} is not the newest backup: copy {backup.path} again.")
    if not is_elsewhere:
        raise DeployError(f"{copy} is the backup itself: name the copy on another disk.")
    with os_error_as(f"{folder} cannot be written"):
        confirm_copied(backup)
    say(f"{copy} is the keyring with serial {backup.serial}. Keep it in another place than this machine.")


def copy_backup(config: AdviserConfig, folder: Path, *, say: Say) -> None:
    """Copy the keyring's newest backup to a folder, under the same name, and compare the copy.

    Name the older copies in the folder, because removed passphrases can still open them.

    Raises:
        DeployError: there is no backup, or the folder cannot be written.
    """
    with os_error_as(f"{config.keyring_backups_path} cannot be read"):
        backup = _newest_backup(config)
        content = backup.path.read_bytes()
    if folder.resolve() == backup.path.resolve().parent:
        raise DeployError(f"{folder} is the folder of the backup itself: name a folder on another disk.")
    with os_error_as(f"{folder} cannot be written"):
        replace_file(folder / backup.path.name, [content])
    compare_copy(config, folder / backup.path.name, say=say)
    for each in list_backups(folder):
        if each.strand == backup.strand and each.serial < backup.serial:
            say(f"Destroy the older copy {each.path}: a removed passphrase may still open it.")


def _newest_backup(config: AdviserConfig) -> KeyringBackup:
    backup = find_backup(config).newest
    if backup is None:
        raise DeployError(
            f"{config.keyring_backups_path} has no backup of the keyring in use: unlock the adviser's "
            "interface."
        )
    return backup


@contextmanager
def _refused_as_sentences() -> Iterator[None]:
    try:
        yield
    except KeysRefusedError as why:
        raise DeployError(f"{_SENTENCES[why.reason]} Nothing was changed.") from why


@contextmanager
def _sheet_files(config: AdviserConfig, sheet: RecoverySheet, folder: Path | None) -> Iterator[list[Path]]:
    place = folder or Path(TMPFS) / f"steunpunt-sheet-{secrets.token_hex(8)}"
    _refuse_beside_keyring(config, place)
    written: list[Path] = []
    try:
        with os_error_as(f"{place} cannot be written"):
            if folder is None:
                private_folder(place)
            name = f"recovery-sheet-{secrets.token_hex(4)}"  # a new name: all files here are deleted again
            written.append(place / f"{name}.txt")
            write_new(written[0], sheet_text(sheet))
            with suppress(
                PdfToolsMissingError
            ):  # the text has everything that the PDF has, except the QR code
                content = sheet_pdf(sheet)
                written.append(place / f"{name}.pdf")
                write_new(written[1], content)
        yield written
    finally:
        for path in written:
            path.unlink(missing_ok=True)
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def _refuse_beside_keyring(config: AdviserConfig, place: Path) -> None:
    if place.resolve().is_relative_to(config.keyring_path.parent.resolve()):
        raise DeployError(_NO_SHEET_HERE)


def _copy_sentence(desk: OpenDesk) -> str:
    backup = find_backup(desk.config).newest
    place = backup.path if backup is not None else f"the backup in {desk.config.keyring_backups_path}"
    return f"Copy {place} to a USB stick or another disk, with: steunpunt keys copy-backup FOLDER"
