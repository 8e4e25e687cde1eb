"""Pages of a mailbox's casefile, and the buttons that fill the answer form from a template or draft."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import ForeignFormError, RecordUnsoundError, SendRefusedError
from journalist_app.forms import ANSWER_FIELDS, SHORT_BYTES, TEXT_BYTES, TICKED_FILES, AnswerParts
from journalist_app.requests import kept_text
from journalist_app.requests.access import require_our_form, unlocked
from journalist_app.requests.form_context import address_of, adviser_today, error_page, submitted_form
from journalist_app.requests.refusal_status import REFUSALS, reason_and_status
from journalist_app.services.records import casefiles, drafts
from journalist_app.views import thread_pages
from protocol.identifiers import Address
from store.errors import StoreError
from web.errors import BodyError
from web.form_limits import TOKEN_BYTES, takes

bp = Blueprint("casefile", __name__, url_prefix="/mailbox")
_FIELDS = {
    **dict.fromkeys(("token", "shown", "reminder", *casefiles.CHOICES), TOKEN_BYTES),
    "labels": SHORT_BYTES,
    "handover": TEXT_BYTES,
}


@bp.get("/<address>/casefile")
@unlocked
def show_casefile(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Show the desk's notes about a mailbox, with the forms to change them."""
    return _page(desk, address_of(address))


@bp.post("/<address>/casefile")
@takes(**_FIELDS)
@unlocked
def save_casefile_form(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Save the submitted form with the desk's notes about a mailbox.

    If a value is refused, show the form again with the typed values.
    """
    where, form = address_of(address), request.form
    typed = {name: form.get(name, "") for name in (*casefiles.CHOICES, "labels", "reminder", "handover")}
    kept_text.keep_typed_text(*typed.values())
    try:
        require_our_form(f"casefile {address}")
        casefiles.save_casefile(desk, where, form.get("shown", ""), typed)
    except REFUSALS as why:
        return _page(desk, where, typed=typed, refused=why)
    return redirect(url_for("casefile.show_casefile", address=address, kept=1), code=303)


@bp.post("/<address>/casefile/notes")
@takes(token=TOKEN_BYTES, shown=TOKEN_BYTES, note=TEXT_BYTES)
@unlocked
def save_note(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Add a dated note to a mailbox's casefile.

    If the note is refused, show the form again with the note's text.
    """
    where, note = address_of(address), request.form.get("note", "")
    kept_text.keep_typed_text(note)
    try:
        require_our_form(f"casefile {address}")
        casefiles.add_casefile_note(desk, where, note, adviser_today())
    except REFUSALS as why:
        return _page(desk, where, note=note, refused=why)
    return redirect(url_for("casefile.show_casefile", address=address, kept=1), code=303)


@bp.post("/<address>/fill-answer")
@takes(more=TICKED_FILES, **ANSWER_FIELDS)
@unlocked
def fill_answer_form(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Save the answer form's text as a draft, or add a reply template or the saved draft to the form."""
    where, parts = address_of(address), AnswerParts()
    try:
        with submitted_form(parts):
            thread_pages.read_answer_context(where, parts)
            text, outcome = _text_with_help(desk, where, parts)
    except (BodyError, ForeignFormError) as why:
        return thread_pages.thread_page(desk, where, parts, refused=why)
    parts.fields["text"] = [text]
    return thread_pages.thread_page(desk, where, parts, outcome=outcome)


def _text_with_help(desk: OpenDesk, where: Address, parts: AnswerParts) -> tuple[str, str]:
    """Return the new text of the answer form, and the key of a message to show (empty for no message).

    The pressed button saves the text as a draft, or adds the saved draft or a reply template to the text.
    """
    text = parts.first("text").replace("\r\n", "\n")
    offered = drafts.read_writing_help(desk, where)
    if parts.first("help") == "keep":
        return text, _save_draft(desk, where, text)
    if parts.first("help") == "draft":
        return _joined(text, offered.draft), ""
    place = parts.first("template")
    is_place = place.isascii() and place.isdigit() and int(place) < len(offered.templates)
    return _joined(text, offered.templates[int(place)].text) if is_place else text, ""


def _save_draft(desk: OpenDesk, where: Address, text: str) -> str:
    """Save the draft of an answer. Return the key of the sentence to show."""
    try:
        drafts.keep_draft(desk, where, text)
    except SendRefusedError as why:
        return why.reason
    except RecordUnsoundError:
        return "draft_unsound"
    except StoreError:
        return "draft_store"
    return "draft_kept"


def _joined(text: str, more: str) -> str:
    more = more.strip()
    if more in text:
        return text
    return f"{text.rstrip()}\n\n{more}" if text.strip() else more


def _page(
    desk: OpenDesk,
    where: Address,
    *,
    typed: dict[str, str] | None = None,
    note: str = "",
    refused: Exception | None = None,
) -> ResponseReturnValue:
    if not casefiles.has_mailbox(desk, where):
        return error_page("missing", 404)
    refusal, status = reason_and_status(refused)
    panel = casefiles.read_casefile_panel(desk, where, adviser_today())
    page = render_template(
        "casefile/show.html",
        address=where.hex(),
        label=desk.label(where),
        panel=panel,
        typed=panel.fields if typed is None else typed,
        lists={name: desk.config.options(f"{name}s") for name in casefiles.CHOICES},
        note=note,
        refusal=refusal,
        is_kept="kept" in request.args,
    )
    return page, status
