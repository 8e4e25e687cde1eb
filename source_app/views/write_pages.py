"""The page to write on, and everything that can come of sending it."""

from collections.abc import Callable, Mapping

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as WerkzeugResponse

from protocol.mailbox_keys import MailboxKeys, derive_mailbox_keys
from source_app.errors import MailboxGoneError, Refusal
from source_app.forms import WriteForm
from source_app.services import posting, reading
from source_app.services.login import MailboxSession
from source_app.services.posting import FormContext, Posting
from source_app.services.uploads import BESIDE_FILES_BYTES, Arrived, receive
from source_app.views.error_pages import gone, store_refused
from source_app.views.login_page import logged_out_page
from source_app.views.request_context import (
    SessionTokens,
    current_day,
    current_session,
    desk,
    lang,
    render_page,
)
from store.errors import StoreError
from web.dates import half_hour_now
from web.multipart import Body

_STATUS = {
    Refusal.EMPTY: 422,
    Refusal.TEXT_TOO_LONG: 422,
    Refusal.TOO_MANY_FILES: 413,
    Refusal.FILES_TOO_LARGE: 413,
    Refusal.NO_ROOM: 413,
    Refusal.MAILBOX_FULL: 422,
    Refusal.CUT_OFF: 400,
    Refusal.UNREADABLE: 400,
    Refusal.FORM_EXPIRED: 403,
    Refusal.CHANGED: 422,
    Refusal.GONE: 404,
    Refusal.STORE: 503,
}
_DRAIN_TIMES = 2  # the limit of a message: a browser hears us only when it has sent everything


def context_with(here: MailboxSession, keys: MailboxKeys, text: str) -> Response:
    """Return a fresh page to write on that holds a text already."""
    closed = reading.is_closed(desk(), keys)
    return _write_page(here, posting.new_sheet(desk(), keys), text, None, closed=closed)


def receive_message() -> ResponseReturnValue:
    """Receive a message; whatever fails, the text comes back.

    Session and origin were looked at before a byte of the body is read. When the session has expired, or the
    sessions do not answer, the files are thrown away while they arrive and the text goes onto the next page.
    """
    without: Callable[[str], WerkzeugResponse] = logged_out_page
    try:
        here = current_session()
    except StoreError:
        here, without = None, store_refused
    limits = desk().limits
    body = Body(request.environ["wsgi.input"], _announced(), limits.files_bytes + BESIDE_FILES_BYTES)
    arrived = _receive(here, body)
    is_read = body.drain(_DRAIN_TIMES * limits.files_bytes)
    answer = _outcome(here, arrived, without)
    if not is_read:
        answer.headers["Connection"] = "close"
    return answer


def _outcome(
    here: MailboxSession | None, arrived: Arrived, without: Callable[[str], WerkzeugResponse]
) -> WerkzeugResponse:
    if arrived.entry_id is not None:
        received = url_for("mailbox.show_receipt", lang=lang(), entry_id=arrived.entry_id)
        return redirect(received, code=303)
    if here is not None:
        return _refused(here, arrived)
    return without(posting.text_of(arrived.fields))


def _receive(here: MailboxSession | None, body: Body) -> Arrived:
    keys = None if here is None else derive_mailbox_keys(here.root)

    def admit(fields: Mapping[str, str]) -> Posting | None:
        if here is None or keys is None:
            return None
        return posting.check_message_form(desk(), here, keys, fields, now=half_hour_now())

    return receive(
        body,
        request.headers.get("Content-Type", ""),
        desk().limits.files,
        admit=admit,
        commit=lambda message: message.commit(today=current_day()),
    )


def _refused(here: MailboxSession, arrived: Arrived) -> WerkzeugResponse:
    text = posting.text_of(arrived.fields)
    refusal = arrived.refusal
    if refusal is Refusal.GONE or refusal is None:
        return gone(text)
    form_context = FormContext(arrived.fields.get("entry_id", ""), arrived.fields.get("seen", ""))
    is_ours = SessionTokens(here, form_context.purpose).fits(arrived.fields.get("token", ""))
    if refusal is Refusal.CHANGED or not is_ours:
        try:
            form_context = posting.new_sheet(desk(), derive_mailbox_keys(here.root))
        except MailboxGoneError:
            return gone(text)
        except StoreError:
            return store_refused(text)
    return _write_page(here, form_context, text, refusal, had_files=arrived.had_files)


def _write_page(  # noqa: PLR0913  # what the page shows
    here: MailboxSession,
    form_context: FormContext,
    text: str,
    refusal: Refusal | None,
    *,
    had_files: bool = False,
    closed: bool = False,
) -> Response:
    form = WriteForm(
        tokens=SessionTokens(here, form_context.purpose),
        entry_id=form_context.entry_id,
        seen=form_context.seen,
        text=text,
    )
    return render_page(
        "mailbox/write.html",
        200 if refusal is None else _STATUS[refusal],
        form=form,
        limits=desk().limits,
        files_refused=had_files,
        closed=closed,
        refusal=None if refusal is None else refusal.value,
    )


def _announced() -> int | None:
    """Return the body's length; None for a chunked body, which only a server that ends it may give us."""
    if request.content_length is None and "wsgi.input_terminated" not in request.environ:
        return 0
    return request.content_length
