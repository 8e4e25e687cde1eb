"""Form context of one mailbox: address, id of the new entry, and what the page with the form showed."""

from datetime import date

from flask import current_app, render_template, request
from flask.typing import ResponseReturnValue

from journalist_app.forms import bytes_of_hex, heads_of_hex
from journalist_app.requests import kept_text
from journalist_app.requests.access import is_our_form
from journalist_app.services.mailbox.send_entries import AdviserFormContext
from protocol.identifiers import ADDRESS_BYTES, ENTRY_ID_BYTES, Address, EntryId


def adviser_today() -> date:
    """Return today's date according to the app's clock, which tests can set."""
    day: date = current_app.extensions["today"]()
    return day


def address_of(text: str) -> Address:
    """Decode the mailbox address in a page's path. A malformed address gives an empty one (no mailbox)."""
    return Address(bytes_of_hex(text, ADDRESS_BYTES) or b"")


def entry_id_of(text: str) -> EntryId:
    """Decode the entry id in a page's path. A malformed id gives an empty id, which no entry has."""
    return EntryId(bytes_of_hex(text, ENTRY_ID_BYTES) or b"")


def read_form_context(address: Address, purpose: str) -> AdviserFormContext | None:
    """Return the context of the submitted form. Return None for a wrong CSRF token or malformed field."""
    entry_id = bytes_of_hex(request.form.get("entry_id", ""), ENTRY_ID_BYTES)
    heads = heads_of_hex(request.form.get("heads", ""))
    if entry_id is None or heads is None or not is_our_form(purpose, request.form.get("token", "")):
        return None
    return AdviserFormContext(address, EntryId(entry_id), *heads)


def foreign_form_page() -> ResponseReturnValue:
    """Return the error page (403) for a form with a wrong CSRF token. The page shows the typed text again."""
    return render_template("refusal.html", what="foreign", text=kept_text.typed_text()), 403


def not_found_page() -> ResponseReturnValue:
    """Return the error page (404) for a missing mailbox or entry. The page shows the typed text again."""
    return render_template("refusal.html", what="missing", text=kept_text.typed_text()), 404
