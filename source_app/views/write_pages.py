"""Page with the form of a new message, and the code that receives this form."""

from collections.abc import Mapping

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as WerkzeugResponse

from protocol.identifiers import sealing_words
from source_app.errors import MessageRefusal
from source_app.forms import WRITE_FIELDS, LogInForm, WriteForm
from source_app.services import login, posting, thread
from source_app.services.login import MailboxSession
from source_app.services.posting import Posting, form_text
from source_app.services.uploads import BESIDE_FILES_BYTES, ReceivedForm, receive_form
from source_app.views.error_pages import gone_page, remember_fault, store_error_page
from source_app.views.keep_pages import forget_sent, keep_refused
from source_app.views.login_page import logged_out_page, other_mailbox_page
from source_app.views.request_context import (
    current_day,
    current_session,
    desk,
    lang,
    limit_decryption,
    render_page,
)
from store.errors import NoSuchMailboxError, StoreError
from stored_mailbox.entry_form import FormContext
from web.dates import half_hour_now, half_hour_of
from web.form_limits import body_of
from web.multipart import FormLimits

_STATUS = {
    MessageRefusal.TOO_MANY_FILES: 413,
    MessageRefusal.FILES_TOO_LARGE: 413,
    MessageRefusal.NO_ROOM: 507,
    MessageRefusal.CUT_OFF: 400,
    MessageRefusal.UNREADABLE: 400,
    MessageRefusal.FORM_EXPIRED: 403,
    MessageRefusal.STORE: 503,
}
# A browser reads the response only after it has sent everything. So the rest of a refused form is read, up
# to this many times the limit of a message.
_DRAIN_TIMES = 2


def page_for_text(here: MailboxSession, text: str) -> Response:
    """Return the page on which a source writes a new message, with `text` in its form."""
    closed = "yes" if thread.is_mailbox_closed(desk(), here.keys) else ""
    form_context = FormContext.new(here.keys.address, *here.state.shown)
    unanswered = thread.find_unanswered(desk(), here.keys, here.state.shown[0])
    return _write_page(here, form_context, {"text": text, "closed": closed}, unanswered=unanswered)


def receive_message() -> ResponseReturnValue:
    """Receive the form of a new message, and post the message. After a failure, show the typed text again.

    The session is checked before the body is read. Without a session, the files are discarded.
    """
    has_sessions = True
    try:
        here = current_session()
    except StoreError as why:
        remember_fault(why)
        here, has_sessions = None, False
    limits = desk().limits
    body = body_of(request, limits.files_bytes + BESIDE_FILES_BYTES)
    received = receive_form(
        body,
        request.headers.get("Content-Type", ""),
        FormLimits(len(WRITE_FIELDS) + limits.files, WRITE_FIELDS),
        admit=lambda fields: None if here is None else _check_form(here, fields),
        commit=lambda message: None if here is None else _commit(here, message),
    )
    if received.cause is not None:
        remember_fault(received.cause)
    is_read = body.drain(_DRAIN_TIMES * limits.files_bytes)
    answer: WerkzeugResponse
    if here is None:
        text = form_text(received.fields)
        tag = received.fields.get("mailbox", "")
        answer = logged_out_page(text, tag=tag) if has_sessions else store_error_page(text)
    elif received.posted is None:
        answer = _refused(here, received)
    else:
        answer = _posted(here, received.posted, received.fields)
    if not is_read:
        answer.headers["Connection"] = "close"
    return answer


def _check_form(here: MailboxSession, fields: Mapping[str, str]) -> Posting:
    now = half_hour_of(desk().store.now())  # the sweeper of another machine destroys files that never end
    return posting.check_message_form(desk(), here, fields, lang(), now=now)


def _commit(here: MailboxSession, message: Posting) -> None:
    with limit_decryption(here):  # if the form is old, all entries of the source are verified
        message.commit(today=current_day())


def _posted(here: MailboxSession, posted: Posting, fields: Mapping[str, str]) -> WerkzeugResponse:
    login.remember_written(
        desk(), here, posted.form_context, posted.written, posted.text, now=half_hour_now()
    )
    forget_sent(here, fields)
    closed = fields.get("closed") or None
    entry_id = posted.sent_as.hex()
    receipt = url_for("mailbox.show_receipt", lang=lang(), entry_id=entry_id, opened_again=closed)
    return redirect(receipt, code=303)


def _refused(here: MailboxSession, received: ReceivedForm) -> WerkzeugResponse:
    text = form_text(received.fields)
    refusal = received.refusal
    keep_refused(here, text, received.fields.get("mailbox", ""))
    if refusal is MessageRefusal.GONE or refusal is None:
        return gone_page(text)
    address = here.keys.address
    form_context = FormContext.of_form(received.fields, here.token, posting.ACTION, address)
    if refusal is MessageRefusal.CHANGED or form_context is None:
        form_context = FormContext.new(address, *here.state.shown)
        try:
            thread.find_mailbox(desk(), here.keys)
        except NoSuchMailboxError:
            return gone_page(text)
        except StoreError as why:
            remember_fault(why)
            return store_error_page(text)
        tag = received.fields.get("mailbox", "")
        if text and not here.is_mine(tag):
            return other_mailbox_page(LogInForm(text=text, mailbox=tag))
    warned = "yes" if refusal is MessageRefusal.SEVEN_WORDS else received.fields.get("warned", "")
    kept = {"text": text, "closed": received.fields.get("closed", ""), "warned": warned}
    return _write_page(here, form_context, kept, refusal, files_refused=received.had_files)


def _write_page(  # noqa: PLR0913  # the values of the page
    here: MailboxSession,
    form_context: FormContext,
    kept: Mapping[str, str],
    refusal: MessageRefusal | None = None,
    *,
    files_refused: bool = False,
    unanswered: thread.ThreadEntry | None = None,
) -> Response:
    return render_page(
        "mailbox/write.html",
        200 if refusal is None else _STATUS.get(refusal, 422),
        form=WriteForm(
            **kept,
            kept="yes" if kept["text"] else "",
            mailbox=here.tag(),
            **form_context.hidden_fields(here.token, posting.ACTION),
        ),
        limits=desk().limits,
        refusal=refusal,
        sealing_words=sealing_words(here.keys.address),
        files_refused=files_refused,
        unanswered=unanswered,
    )
