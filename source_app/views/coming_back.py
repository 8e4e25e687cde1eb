"""The page that asks for the passphrase, whatever brings somebody there."""

from collections.abc import Sequence

from flask import Response

from source_app.forms import LogInForm

from .current import page


def log_in_page(
    form: LogInForm, status: int = 200, *, refusal: str = "", unknown: Sequence[int] = ()
) -> Response:
    """Return the page with what was typed still in it, and the text that waits for the mailbox.

    `refusal` is "no_mailbox" or what `failures.trouble` says; `unknown` are places from 1.
    """
    return page("begin/log_in.html", status, form=form, refusal=refusal, unknown=unknown)
