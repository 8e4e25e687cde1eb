"""Page with the form of a new message, and the code that receives this form."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as WerkzeugResponse

from protocol.identifiers import sealing_words
from source_app.errors import MailboxGoneError, MessageRefusal
from source_app.forms import WriteForm
from source_app.services import login, posting, thread
from source_app.services.login import MailboxSession
from source_app.services.mailbox_form import FormContext, form_text
from source_app.services.posting import Posting
from source_app.services.uploads import BESIDE_FILES_BYTES, ReceivedForm, receive_form
from source_app.views.error_pages import gone_page, store_error_page
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
    MessageRefusal.TOO_MANY_FILES: 413,
    MessageRefusal.FILES_TOO_LARGE: 413,
    MessageRefusal.NO_ROOM: 413,
    MessageRefusal.CUT_OFF: 400,
    MessageRefusal.UNREADABLE: 400,
    MessageRefusal.FORM_EXPIRED: 403,
    MessageRefusal.STORE: 503,
}
# A browser reads the response only after it has sent everything. So the rest of a refused form is read, up
# to this many times the limit of a message.
_DRAIN_TIMES = 2


def page_for_text(here: MailboxSession, text: str) -> Response:
    """Return the page with the form of a new message. The form contains `text`."""
    closed = thread.is_mailbox_closed(desk(), here.keys)
    return _write_page(here, FormContext.new(*here.state.shown), text, None, closed=closed)


def receive_message() -> ResponseReturnValue:
    """Receive the form of a new message, and post the message. After a failure, show the typed text again.

    The session and the Origin header are checked before a byte of the body is read. If the session has
    expired, or the sessions cannot be read, the files are discarded while they arrive, and the next page
    shows the text.
    """
    page_without_session: Callable[[str], WerkzeugResponse] = logged_out_page
    try:
        here = current_session()
    except StoreError:
        here, page_without_session = None, store_error_page
    limits = desk().limits
    body = Body(request.environ["wsgi.input"], _body_length(), limits.files_bytes + BESIDE_FILES_BYTES)
    received, reopened = _receive(here, body)
    is_read = body.drain(_DRAIN_TIMES * limits.files_bytes)
    answer: WerkzeugResponse
    if received.entry_id is not None:
        receipt = url_for(
            "mailbox.show_receipt", lang=lang(), entry_id=received.entry_id, opened_again=reopened or None
        )
        answer = redirect(receipt, code=303)
    elif here is not None:
        answer = _refused(here, received)
    else:
        answer = page_without_session(form_text(received.fields))
    if not is_read:
        answer.headers["Connection"] = "close"
    return answer


def _receive(here: MailboxSession | None, body: Body) -> tuple[ReceivedForm, bool]:
    """Receive the form, and return it. Also return True if its message opened a closed mailbox again."""
    reopened = False

    def admit(fields: Mapping[str, str]) -> Posting | None:
        if here is None:
            return None
        return posting.check_message_form(desk(), here, fields, lang(), now=half_hour_now())

    def commit(message: Posting) -> str:
        nonlocal reopened
        entry_id = message.commit(today=current_day())
        reopened = message.opens_again
        if here is not None and message.head is not None:
            with suppress(StoreError):  # the next form then names an older entry, which is as good
                login.remember_entry(desk(), here, message.head, now=half_hour_now())
        return entry_id

    content_type = request.headers.get("Content-Type", "")
    return receive_form(body, content_type, desk().limits.files, admit=admit, commit=commit), reopened


def _refused(here: MailboxSession, received: ReceivedForm) -> WerkzeugResponse:
    text = form_text(received.fields)
    refusal = received.refusal
    if refusal is MessageRefusal.GONE or refusal is None:
        return gone_page(text)
    form_context = FormContext.from_fields(received.fields)
    tokens = SessionTokens(here, form_context.purpose(posting.ACTION, here.keys.address))
    if refusal is MessageRefusal.CHANGED or not tokens.fits(received.fields.get("token", "")):
        form_context = FormContext.new(*here.state.shown)
        try:
            thread.is_mailbox_closed(desk(), here.keys)
        except MailboxGoneError:
            return gone_page(text)
        except StoreError:
            return store_error_page(text)
    return _write_page(here, form_context, text, refusal, had_files=received.had_files)


def _write_page(  # noqa: PLR0913  # the parts of the page
    here: MailboxSession,
    form_context: FormContext,
    text: str,
    refusal: MessageRefusal | None,
    *,
    had_files: bool = False,
    closed: bool = False,
) -> Response:
    tokens = SessionTokens(here, form_context.purpose(posting.ACTION, here.keys.address))
    form = WriteForm(tokens=tokens, text=text, **asdict(form_context))
    return render_page(
        "mailbox/write.html",
        200 if refusal is None else _STATUS.get(refusal, 422),
        form=form,
        limits=desk().limits,
        files_refused=had_files,
        closed=closed,
        refusal=refusal,
        sealing_words=sealing_words(here.keys.address),
    )


def _body_length() -> int | None:
    """Return the length of the request's body in bytes, or None for a chunked body.

    A body without a length counts as empty, unless the WSGI server marks the end of the body.
    """
    if request.content_length is None and "wsgi.input_terminated" not in request.environ:
        return 0
    return request.content_length
