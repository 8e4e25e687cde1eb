"""Pages about the desk's own keys: who can open the keyring, new passphrases and sheets, and the backup."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.new_key import NewKey, NewSheet
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import KeysRefusal, KeysRefusedError
from journalist_app.forms import PASSPHRASE_CHARS, SHORT_BYTES
from journalist_app.locale_format import chosen_language
from journalist_app.recovery_sheet.sheet_content import RecoverySheet, sheet_pdf, sheet_text
from journalist_app.requests.access import auto_lock, require_our_form, unlocked
from journalist_app.requests.file_response import file_response
from journalist_app.requests.form_context import adviser_today
from journalist_app.requests.refusal_status import reason_and_status
from journalist_app.services.desk_keys import change_slots, new_keys
from journalist_app.services.desk_keys.keyring_file import find_backup
from report.errors import PdfToolsMissingError
from store.database.keyring_backups import confirm_copied
from web.form_limits import TOKEN_BYTES, takes

bp = Blueprint("keys", __name__, url_prefix="/keys")
_SECRET_BYTES = 4 * PASSPHRASE_CHARS
_NOT_FOUND = 404


@bp.get("")
@unlocked
def show_keys(desk: OpenDesk) -> ResponseReturnValue:
    """Show who can open the keyring, and the forms to add or change a passphrase or a sheet."""
    return _keys_page(desk)


@bp.post("/new")
@takes(token=TOKEN_BYTES, what=TOKEN_BYTES, holder=SHORT_BYTES)
@unlocked
def draw_new_key(desk: OpenDesk) -> ResponseReturnValue:
    """Draw a passphrase or a recovery sheet in memory, and redirect to the page that shows it."""
    require_our_form("keys")
    try:
        desk.new_key = _new_key(desk, request.form.get("what", ""), request.form.get("holder", ""))
    except KeysRefusedError as why:
        return _keys_page(desk, why)
    return redirect(url_for("keys.show_new_key"), code=303)


@bp.get("/new")
@unlocked
def show_new_key(desk: OpenDesk) -> ResponseReturnValue:
    """Show the new passphrase or sheet, and the form to type it back."""
    return _new_key_page(desk)


@bp.post("/use")
@takes(token=TOKEN_BYTES, typed=_SECRET_BYTES, again=_SECRET_BYTES, secret=_SECRET_BYTES)
@unlocked
def submit_new_key(desk: OpenDesk) -> ResponseReturnValue:
    """Add the new passphrase or recovery sheet to the keyring, if the adviser typed its words correctly."""
    require_our_form("keys")
    new, form = desk.new_key, request.form
    if new is None:
        return redirect(url_for("keys.show_keys"), code=303)
    typed, again, secret = (form.get(name, "") for name in ("typed", "again", "secret"))
    try:
        with auto_lock().unlocking:
            new_keys.use_new_key(desk, secret, new, typed, again, adviser_today())
    except KeysRefusedError as why:
        return _new_key_page(desk, why)
    desk.new_key = None
    return redirect(url_for("keys.show_keys", done=1), code=303)


@bp.post("/cancel")
@takes(token=TOKEN_BYTES)
@unlocked
def forget_new_key(desk: OpenDesk) -> ResponseReturnValue:
    """Forget the new passphrase or sheet, which opens nothing yet."""
    require_our_form("keys")
    desk.new_key = None
    return redirect(url_for("keys.show_keys"), code=303)


@bp.get("/sheet.txt")
@unlocked
def download_sheet_text(desk: OpenDesk) -> ResponseReturnValue:
    """Return the new recovery sheet as a text file to print."""
    return file_response([sheet_text(_new_sheet(desk))], "recovery-sheet.txt")


@bp.get("/sheet.pdf")
@unlocked
def download_sheet_pdf(desk: OpenDesk) -> ResponseReturnValue:
    """Return the new recovery sheet as a PDF to print."""
    try:
        return file_response([sheet_pdf(_new_sheet(desk))], "recovery-sheet.pdf")
    except PdfToolsMissingError:
        return redirect(url_for("keys.show_new_key", pdf="missing"), code=303)


@bp.get("/remove/<key_id>")
@unlocked
def show_removal(desk: OpenDesk, key_id: str) -> ResponseReturnValue:
    """Show the form to remove a passphrase or a sheet, and the consequences."""
    return _removal_page(desk, key_id)


@bp.post("/remove/<key_id>")
@takes(token=TOKEN_BYTES, secret=_SECRET_BYTES)
@unlocked
def remove_key(desk: OpenDesk, key_id: str) -> ResponseReturnValue:
    """Remove a passphrase or a recovery sheet from the keyring.

    The removed passphrase or sheet can still open older copies of the keyring file.
    """
    require_our_form("keys")
    try:
        with auto_lock().unlocking:
            change_slots.remove_slot(desk, request.form.get("secret", ""), key_id)
    except KeysRefusedError as why:
        return _removal_page(desk, key_id, why)
    return redirect(url_for("keys.show_keys", done=1), code=303)


@bp.get("/backup")
@unlocked
def download_backup(desk: OpenDesk) -> ResponseReturnValue:
    """Return the newest backup of the keyring, encrypted, as a file to keep in another place."""
    newest = find_backup(desk.config).newest
    with _missing_as_404():
        if newest is None:
            raise FileNotFoundError
        return file_response([newest.path.read_bytes()], newest.path.name)


@bp.post("/copied")
@takes(token=TOKEN_BYTES, name=TOKEN_BYTES)
@unlocked
def confirm_copy(desk: OpenDesk) -> ResponseReturnValue:
    """Note that the adviser has put a copy of the keyring's newest backup in another place."""
    require_our_form("keys")
    newest = find_backup(desk.config).newest
    if newest is not None and newest.path.name == request.form.get("name", ""):
        with _missing_as_404():
            confirm_copied(newest)
    return redirect(url_for("keys.show_keys"), code=303)


