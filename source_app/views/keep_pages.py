"""Drafts of a source: code that keeps a typed text when a link is followed or a form is refused."""

import re
from collections.abc import Mapping
from contextlib import suppress

from flask import current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue

from source_app.forms import LogInForm
from source_app.services import unsent_texts
from source_app.services.login import MailboxSession
from source_app.services.posting import form_text
from source_app.views.login_page import logged_out_page, other_mailbox_page
from source_app.views.request_context import current_session, desk, lang, logged_out
from store.errors import StoreError
from web.dates import half_hour_now

_PATH = re.compile(r"/(?!/)[!-~]*")


def receive_unsent() -> ResponseReturnValue:
    """Keep the text that the source has typed, and redirect to the page that the source asked for.

    If the source asked to log out, the source is always logged out, even if the text cannot be kept.
    """
    look = request.form.get("look", "")
    if look == url_for("begin.log_out_page", lang=lang()):
        with suppress(StoreError):
            _keep(current_session())
        return logged_out(redirect(url_for("begin.after_log_out_page", lang=lang()), code=303))
    here = current_session()
    text, tag = form_text(request.form), request.form.get("mailbox", "")
    proposal = request.form.get("proposal", "")
    if here is None:
        return logged_out_page(text, proposal, tag)
    if text and not here.is_mine(tag):
        return other_mailbox_page(LogInForm(text=text, proposal=proposal, mailbox=tag))
    _keep(here)
    return redirect(_own_path(look), code=303)


def unsent_text(here: MailboxSession, proposal: str = "") -> str:
    """Return the typed text of a form that was not sent: a new message, or the answer to `proposal`."""
    return unsent_texts.find_typed(desk(), here, proposal, now=half_hour_now())


def keep_refused(here: MailboxSession, text: str, tag: str, proposal: str = "") -> None:
    """Keep the text of a refused form, if the text was typed in this mailbox.

    Without this copy, the "back" button of the browser would lose the text.
    """
    if text and here.is_mine(tag):
        with suppress(StoreError):
            unsent_texts.keep_typed(desk(), here, proposal, text, now=half_hour_now())


def forget_sent(here: MailboxSession, fields: Mapping[str, str], proposal: str = "") -> None:
    """Delete the unsent text of a form that has been sent, but not the text of a form in another tab.

    `fields` has the fields of the sent form.
    """
    with suppress(StoreError):
        unsent = "" if fields.get("kept") else unsent_text(here, proposal)
        if fields.get("kept") or (unsent and unsent == form_text(fields)):
            unsent_texts.keep_typed(desk(), here, proposal, "", now=half_hour_now())


def forget_all(here: MailboxSession) -> None:
    """Delete all unsent texts of a mailbox that has ended."""
    with suppress(StoreError):
        unsent_texts.drop_typed(desk(), here, now=half_hour_now())


def _keep(here: MailboxSession | None) -> None:
    """Keep the text of this request's form, if the form was shown in this mailbox."""
    fields = request.form
    text = form_text(fields)
    changes = text or fields.get("kept")  # an empty form of an older tab changes nothing
    if changes and here is not None and here.is_mine(fields.get("mailbox", "")):
        unsent_texts.keep_typed(desk(), here, fields.get("proposal", ""), text, now=half_hour_now())


def _own_path(given: str) -> str:
    """Return `given` if it is the path of a page of this site. Otherwise return the path of the mailbox."""
    # The map of addresses also finds "//en/", which a browser reads as another host.
    is_path = _PATH.fullmatch(given) is not None
    is_ours = is_path and current_app.url_map.bind("").test(given.partition("#")[0], "GET")
    return given if is_ours else url_for("mailbox.show_mailbox", lang=lang())
