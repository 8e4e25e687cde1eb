"""Pages to close a mailbox: with a last message, or as spam."""

from collections.abc import Callable
from functools import partial

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import AdviserError
from journalist_app.forms import CONTEXT_FIELDS, TEXT_BYTES
from journalist_app.requests import kept_text
from journalist_app.requests.access import unlocked
from journalist_app.requests.form_context import address_of, adviser_today, read_form_context
from journalist_app.services.closing import close_mailbox
from journalist_app.services.mailbox import read_thread
from journalist_app.services.passing_on import pass_on
from protocol.content import TEXT_CHARS
from protocol.identifiers import Address
from stored_mailbox.entry_form import FormContext
from web.form_limits import takes

bp = Blueprint("closing", __name__, url_prefix="/mailbox")


@bp.get("/<address>/close")
@unlocked
def show_closing(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Show the form to close a mailbox. The page lists the consequences of closing."""
    return _page(desk, address_of(address))


@bp.post("/<address>/close")
@takes(**CONTEXT_FIELDS, text=TEXT_BYTES)
@unlocked
def close_with_last_message(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Close a mailbox with a last message to the source."""
    text = request.form.get("text", "")
    close = partial(close_mailbox.close_mailbox, desk, last_message=text, today=adviser_today())
    return _close(desk, address, "close", close)


@bp.post("/<address>/close-spam")
@takes(**CONTEXT_FIELDS, text=TEXT_BYTES)
@unlocked
def close_spam(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Close a mailbox as spam, because the sender does not seek advice."""
    close = partial(close_mailbox.close_as_spam, desk, today=adviser_today())
    return _close(desk, address, "close-spam", close)


def _close(
    desk: OpenDesk, address: str, purpose: str, close: Callable[[FormContext], None]
) -> ResponseReturnValue:
    where = address_of(address)
    kept_text.keep_typed_text(request.form.get("text", ""))
    form_context = read_form_context(purpose, where)
    try:
        close(form_context)
    except AdviserError as why:
        return _page(desk, where, refusal=why.reason)
    return redirect(
        url_for("thread.show_thread", address=address, closed=1, _anchor="thread-state"), code=303
    )


def _page(desk: OpenDesk, where: Address, *, refusal: str = "") -> ResponseReturnValue:
    thread = read_thread.open_thread(desk, where, today=adviser_today())
    page = render_template(
        "closing/show.html",
        thread=thread,
        under_way=pass_on.list_unfinished(thread.thread_state),
        refusal=refusal,
        text=request.form.get("text", ""),
        text_chars=TEXT_CHARS,
        days=desk.letterhead.deletes_after_days,
        spread=desk.config.retention_spread_days,
    )
    return page, 409 if refusal else 200
