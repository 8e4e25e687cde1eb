"""Pages for starting a mailbox with a new passphrase, logging in and logging out."""

import time
from contextlib import nullcontext

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as WerkzeugResponse

from crypto.passphrase import word_lists
from source_app.errors import MailboxLimitError, PassphraseRefusedError, QueueFullError
from source_app.forms import PLACE_BYTES, TYPED_FIELDS, WORDS_BYTES, LogInForm, PractiseForm
from source_app.page_language import page_language
from source_app.services import login
from source_app.services.login import MailboxSession
from source_app.services.posting import form_text
from source_app.views import answer_pages
from source_app.views.error_pages import remember_fault
from source_app.views.login_page import busy_faults, other_mailbox_page, refused_page, render_login, visit_of
from source_app.views.request_context import (
    current_day,
    desk,
    keeps_cookies,
    lang,
    limit_decryption,
    logged_out,
    note_end_of_wait,
    render_page,
    set_current_session,
    set_session_cookie,
    with_session_cookie,
)
from store.errors import StoreError
from web.dates import half_hour_now, next_half_hour
from web.form_limits import TOKEN_BYTES, takes
from web.languages import language_name

_QUARTER_MINUTES = 15

bp = Blueprint("begin", __name__, url_prefix="/<language:lang>")


@bp.route("/begin", methods=["GET", "POST"])
@takes(place=PLACE_BYTES, ticket=TOKEN_BYTES, words=WORDS_BYTES)
def passphrase() -> ResponseReturnValue:
    """Show a new passphrase to a visitor who starts a mailbox, and a form to practise it.

    The form's ticket is the encrypted passphrase. A request with a ticket gets the same passphrase and the
    typed words again, for example in another language.
    """
    form = PractiseForm(request.form)
    if not form.ticket.data:
        try:
            _, form.ticket.data = login.draw_passphrase(desk(), lang(), now=half_hour_now())
        except MailboxLimitError as why:
            return render_page("begin/busy.html", 503, **_limit_faults(why))
    return _passphrase_page(form)


@bp.post("/practise")
@takes(place=PLACE_BYTES, ticket=TOKEN_BYTES, words=WORDS_BYTES)
def practise() -> ResponseReturnValue:
    """Create a mailbox and log in, if the visitor typed the new passphrase right.

    If the browser keeps no cookies, no mailbox is created.
    """
    # Without a cookie, the source could not log in to the new mailbox.
    form = PractiseForm(request.form)
    ticket, typed = form.ticket.data or "", form.words.data or ""
    if not keeps_cookies():
        return _passphrase_page(form, 422, refusal="no_cookie")
    try:
        opened = login.start_mailbox(
            desk(), ticket, typed, visit_of(form), today=current_day(), now=half_hour_now()
        )
    except PassphraseRefusedError as why:
        return _passphrase_page(form, 422, wrong=why.wrong, typos=why.typos)
    except MailboxLimitError as why:
        return _passphrase_page(form, 503, **_limit_faults(why))
    except (QueueFullError, StoreError) as why:
        return _passphrase_page(form, 503, **busy_faults(form, why))
    answer = redirect(url_for("mailbox.write_message", lang=lang()), code=303)
    return with_session_cookie(answer, opened.token)


@bp.get("/log-in")
def log_in_page() -> ResponseReturnValue:
    """Show the log-in page, on which a source types their passphrase."""
    return render_login(LogInForm())


@bp.post("/log-in")
@takes(place=PLACE_BYTES, proposal=TOKEN_BYTES, words=WORDS_BYTES, look=TOKEN_BYTES, **TYPED_FIELDS)
def try_log_in() -> ResponseReturnValue:
    """Log in with the typed passphrase, and redirect to the mailbox.

    Right and wrong words get an answer with the same status, headers and size (ADR 28). If the form contains
    an unsent text, the answer shows this text in a form.
    """
    form = LogInForm(request.form)
    text = form.text.data = form_text(request.form)
    if "look" in request.form:  # the visitor chose another language, and did not press the button to log in
        return render_login(form)
    try:
        opened = login.log_in(
            desk(), form.words.data or "", visit_of(form), now=half_hour_now(), after_argon2=note_end_of_wait
        )
    except PassphraseRefusedError as why:
        set_session_cookie(why.typos)
        with limit_decryption(None) if text else nullcontext():
            return refused_page(why.typos, form) if text else _to_mailbox()
    except (QueueFullError, StoreError) as why:
        return render_login(form, 503, **busy_faults(form, why))
    set_session_cookie(opened.token)
    set_current_session(opened)
    with limit_decryption(opened) if text else nullcontext():
        return _page_after(opened, form) if text else _to_mailbox()


@bp.post("/log-out")
@takes()
def log_out_page() -> ResponseReturnValue:
    """End the session of the visitor's cookie, and delete the cookie.

    The form needs no CSRF token: the check of the Origin header refuses a form of another site.
    """
    return logged_out(redirect(url_for("begin.after_log_out_page", lang=lang()), code=303))


@bp.get("/logged-out")
def after_log_out_page() -> ResponseReturnValue:
    """Show the page that confirms that the source has logged out."""
    return render_page("begin/logged_out.html")


def _page_after(opened: MailboxSession, form: LogInForm) -> Response:
    """Return the page after a log-in whose form contained an unsent text.

    If the text was typed in this mailbox, the page has a form with the text. Otherwise, the page asks for the
    passphrase of the mailbox in which the text was typed.
    """
    if opened.is_mine(form.mailbox.data or ""):
        return answer_pages.page_with_text(opened, form.text.data or "", form.proposal.data or "")
    return other_mailbox_page(form, 200)


def _to_mailbox() -> WerkzeugResponse:
    return redirect(url_for("mailbox.show_mailbox", lang=lang()), code=303)


def _limit_faults(why: MailboxLimitError) -> dict[str, object]:
    """Return the values for a page that says that no more mailboxes can be started now.

    `again` is the time to come back, in UTC. `minutes` is the wait, rounded up to quarters of an hour.
    """
    again = next_half_hour()
    seconds = max(1, round(again.timestamp() - time.time()))
    remember_fault(why, seconds)
    minutes = _QUARTER_MINUTES * -(-seconds // (60 * _QUARTER_MINUTES))
    return {"refusal": "limit", "again": f"{again:%H:%M}", "minutes": minutes}


def _passphrase_page(form: PractiseForm, status: int = 200, **faults: object) -> WerkzeugResponse:
    """Return the page with the words of the form's ticket.

    A browser that sent no cookie gets one. The next request then shows whether the browser keeps cookies.

    Raises:
        TicketRefusedError: the ticket is too old, or a mailbox was started with the ticket's words.
    """
    words = login.ticket_words(desk(), form.ticket.data or "", now=half_hour_now())
    faults = {
        "refusal": "",
        "wrong": (),
        "typos": None,
        "wait_seconds": 0,
        "again": "",
        "minutes": 0,
    } | faults
    listed = next(code for code, known in word_lists().items() if set(words).issubset(known))
    foreign = "" if listed == lang() else language_name(listed, page_language().locale)
    answer = render_page("begin/passphrase.html", status, form=form, words=words, foreign=foreign, **faults)
    return answer if keeps_cookies() else with_session_cookie(answer, None)
