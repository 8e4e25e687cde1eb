"""The page that asks for the passphrase, whatever brings somebody there."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from protocol.mailbox_keys import MailboxKeys, derive_mailbox_keys
from source_app.forms import LogInForm
from source_app.services.login import MailboxSession
from source_app.views.request_context import current_session, lang, render_page

_P = ParamSpec("_P")


def render_login(
    form: LogInForm,
    status: int = 200,
    *,
    refusal: str = "",
    unknown: Sequence[int] = (),
    was_refused: bool = False,
) -> Response:
    """Return the page with what was typed still in it, and the text that waits for the mailbox.

    `refusal` is "no_mailbox" or what `failures.trouble` says; `unknown` are places from 1; `was_refused` is
    whether something was asked for that was not done.
    """
    return render_page(
        "begin/log_in.html", status, form=form, refusal=refusal, unknown=unknown, was_refused=was_refused
    )


def logged_out_page(text: str = "", proposal: str = "") -> Response:
    """Tell whoever asked for something that they were logged out, so that nothing was done.

    A text comes along, with the id of the proposal that it was about (ADR 5).
    """
    return render_login(LogInForm(text=text, proposal=proposal), 403, was_refused=True)


def mailbox_open(
    view: Callable[Concatenate[MailboxSession, MailboxKeys, _P], ResponseReturnValue],
) -> Callable[_P, ResponseReturnValue]:
    """Give a view the open mailbox and its keys, or lead to the log-in page.

    Whoever only looked is led there without a word; whoever asked for something hears that it was not done.
    """

    @wraps(view)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> ResponseReturnValue:
        here = current_session()
        if here is not None:
            return view(here, derive_mailbox_keys(here.root), *args, **kwargs)
        if request.method == "POST":
            return logged_out_page()
        return redirect(url_for("begin.log_in_page", lang=lang()), code=303)

    return guarded
