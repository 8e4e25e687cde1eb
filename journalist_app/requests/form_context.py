"""Context of a form in one mailbox: address, id of the new entry, and what the form's page showed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from flask import current_app, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from journalist_app.errors import ForeignFormError
from journalist_app.forms import DRAIN_TIMES, AnswerParts, bytes_of_hex, read_answer
from journalist_app.requests import kept_text
from journalist_app.requests.access import auto_lock, token_of_request
from protocol.identifiers import ADDRESS_BYTES, ENTRY_ID_BYTES, Address, EntryId
from stored_mailbox.entry_form import FormContext
from web.form_limits import body_of

_FORM_BYTES = 1024 * 1024  # for the fields and the boundaries, besides the files


def adviser_today() -> date:
    """Return today's date according to the app's clock, which tests can set."""
    day: date = current_app.extensions["today"]()
    return day


def address_of(text: str) -> Address:
    """Decode the mailbox address in a page's path.

    A malformed address gives an empty one, which no mailbox has.
    """
    return Address(bytes_of_hex(text, ADDRESS_BYTES) or b"")


def entry_id_of(text: str) -> EntryId:
    """Decode the entry id in a page's path. A malformed id gives an empty id, which no entry has."""
    return EntryId(bytes_of_hex(text, ENTRY_ID_BYTES) or b"")


def hidden_fields(action: str, form_context: FormContext) -> Markup:
    """Return the HTML of a form's hidden fields, valid only for this action, mailbox and browser."""
    fields = form_context.hidden_fields(token_of_request(), action).items()
    return Markup().join(
        Markup('<input type="hidden" name="{}" value="{}">').format(*each) for each in fields
    )


def read_form_context(action: str, address: Address, parts: AnswerParts | None = None) -> FormContext:
    """Check that a submitted form was shown to this browser, and return the context from its hidden fields.

    For a form with files, `parts` must have the text fields of the form.

    Raises:
        ForeignFormError: this browser was not shown this form, for this action in this mailbox.
    """
    fields = request.form if parts is None else {name: texts[0] for name, texts in parts.fields.items()}
    sent = FormContext.of_form(fields, token_of_request(), action, address)
    if sent is None:
        raise ForeignFormError
    return sent


@contextmanager
def submitted_form(parts: AnswerParts) -> Iterator[None]:
    """Read the text fields of a form with files into `parts`, before the `with` block runs.

    After the block, the rest of the body is read and discarded. The typed text is kept for an error page.

    Raises:
        BodyError: the request body is malformed, too large or cut off.
    """
    config = current_app.extensions["config"]
    body = body_of(request, config.upload_bytes + _FORM_BYTES)
    try:
        read_answer(body, request.content_type or "", config.upload_files, parts)
        auto_lock().touch()
        yield
    finally:
        kept_text.keep_typed_text(*parts.typed())
        body.drain(DRAIN_TIMES * config.upload_bytes)


def error_page(what: str, status: int) -> ResponseReturnValue:
    """Return the error page for one kind of error, with the text that the adviser typed.

    `what` is the kind, such as "foreign" for a form with a wrong CSRF token.
    """
    return render_template("refusal.html", what=what, text=kept_text.typed_text()), status
