"""Page with the form of a new message, and the code that receives this form."""

from collections.abc import Callable, Mapping

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as WerkzeugResponse

from protocol.mailbox_keys import MailboxKeys, derive_mailbox_keys
from source_app.errors import MailboxGoneError, MessageRefusal
from source_app.forms import WriteForm
from source_app.services import posting, thread
from source_app.services.login import MailboxSession
from source_app.services.posting import FormContext, Posting
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


def page_for_text(here: MailboxSession, keys: MailboxKeys, text: str) -> Response:
    """Return the page with the form of a new message. The form contains `text`."""
    closed = thread.is_mailbox_closed(desk(), keys)
    return _write_page(here, posting.new_form_context(desk(), keys), text, None, closed=closed)


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
    received = _receive(here, body)
    is_read = body.drain(_DRAIN_TIMES * limits.files_bytes)
    answer: WerkzeugResponse
    if received.entry_id is not None:
        receipt = url_for("mailbox.show_receipt", lang=lang(), entry_id=received.entry_id)
        answer = redirect(receipt, code=303)
    elif here is not None:
        answer = _refused(here, received)
    else:
        answer = page_without_session(posting.form_text(received.fields))
    if not is_read:
        answer.headers["Connection"] = "close"
    return answer


def _receive(here: MailboxSession | None, body: Body) -> ReceivedForm:
    keys = None if here is None else derive_mailbox_keys(here.root)

    def admit(fields: Mapping[str, str]) -> Posting | None:
        if here is None or keys is None:
            return None
        return posting.check_message_form(desk(), here, keys, fields, now=half_hour_now())

    return receive_form(
        body,
        request.headers.get("Content-Type", ""),
        desk().limits.files,
        admit=admit,
        commit=lambda message: message.commit(today=current_day()),
    )


def _refused(here: MailboxSession, received: ReceivedForm) -> WerkzeugResponse:
    text = posting.form_text(received.fields)
    refusal = received.refusal
    if refusal is MessageRefusal.GONE or refusal is None:
        return gone_page(text)
    form_context = FormContext(received.fields.get("entry_id", ""), received.fields.get("seen", ""))
    is_ours = SessionTokens(here, form_context.purpose).fits(received.fields.get("token", ""))
    if refusal is MessageRefusal.CHANGED or not is_ours:
        try:
            form_context = posting.new_form_context(desk(), derive_mailbox_keys(here.root))
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
    form = WriteForm(
        tokens=SessionTokens(here, form_context.purpose),
        entry_id=form_context.entry_id,
        seen=form_context.seen,
        text=text,
    )
    return render_page(
        "mailbox/write.html",
        200 if refusal is None else _STATUS.get(refusal, 422),
        form=form,
        limits=desk().limits,
        files_refused=had_files,
        closed=closed,
        refusal=refusal,
    )


def _body_length() -> int | None:
    """Return the length of the request's body in bytes, or None for a chunked body.

    A body without a length counts as empty, unless the WSGI server marks the end of the body.
    """
    if request.content_length is None and "wsgi.input_terminated" not in request.environ:
        return 0
    return request.content_length