def _new_key(desk: OpenDesk, what: str, holder: str) -> NewKey:
    language = chosen_language()
    if what == "sheet":
        return new_keys.draw_sheet(desk, holder, language, adviser_today())
    is_drawn, is_change = not what.endswith("typed"), what.startswith("change")
    return new_keys.new_passphrase(holder, language, is_drawn=is_drawn, is_change=is_change)


def _new_sheet(desk: OpenDesk) -> RecoverySheet:
    if not isinstance(desk.new_key, NewSheet):
        abort(_NOT_FOUND)
    return desk.new_key.sheet


@contextmanager
def _missing_as_404() -> Iterator[None]:
    """Answer with status 404 if the code in the `with` block raises OSError.

    This happens if a backup is gone, or if the folder for backups cannot be written.
    """
    try:
        yield
    except OSError:
        abort(_NOT_FOUND)


def _keys_page(desk: OpenDesk, refused: KeysRefusedError | None = None) -> ResponseReturnValue:
    refusal, status = reason_and_status(refused)
    page = render_template(
        "keys/show.html",
        slots=[(change_slots.slot_id(slot), slot) for slot in desk.keyring.slots],
        backup=find_backup(desk.config),
        folder=desk.config.keyring_backups_path,
        holder=request.form.get("holder", ""),
        refusal=refusal,
        is_done="done" in request.args,
    )
    return page, status


def _new_key_page(desk: OpenDesk, refused: KeysRefusedError | None = None) -> ResponseReturnValue:
    if desk.new_key is None:
        return redirect(url_for("keys.show_keys"), code=303)
    refusal, status = reason_and_status(refused)
    sheet = desk.new_key if isinstance(desk.new_key, NewSheet) else None
    passphrase = desk.new_key if sheet is None else None
    is_pdf_missing = "pdf" in request.args
    page = render_template(
        "keys/new.html", sheet=sheet, new=passphrase, refusal=refusal, is_pdf_missing=is_pdf_missing
    )
    return page, status


def _removal_page(
    desk: OpenDesk, key_id: str, refused: KeysRefusedError | None = None
) -> ResponseReturnValue:
    slot = next((slot for slot in desk.keyring.slots if change_slots.slot_id(slot) == key_id), None)
    if slot is None:
        return _keys_page(desk, KeysRefusedError(KeysRefusal.GONE))
    refusal, status = reason_and_status(refused)
    page = render_template("keys/remove.html", key_id=key_id, slot=slot, refusal=refusal)
    return page, status
