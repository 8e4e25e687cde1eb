"""Inbox page: a list of mailboxes, which the adviser can filter."""

import threading
from contextlib import suppress
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import MailboxNotFoundError, RecordUnsoundError, UnsoundMailboxError
from journalist_app.inbox.mailbox_summary import SUMMARY_STEPS
from journalist_app.requests.access import require_our_form, unlocked
from journalist_app.requests.form_context import address_of, adviser_today
from journalist_app.services import inbox_lists
from journalist_app.services.closing import ended_mailboxes
from journalist_app.services.inbox_lists import Inbox, InboxFilter
from journalist_app.services.records import unsent_forms
from journalist_app.services.whole_desk import desk_calendar
from web.form_limits import TOKEN_BYTES, takes

bp = Blueprint("inbox", __name__)
_STATES = ("waiting", "answered", "closed")
_RENEW_SECONDS = 3
_PAGE_MAX = 100_000


@bp.get("/inbox")
@unlocked
def show_inbox(desk: OpenDesk) -> ResponseReturnValue:
    """Show one page of the inbox.

    The page reloads itself while the background check or the search index reads mailboxes, unless the adviser
    stopped the reloading.
    """
    today = adviser_today()
    inbox = inbox_lists.read_inbox(desk, _wanted(), today)
    is_refreshing = _is_under_way(inbox) and "still" not in request.args
    page = render_template(
        "inbox/show.html",
        inbox=inbox,
        damaged_rows=desk.damaged_rows.items(),
        label=desk.label,
        is_refreshing=is_refreshing,
        asked=_asked(inbox.wanted),
        themes=desk.config.options("themes"),
        steps=SUMMARY_STEPS,
        unsent=unsent_forms.count_unsent(desk),
        closed_until=desk_calendar.last_closed_day(desk, today),
    )
    response = make_response(page)
    if is_refreshing:
        again = url_for("inbox.show_inbox", **_asked(inbox.wanted), page=inbox.wanted.page, renewed=1)
        response.headers["Refresh"] = f"{_RENEW_SECONDS}; url={again}"
    return response


def _wanted() -> InboxFilter:
    asked = request.args
    state = asked.get("state", "")
    step = asked.get("step", "")
    return InboxFilter(
        state=state if state in _STATES else "waiting",
        page=min(max(1, asked.get("page", 1, type=int)), _PAGE_MAX),
        query=asked.get("q", "").strip(),
        theme=asked.get("theme", ""),
        tag=asked.get("tag", ""),
        step=step if step in SUMMARY_STEPS else "",
        is_late="late" in asked,
    )


def _asked(wanted: InboxFilter) -> dict[str, Any]:
    """Return the inbox's filter as query parameters for a link to the inbox, without the page number."""
    return {
        "state": wanted.state,
        "q": wanted.query or None,
        "theme": wanted.theme or None,
        "tag": wanted.tag or None,
        "step": wanted.step or None,
        "late": 1 if wanted.is_late else None,
    }


def _is_under_way(inbox: Inbox) -> bool:
    reading = inbox.reading
    return inbox.progress.is_running or (reading.total > reading.done and not reading.is_broken)


@bp.post("/inbox/ended")
@takes(token=TOKEN_BYTES)
@unlocked
def acknowledge_unread_mailboxes(desk: OpenDesk) -> ResponseReturnValue:
    """Remove from the inbox the mailboxes that their sources ended before an adviser opened them.

    A background thread counts these mailboxes for the yearly report, and then removes them.
    """
    require_our_form("acknowledge-unread")
    work = ended_mailboxes.acknowledge_unread
    threading.Thread(target=work, args=(desk, adviser_today()), name="closing", daemon=True).start()
    return redirect(url_for("inbox.show_inbox", state="closed"), code=303)


@bp.post("/inbox/ended/<address>")
@takes(token=TOKEN_BYTES)
@unlocked
def acknowledge_ended_mailbox(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Remove an ended mailbox from the inbox, because the adviser has seen that the source ended it."""
    require_our_form(f"acknowledge {address}")
    # The inbox, shown next, has the present state of this mailbox.
    with suppress(MailboxNotFoundError, UnsoundMailboxError, RecordUnsoundError):
        ended_mailboxes.acknowledge_ended(desk, address_of(address), adviser_today())
    return redirect(url_for("inbox.show_inbox", state="closed"), code=303)
