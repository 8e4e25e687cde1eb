"""Pages of a mailbox's casefile, and the buttons that fill the answer form from a template or draft."""

from datetime import date

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import CasefileRefusal, CasefileRefusedError, RecordUnsoundError, SendRefusedError
from journalist_app.forms import DRAIN_TIMES, AnswerParts, read_answer
from journalist_app.requests import kept_text
from journalist_app.requests.access import is_our_form, unlocked
from journalist_app.requests.form_context import address_of, adviser_today
from journalist_app.services.records import casefiles, drafts
from journalist_app.services.records.casefiles import CasefileDetails
from journalist_app.views import thread_pages
from journalist_app.views.refusal_status import REFUSALS, reason_and_status
from protocol.identifiers import Address
from store.errors import StoreError
from web.errors import BodyError
from web.multipart import Body

bp = Blueprint("casefile", __name__, url_prefix="/mailbox")
_FORM_BYTES = 1024 * 1024  # for the fields and the boundaries; files come too and are discarded


@bp.get("/<address>/casefile")
@unlocked
def show_casefile(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Show the casefile of a mailbox, with the forms to change it."""
    return _page(desk, address_of(address))


@bp.post("/<address>/casefile")
@unlocked
def save_casefile_form(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Save the casefile's fields. If the fields are refused, show the form again with the typed values."""
    where, form = address_of(address), request.form
    typed = {name: form.get(name, "") for name in ("labels", "theme", "route", "region", "outcome")}
    typed |= {"reminder": form.get("reminder", ""), "handover": form.get("handover", "")}
    kept_text.keep_typed_text(typed["labels"], typed["handover"])
    if not is_our_form("casefile", form.get("token", "")):
        return _page(desk, where, typed=typed, refusal="stale", status=403)
    try:
        casefiles.save_casefile(desk, where, _details(typed, form.get("shown", "")))
    except REFUSALS as why:
        refusal, status = reason_and_status(why)
        return _page(desk, where, typed=typed, refusal=refusal, status=status)
    return redirect(url_for("casefile.show_casefile", address=address, kept=1), code=303)


def _details(typed: dict[str, str], shown: str) -> CasefileDetails:
    texts = {name: text for name, text in typed.items() if name != "reminder"}
    return CasefileDetails(shown=shown, reminder=_day(typed["reminder"].strip()), **texts)


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed) if typed else None
    except ValueError as why:
        raise CasefileRefusedError(CasefileRefusal.DAY) from why


@bp.post("/<address>/casefile/notes")
@unlocked
def save_note(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Add a dated note to the casefile. If the note is refused, show the form again with the note's text."""
    where, note = address_of(address), request.form.get("note", "")
    kept_text.keep_typed_text(note)
    if not is_our_form("casefile", request.form.get("token", "")):
        return _page(desk, where, note=note, refusal="stale", status=403)
    try:
        casefiles.add_casefile_note(desk, where, note, adviser_today())
    except REFUSALS as why:
        refusal, status = reason_and_status(why)
        return _page(desk, where, note=note, refusal=refusal, status=status)
    return redirect(url_for("casefile.show_casefile", address=address, kept=1), code=303)


@bp.post("/<address>/fill-answer")
@unlocked
def fill_answer_form(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Save the answer form's text as a draft, or add a reply template or the saved draft to the form."""
    where, parts = address_of(address), AnswerParts()
    body = Body(request.environ["wsgi.input"], request.content_length, desk.config.upload_bytes + _FORM_BYTES)
    try:
        read_answer(body, request.content_type or "", desk.config.upload_files, parts)
    except BodyError:
        kept_text.keep_typed_text(*parts.typed())
        body.drain(DRAIN_TIMES * desk.config.upload_bytes)
        return thread_pages.thread_page(
            desk, where, text=parts.text, step=parts.step(), refusal="malformed", status=400
        )
    kept_text.keep_typed_text(*parts.typed())
    body.drain(DRAIN_TIMES * desk.config.upload_bytes)
    if not is_our_form("answer", parts.token):
        return thread_pages.thread_page(
            desk, where, text=parts.text, step=parts.step(), refusal="stale", status=403
        )
    text, refusal = _text_with_help(desk, where, parts)
    return thread_pages.thread_page(desk, where, text=text, step=parts.step(), refusal=refusal)


def _text_with_help(desk: OpenDesk, where: Address, parts: AnswerParts) -> tuple[str, str]:
    """Save a draft, or insert a draft or template, as the pressed button says.

    Return the new text of the answer form, and the key of a message for the page, or an empty string.
    """
    text = parts.text.replace("\r\n", "\n")
    offered = drafts.read_writing_help(desk, where)
    if parts.other("help") == "keep":
        return text, _save_draft(desk, where, text)
    if parts.other("help") == "draft":
        return _joined(text, offered.draft), ""
    place = parts.other("template")
    is_place = place.isascii() and place.isdigit() and int(place) < len(offered.templates)
    return _joined(text, offered.templates[int(place)].text) if is_place else text, ""


def _save_draft(desk: OpenDesk, where: Address, text: str) -> str:
    """Save the text as this mailbox's draft. Return the key of the message that the page shows."""
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
    """Append a template or draft to the text that the adviser typed, so that no typed text is lost."""
    more = more.strip()
    if more in text:
        return text
    return f"{text.rstrip()}\n\n{more}" if text.strip() else more


def _page(  # noqa: PLR0913  # each is shown on the page
    desk: OpenDesk,
    where: Address,
    *,
    typed: dict[str, str] | None = None,
    note: str = "",
    refusal: str = "",
    status: int = 200,
) -> ResponseReturnValue:
    if not casefiles.has_mailbox(desk, where):
        text = "\n\n".join(each for each in (note, *(typed or {}).values()) if each)
        return render_template("refusal.html", what="missing", text=text), 404
    panel = casefiles.read_casefile_panel(desk, where, adviser_today())
    kept = panel.casefile
    fields = {
        "labels": ", ".join(kept.labels),
        "theme": kept.theme,
        "route": kept.route,
        "region": kept.region,
        "outcome": kept.outcome,
        "reminder": kept.reminder.isoformat() if kept.reminder else "",
        "handover": kept.handover,
    }
    page = render_template(
        "casefile/show.html",
        address=where.hex(),
        label=desk.label(where),
        panel=panel,
        typed=fields if typed is None else typed,
        saved=fields,
        lists={name: desk.config.options(f"{name}s") for name in ("theme", "route", "region", "outcome")},
        note=note,
        refusal=refusal,
        is_kept="kept" in request.args,
    )
    return page, status
