"""Log-in page of the source's site, its queue, and the decorator for pages that need an open mailbox."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from source_app.errors import PassphraseRefusal, QueueFullError
from source_app.forms import LogInForm, PassphraseForm
from source_app.passphrase_typos import PassphraseTypos
from source_app.queue_place import seal_place
from source_app.services.login import MailboxSession, Visit
from source_app.views.error_pages import remember_fault
from source_app.views.request_context import (
    cookie_content,
    current_session,
    desk,
    lang,
    limit_decryption,
    render_page,
    session_token,
)
from store.errors import StoreError

_P = ParamSpec("_P")


def render_login(form: LogInForm, status: int = 200, **faults: object) -> Response:
    """Return the log-in page, with the typed passphrase and any unsent text in its form.

    `faults` has values for the template `begin/log_in.html`, which say what went wrong.
    """
    faults = {"refusal": "", "typos": None, "was_refused": False, "wait_seconds": 0} | faults
    return render_page("begin/log_in.html", status, form=form, **faults)


def visit_of(form: PassphraseForm) -> Visit:
    """Return the visitor's place in the queue of log-ins, and the token of the visitor's session."""
    return Visit(form.place.data or "", session_token())


def busy_faults(form: PassphraseForm, why: QueueFullError | StoreError) -> dict[str, object]:
    """Return the values for a page that says that the typed passphrase could not be tried now.

    If the queue is full, the form gets the visitor's place in the queue.
    """
    form.place.data = ""
    if isinstance(why, StoreError):
        remember_fault(why)
        return {"refusal": "store"}
    remember_fault(why, why.wait_seconds)
    form.place.data = seal_place(why.place, desk().server_secret)
    return {"refusal": "busy", "wait_seconds": why.wait_seconds}


def refused_page(typos: PassphraseTypos, form: LogInForm) -> Response:
    """Return the log-in page that says that the typed words open no mailbox."""
    # The status is 200, as for the page of a mailbox: an observer of the connection sees no difference.
    form.words.data = ""
    return render_login(form, refusal=PassphraseRefusal.NO_MAILBOX, typos=typos)


def logged_out_page(text: str = "", proposal: str = "", tag: str = "") -> Response:
    """Return the log-in page for a request that was refused because the session had ended.

    The form contains the typed text, the id of the proposal that the text answers, and the tag of the mailbox
    in which the text was typed.
    """
    form = LogInForm(text=text, proposal=proposal, mailbox=tag)
    return render_login(form, 403, was_refused=True)


def other_mailbox_page(form: LogInForm, status: int = 403) -> Response:
    """Return the log-in page that says that the text in its form was typed in another mailbox.

    The text is not sent to the open mailbox.
    """
    form.words.data = ""
    return render_login(form, status, refusal="other_mailbox")


def mailbox_open(
    view: Callable[Concatenate[MailboxSession, _P], ResponseReturnValue],
) -> Callable[_P, ResponseReturnValue]:
    """Decorate a view that needs an open mailbox. The view receives the session of the mailbox.

    Without a session, the visitor gets the log-in page.
    """
    # Requests run one at a time, because the view can read the whole mailbox. The page of a failed log-in
    # waits for its turn too: otherwise, its time would show that the log-in failed (ADR 28).

    @wraps(view)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> ResponseReturnValue:
        here = current_session()
        if here is not None and request.form is not None:  # the form arrives before the request waits
            with limit_decryption(here):
                return view(here, *args, **kwargs)
        if request.method == "POST":
            return logged_out_page()
        refused = cookie_content()
        if isinstance(refused, PassphraseTypos):
            with limit_decryption(None):
                return refused_page(refused, LogInForm())
        return redirect(url_for("begin.log_in_page", lang=lang()), code=303)

    return guarded
