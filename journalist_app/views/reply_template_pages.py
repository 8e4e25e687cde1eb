"""Page on which advisers write, change and delete the desk's reply templates."""

from typing import Any

import msgspec
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crypto.passphrase import DUTCH
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import ReplyTemplateError
from journalist_app.forms import SHORT_BYTES, TEXT_BYTES
from journalist_app.requests import kept_text
from journalist_app.requests.access import require_our_form, unlocked
from journalist_app.requests.refusal_status import REFUSALS, reason_and_status
from journalist_app.services.records import reply_templates
from journalist_app.services.records.reply_templates import NAME_CHARS, TEXT_CHARS, ReplyTemplate
from web.form_limits import TOKEN_BYTES, takes
from web.normal_text import trim

bp = Blueprint("reply_templates", __name__)


@bp.get("/reply-templates")
@unlocked
def show_reply_templates(desk: OpenDesk) -> ResponseReturnValue:
    """Show all reply templates, and a form to write or change a template."""
    return _page(desk)


@bp.post("/reply-templates")
@takes(
    token=TOKEN_BYTES,
    revision=TOKEN_BYTES,
    place=TOKEN_BYTES,
    what=TOKEN_BYTES,
    language=TOKEN_BYTES,
    name=SHORT_BYTES,
    text=TEXT_BYTES,
)
@unlocked
def save_reply_template(desk: OpenDesk) -> ResponseReturnValue:
    """Add, change or delete a reply template.

    If the change is refused, show the form with the typed values.
    """
    form = request.form
    typed = {name: form.get(name, "") for name in ("language", "name", "text", "place")}
    kept_text.keep_typed_text(typed["name"], typed["text"])
    revision, place = form.get("revision", -1, type=int), form.get("place", None, type=int)
    try:
        require_our_form("reply-templates")
        if form.get("what") == "drop":
            reply_templates.drop_template(desk, revision, -1 if place is None else place)
        else:
            reply_templates.put_template(desk, revision, place, _template(typed))
    except REFUSALS as why:
        return _page(desk, typed=typed, refused=why)
    return redirect(url_for("reply_templates.show_reply_templates", kept=1), code=303)


def _template(typed: dict[str, str]) -> ReplyTemplate:
    text = trim(typed["text"].replace("\r\n", "\n"))
    shape = {"language": typed["language"], "name": " ".join(trim(typed["name"]).split()), "text": text}
    try:
        return msgspec.convert(shape, type=ReplyTemplate)
    except msgspec.ValidationError as why:
        raise ReplyTemplateError from why


def _page(
    desk: OpenDesk, *, typed: dict[str, str] | None = None, refused: Exception | None = None
) -> ResponseReturnValue:
    refusal, status = reason_and_status(refused)
    collection = reply_templates.read_templates(desk)
    place = request.args.get("place", -1, type=int)
    fields: dict[str, Any] = typed or {"language": DUTCH, "name": "", "text": "", "place": ""}
    if typed is None and 0 <= place < len(collection.templates):
        chosen = collection.templates[place]
        fields = {**msgspec.structs.asdict(chosen), "text": chosen.text.strip(), "place": str(place)}
    page = render_template(
        "reply_templates/show.html",
        collection=collection,
        typed=fields,
        refusal=refusal,
        is_kept="kept" in request.args,
        name_chars=NAME_CHARS,
        reply_chars=TEXT_CHARS,
    )
    return page, status
