"""Page on which the adviser publishes the desk's texts, in each language that sources read."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.forms import SHORT_BYTES
from journalist_app.requests import kept_text
from journalist_app.requests.access import require_our_form, unlocked
from journalist_app.requests.form_context import adviser_today
from journalist_app.requests.refusal_status import REFUSALS, reason_and_status
from journalist_app.services.whole_desk import desk_texts
from journalist_app.services.whole_desk.desk_texts import DeskTexts
from web.form_limits import TOKEN_BYTES, takes
from web.normal_text import trim

bp = Blueprint("desk_texts", __name__)


@bp.get("/about/texts")
@unlocked
def show_desk_texts(desk: OpenDesk) -> ResponseReturnValue:
    """Show a form for each language. Languages without texts come first, with example texts."""
    return _page(desk, {})


@bp.post("/about/texts")
@takes(
    token=TOKEN_BYTES,
    serial=TOKEN_BYTES,
    language=TOKEN_BYTES,
    name=SHORT_BYTES,
    talk=SHORT_BYTES,
    limits=SHORT_BYTES,
)
@unlocked
def change_desk_texts(desk: OpenDesk) -> ResponseReturnValue:
    """Publish the desk's texts of one language. Refused texts are shown again with the reason."""
    form = request.form
    limits = filter(None, map(trim, form.get("limits", "").splitlines()))
    talk = trim(form.get("talk", "").replace("\r\n", "\n"))
    typed = DeskTexts(trim(form.get("name", "")), talk, tuple(limits))
    language = form.get("language", "")
    kept_text.keep_typed_text(typed.name, typed.talk, *typed.secrecy_limits)
    try:
        require_our_form("desk-texts")
        desk_texts.publish_texts(desk, form.get("serial", 0, type=int), language, typed, adviser_today())
    except REFUSALS as why:
        return _page(desk, {language: typed}, refused=why)
    return redirect(url_for("desk_texts.show_desk_texts", kept=1), code=303)


def _page(
    desk: OpenDesk, typed: Mapping[str, DeskTexts], *, refused: Exception | None = None
) -> ResponseReturnValue:
    refusal, status = reason_and_status(refused)
    page = render_template(
        "about/texts.html",
        missing=desk_texts.missing_texts(desk.letterhead),
        published=desk_texts.published_texts(desk.letterhead),
        typed=typed,
        serial=desk.letterhead.serial,
        refusal=refusal,
        is_kept="kept" in request.args,
    )
    return page, status
