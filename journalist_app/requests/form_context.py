"""What the forms of one mailbox share: where they belong, and upon what they were shown."""

import secrets
from datetime import date

from flask import current_app, render_template, request
from flask.typing import ResponseReturnValue

from journalist_app.forms import bytes_of_hex
from journalist_app.requests import kept_text
from journalist_app.requests.access import is_our_form
from journalist_app.services.mailbox.send_entries import AdviserFormContext
from protocol.identifiers import ADDRESS_BYTES, DIGEST_BYTES, ENTRY_ID_BYTES, Address, EntryId


def adviser_today() -> date:
    """Return the day, as the app was told to ask for it."""
    day: date = current_app.extensions["today"]()
    return day


def address_of(text: str) -> Address:
    """Return the address in a page's path; what is none belongs to no mailbox."""
    return Address(bytes_of_hex(text, ADDRESS_BYTES) or b"")


def entry_id_of(text: str) -> EntryId:
    """Return the entry id in a page's path; what is none belongs to no entry."""
    return EntryId(bytes_of_hex(text, ENTRY_ID_BYTES) or b"")


def new_entry_id() -> str:
    """Return the id of the entry that a form will make, in hexadecimal."""
    return secrets.token_hex(ENTRY_ID_BYTES)


def read_form_context(address: Address, purpose: str) -> AdviserFormContext | None:
    """Return what the form carries that was sent; None when it is not ours, or not as it was made."""
    entry_id = bytes_of_hex(request.form.get("entry_id", ""), ENTRY_ID_BYTES)
    asked = request.form.get("seen", "")
    seen = bytes_of_hex(asked, DIGEST_BYTES) if asked else b""
    if entry_id is None or seen is None or not is_our_form(purpose, request.form.get("token", "")):
        return None
    return AdviserFormContext(address, EntryId(entry_id), seen)


def foreign_form_page() -> ResponseReturnValue:
    """Refuse a form that is not ours, and give its text back."""
    return render_template("refusal.html", what="foreign", text=kept_text.typed_text()), 403


def not_found_page() -> ResponseReturnValue:
    """Say that there is nothing here, and give back what was typed."""
    return render_template("refusal.html", what="missing", text=kept_text.typed_text()), 404
