"""Log-in page of the source's site, and the decorator for pages that need an open mailbox."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from source_app.forms import LogInForm
from source_app.services.login import MailboxSession
from source_app.views.request_context import current_session, lang, render_page

_P = ParamSpec("_P")


def render_login(form: LogInForm, status: int = 200, **faults: object) -> Response:
    """Return the log-in page, with the typed passphrase in its form.

    If the session ended while the source was sending a text, the form also has this text, which is sent after
    the log-in. `faults` can have `refusal`, which says why the last log-in failed: "no_mailbox", "busy" or
    "store". `unknown` has the positions, from 1, of words that are on no word list. `was_refused` is True if
    the site did not carry out a request, because the source's session had ended.
    """
    faults = {"refusal": "", "unknown": (), "was_refused": False} | faults
    return render_page("begin/log_in.html", status, form=form, **faults)


def logged_out_page(text: str = "", proposal: str = "") -> Response:
    """Return the log-in page for a request that the site did not carry out, because the session had ended.

    The form contains the typed text, so that the text is not lost, and the id of the proposal that the text
    is about (ADR 5).
    """
    return render_login(LogInForm(text=text, proposal=proposal), 403, was_refused=True)


def mailbox_open(
    view: Callable[Concatenate[MailboxSession, _P], ResponseReturnValue],
) -> Callable[_P, ResponseReturnValue]:
    """Decorate a view that needs an open mailbox. The view receives the session of the mailbox.

    Without a session, a GET request is redirected to the log-in page. A POST request receives a log-in page
    that says that nothing was done.
    """

    @wraps(view)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> ResponseReturnValue:
        here = current_session()
        if here is not None:
            return view(here, *args, **kwargs)
        if request.method == "POST":
            return logged_out_page()
        return redirect(url_for("begin.log_in_page", lang=lang()), code=303)

    return guarded
