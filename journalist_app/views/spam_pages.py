"""Pages to close many mailboxes as spam in one step: choose, look at each mailbox, confirm, follow."""

import threading
from datetime import date

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.requests.access import require_our_form, unlocked
from journalist_app.requests.form_context import address_of, adviser_today
from journalist_app.services.closing import close_spam
from web.dates import read_day
from web.form_limits import TOKEN_BYTES, takes

bp = Blueprint("spam", __name__, url_prefix="/spam")
_RENEW_SECONDS = 3
_LIST_FIELDS = dict.fromkeys(("token", "page", "start", "after", "last", "keep"), TOKEN_BYTES)


@bp.get("")
@unlocked
def show_spam_form(desk: OpenDesk) -> ResponseReturnValue:
    """Show the form to choose mailboxes to close as spam, and the progress or result of the last closing."""
    return _page(desk)


@bp.post("")
@takes(**dict.fromkeys(("token", "first", "last", "least", "most", "like"), TOKEN_BYTES))
@unlocked
def choose_spam_mailboxes(desk: OpenDesk) -> ResponseReturnValue:
    """Make the list of possible spam: the mailboxes that fit the submitted form.

    An empty field of the form leaves out no mailbox.
    """
    require_our_form("choose-spam")
    form = request.form
    if desk.spam_choice.is_busy:
        return redirect(url_for("spam.show_spam_form"), code=303)
    try:
        first = read_day(form.get("first") or date.min.isoformat())
        last = read_day(form.get("last") or date.max.isoformat())
        chars = int(form.get("least") or 0), int(form.get("most") or close_spam.MAILBOX_CHARS)
    except ValueError:
        return _page(desk, refusal="filter")
    close_spam.choose_mailboxes(desk, (first, last), chars, address_of(form.get("like", "")))
    return redirect(url_for("spam.show_spam_list"), code=303)


@bp.get("/list")
@unlocked
def show_spam_list(desk: OpenDesk) -> ResponseReturnValue:
    """Show one page of possible spam: each mailbox with its whole text, and a box to leave it open."""
    choice = desk.spam_choice
    start = max(0, request.args.get("start", 0, type=int))
    page = dict(zip(("name", "after", "rows"), close_spam.read_page(desk, choice, start), strict=True))
    known = {"start": start, "total": len(choice.addresses), "spared": {each.hex() for each in choice.spared}}
    return render_template("spam/list.html", **page, **known)


@bp.post("/list")
@takes(more=close_spam.PAGE_ROWS, **_LIST_FIELDS)
@unlocked
def submit_spam_list(desk: OpenDesk) -> ResponseReturnValue:
    """Choose the unticked mailboxes of this page for closing as spam.

    Then go to the next page, or to the page that asks the adviser to confirm the choice.
    """
    form = request.form
    name, start, after = form.get("page", ""), form.get("start", 0, type=int), form.get("after", 0, type=int)
    require_our_form(f"spam-list {name} {start} {after}")
    choice = desk.spam_choice
    if not close_spam.submit_page(choice, name, {address_of(each) for each in form.getlist("keep")}):
        return redirect(url_for("spam.show_spam_list", start=start), code=303)
    if "last" in form or after >= len(choice.addresses):
        return redirect(url_for("spam.show_spam_question"), code=303)
    return redirect(url_for("spam.show_spam_list", start=after), code=303)


@bp.get("/confirm")
@unlocked
def show_spam_question(desk: OpenDesk) -> ResponseReturnValue:
    """Ask the adviser to confirm the closing of the chosen mailboxes.

    The page shows the number of mailboxes, and the consequences of closing them.
    """
    choice = desk.spam_choice
    digest, days = close_spam.digest_of_choice(choice), desk.config.retention_spread_days + 1
    return render_template("spam/confirm.html", choice=choice, digest=digest, spread=days)


@bp.post("/confirm")
@takes(token=TOKEN_BYTES, chosen=TOKEN_BYTES)
@unlocked
def close_spam_mailboxes(desk: OpenDesk) -> ResponseReturnValue:
    """Close the chosen mailboxes in the background.

    If the form showed other mailboxes, close none, and ask the adviser again.
    """
    digest = request.form.get("chosen", "")
    require_our_form(f"close-spam {digest}")
    work = (desk, desk.spam_choice, adviser_today())
    if not close_spam.confirm_choice(desk.spam_choice, digest):
        return redirect(url_for("spam.show_spam_question"), code=303)
    threading.Thread(target=close_spam.close_chosen, args=work, name="closing", daemon=True).start()
    return redirect(url_for("spam.show_spam_form"), code=303)


def _page(desk: OpenDesk, *, refusal: str = "") -> ResponseReturnValue:
    choice, reading = desk.spam_choice, desk.index.reading
    is_busy = choice.is_busy  # read once: the closing may end at any moment
    groups = close_spam.list_groups(desk) if reading.is_whole and not is_busy else []
    known = {"choice": choice, "label": desk.label, "reading": reading, "typed": request.form}
    page = render_template("spam/choose.html", **known, is_busy=is_busy, groups=groups, refusal=refusal)
    response = make_response(page, 422 if refusal else 200)
    if is_busy:
        response.headers["Refresh"] = f"{_RENEW_SECONDS}; url={url_for('spam.show_spam_form', renewed=1)}"
    return response
