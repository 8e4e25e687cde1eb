"""Unsent forms: saves forms that are submitted while the app is locked, and offers them after unlocking."""

from contextlib import suppress

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import ForeignFormError, UnsentRefusedError
from journalist_app.forms import DRAIN_TIMES, AnswerParts, bytes_of_hex, read_answer
from journalist_app.requests.access import open_desk, require_our_form, unlocked
from journalist_app.requests.refusal_status import REFUSALS
from journalist_app.services.records import unsent_forms
from store.errors import StoreError
from web.errors import BodyError
from web.form_limits import TOKEN_BYTES, body_of, takes

bp = Blueprint("unsent", __name__)
_MULTIPART = "multipart/form-data"
_FORM_BYTES = 1024 * 1024  # for the fields and the boundaries, besides the files
_NAME_BYTES = 16
_SECRET_FORMS = frozenset({None, "unlock", "keys"})


@bp.before_app_request
def keep_while_locked() -> ResponseReturnValue | None:
    """While the app is locked, encrypt and save each submitted form, and redirect to the unlock page.

    Forms of the unlock page and of the pages about keys are not saved, because they contain passphrases.
    """
    if request.method != "POST" or request.blueprint in _SECRET_FORMS or open_desk() is not None:
        return None
    fields = _fields()
    texts = [text for name, text in fields if text and name != "token"]
    extensions = current_app.extensions
    try:
        if texts:
            unsent_forms.keep_unsent(
                extensions["store"], extensions["config"], request.path, fields, extensions["today"]()
            )
    except (UnsentRefusedError, StoreError):
        return render_template("refusal.html", what="not_kept", text=max(texts, key=len)), 503
    return redirect(url_for("unlock.show_unlock", reason="kept" if texts else None), code=303)


def _fields() -> list[tuple[str, str]]:
    """Return the text fields of the submitted form. If the form has files, stop at the first file."""
    if request.mimetype != _MULTIPART:
        return list(request.form.items(multi=True))
    config = current_app.extensions["config"]
    body = body_of(request, config.upload_bytes + _FORM_BYTES)
    parts = AnswerParts()
    with suppress(BodyError):
        read_answer(body, request.content_type or "", config.upload_files, parts)
    body.drain(DRAIN_TIMES * config.upload_bytes)
    return [(name, text) for name, texts in parts.fields.items() for text in texts]


@bp.get("/unsent")
@unlocked
def show_unsent(desk: OpenDesk) -> ResponseReturnValue:
    """List the forms that were submitted while the app was locked."""
    return _page(desk)


@bp.post("/unsent/<name>")
@takes(token=TOKEN_BYTES, what=TOKEN_BYTES)
@unlocked
def decide_unsent_form(desk: OpenDesk, name: str) -> ResponseReturnValue:
    """Make a draft from a form that was sent while the app was locked, or delete the form.

    The pressed button decides which of the two.
    """
    require_our_form("unsent")
    if bytes_of_hex(name, _NAME_BYTES) is None:
        raise ForeignFormError
    try:
        if request.form.get("what") == "draft":
            address = unsent_forms.make_draft(desk, name)
            if address is not None:
                page = url_for("thread.show_thread", address=address.hex(), drafted=1, _anchor="text")
                return redirect(page, code=303)
        else:
            unsent_forms.drop_unsent(desk, name)
    except REFUSALS:
        return _page(desk, is_refused=True, status=409)
    return redirect(url_for("unsent.show_unsent"), code=303)


def _page(desk: OpenDesk, *, is_refused: bool = False, status: int = 200) -> ResponseReturnValue:
    waiting = unsent_forms.list_unsent(desk)
    labels = {each.address: desk.label(each.address) for each in waiting if each.address is not None}
    return render_template("unsent/show.html", waiting=waiting, labels=labels, is_refused=is_refused), status
