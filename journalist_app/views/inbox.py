"""The inbox."""

from contextlib import suppress

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crypto.names import ADDRESS_BYTES, Address
from journalist_app.desk import OpenDesk
from journalist_app.errors import MailboxMissingError, RecordUnsoundError, UnsoundMailboxError
from journalist_app.forms import of_hex
from journalist_app.services import listing
from journalist_app.views.at_the_door import is_our_form, unlocked
from journalist_app.views.door import start_checking

bp = Blueprint("inbox", __name__)
_STATES = ("waiting", "answered", "closed")
_RENEW_SECONDS = 3
_QUERY_CHARS = 60
_PAGE_MAX = 100_000


@bp.get("/inbox")
@unlocked
def show(desk: OpenDesk) -> ResponseReturnValue:
    """Show one page of the inbox; while checking runs it renews itself, which a reader can stop."""
    asked = request.args
    state = asked.get("state", "")
    inbox = listing.inbox(
        desk,
        state if state in _STATES else "waiting",
        min(max(1, asked.get("page", 1, type=int)), _PAGE_MAX),
        asked.get("q", "")[:_QUERY_CHARS].strip(),
        current_app.extensions["today"](),
    )
    if not inbox.progress.is_running and "renewed" not in asked:
        start_checking(desk)
    is_refreshing = inbox.progress.is_running and "still" not in asked
    response = make_response(render_template("inbox/show.html", inbox=inbox, is_refreshing=is_refreshing))
    if is_refreshing:
        again = url_for("inbox.show", state=inbox.state, q=inbox.query or None, page=inbox.page, renewed=1)
        response.headers["Refresh"] = f"{_RENEW_SECONDS}; url={again}"
    return response


@bp.post("/inbox/ended/<address>")
@unlocked
def acknowledge(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Drop the line of a mailbox that its source ended."""
    raw = of_hex(address, ADDRESS_BYTES)
    if raw is None or not is_our_form("acknowledge", request.form.get("token", "")):
        return render_template("refusal.html", what="foreign", text=""), 403
    # The list that is shown next says how it stands.
    with suppress(MailboxMissingError, UnsoundMailboxError, RecordUnsoundError):
        listing.acknowledge(desk, Address(raw), current_app.extensions["today"]())
    return redirect(url_for("inbox.show", state="closed"), code=303)
