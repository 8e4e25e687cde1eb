"""Closing a mailbox."""

from collections.abc import Callable

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import AdviserError, MailboxNotFoundError
from journalist_app.requests import kept_text
from journalist_app.requests.access import unlocked
from journalist_app.requests.form_context import (
    address_of,
    adviser_today,
    foreign_form_page,
    not_found_page,
    read_form_context,
)
from journalist_app.services.mailbox import closing, passing_on, read_thread
from journalist_app.services.mailbox.send_entries import AdviserFormContext
from protocol.content import TEXT_CHARS
from protocol.identifiers import Address
from web.dates import half_hour_now

bp = Blueprint("closing", __name__, url_prefix="/mailbox")


@bp.get("/<address>/close")
@unlocked
def show_closing(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Ask for a last word, and say what closing does."""
    return _page(desk, address_of(address))


@bp.post("/<address>/close")
@unlocked
def close_with_last_word(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Close a mailbox with a last word."""
    text = request.form.get("text", "")
    return _close(
        desk,
        address,
        "close",
        lambda form_context: closing.close_mailbox(
            desk, form_context, text, today=adviser_today(), half_hour=half_hour_now()
        ),
    )


@bp.post("/<address>/close-spam")
@unlocked
def close_spam(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Close a mailbox of nobody who seeks advice."""
    return _close(
        desk,
        address,
        "close-spam",
        lambda form_context: closing.close_as_spam(
            desk, form_context, today=adviser_today(), half_hour=half_hour_now()
        ),
    )


def _close(
    desk: OpenDesk, address: str, purpose: str, how: Callable[[AdviserFormContext], None]
) -> ResponseReturnValue:
    where = address_of(address)
    form_context = read_form_context(where, purpose)
    kept_text.keep_typed_text(request.form.get("text", ""))
    if form_context is None:
        return foreign_form_page()
    try:
        how(form_context)
    except MailboxNotFoundError:
        return not_found_page()
    except AdviserError as why:
        return _page(desk, where, refusal=why.reason)
    return redirect(url_for("thread.show_thread", address=address, closed=1, _anchor="standing"), code=303)


def _page(desk: OpenDesk, where: Address, *, refusal: str = "") -> ResponseReturnValue:
    try:
        thread = read_thread.read_conversation(desk, where, today=adviser_today())
    except MailboxNotFoundError:
        return not_found_page()
    page = render_template(
        "closing/show.html",
        thread=thread,
        under_way=passing_on.list_unfinished(thread.thread_state),
        refusal=refusal,
        text=request.form.get("text", ""),
        text_chars=TEXT_CHARS,
        days=desk.letterhead.deletes_after_days,
        spread=desk.config.retention_spread_days,
    )
    return page, 409 if refusal else 200
