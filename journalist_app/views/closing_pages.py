"""Closing a mailbox."""

from collections.abc import Callable

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import AdviserError, MailboxMissingError
from journalist_app.requests import kept_text
from journalist_app.requests.access import unlocked
from journalist_app.requests.form_context import address_of, foreign, missing, sheet_of, today
from journalist_app.services.mailbox import closing, passing_on, read_thread
from journalist_app.services.mailbox.send_entries import Sheet
from protocol.entry import TEXT_CHARS
from protocol.identifiers import Address
from web.dates import half_hour_now

bp = Blueprint("closing", __name__, url_prefix="/mailbox")


@bp.get("/<address>/close")
@unlocked
def show(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Ask for a last word, and say what closing does."""
    return _page(desk, address_of(address))


@bp.post("/<address>/close")
@unlocked
def close(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Close a mailbox with a last word."""
    text = request.form.get("text", "")
    return _close(
        desk,
        address,
        "close",
        lambda sheet: closing.close(desk, sheet, text, today=today(), half_hour=half_hour_now()),
    )


@bp.post("/<address>/close-spam")
@unlocked
def close_spam(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Close a mailbox of nobody who seeks advice."""
    return _close(
        desk,
        address,
        "close-spam",
        lambda sheet: closing.close_spam(desk, sheet, today=today(), half_hour=half_hour_now()),
    )


def _close(desk: OpenDesk, address: str, purpose: str, how: Callable[[Sheet], None]) -> ResponseReturnValue:
    where = address_of(address)
    sheet = sheet_of(where, purpose)
    kept_text.keep(request.form.get("text", ""))
    if sheet is None:
        return foreign()
    try:
        how(sheet)
    except MailboxMissingError:
        return missing()
    except AdviserError as why:
        return _page(desk, where, refusal=type(why).__name__)
    return redirect(url_for("thread.show", address=address, closed=1, _anchor="standing"), code=303)


def _page(desk: OpenDesk, where: Address, *, refusal: str = "") -> ResponseReturnValue:
    try:
        thread = read_thread.thread(desk, where, today=today())
    except MailboxMissingError:
        return missing()
    page = render_template(
        "closing/show.html",
        thread=thread,
        under_way=passing_on.under_way(thread.standing),
        refusal=refusal,
        text=request.form.get("text", ""),
        text_chars=TEXT_CHARS,
        days=desk.letterhead.deletes_after_days,
        spread=desk.config.retention_spread_days,
    )
    return page, 409 if refusal else 200
