"""Page of a proposal to pass on a text, with the form for the source's answer."""

from contextlib import suppress
from dataclasses import replace

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from protocol.content import Verdict
from source_app.errors import AnswerRefusal, AnswerRefusedError, NotFoundError
from source_app.forms import ConsentForm, LogInForm
from source_app.services import consent, login, proposals, thread
from source_app.services.login import MailboxSession
from source_app.services.mailbox_files import damaged_files
from source_app.services.posting import form_text
from source_app.views import write_pages
from source_app.views.keep_pages import forget_sent, keep_refused
from source_app.views.login_page import logged_out_page, other_mailbox_page
from source_app.views.request_context import (
    current_day,
    current_session,
    desk,
    lang,
    limit_decryption,
    parse_id,
    render_page,
)
from stored_mailbox.entry_form import FormContext
from web.dates import half_hour_now

_STATUS = {AnswerRefusal.FORM_EXPIRED: 403}


def proposal_page(
    here: MailboxSession, entry_id: bytes, refusal: AnswerRefusal | None = None, text: str = ""
) -> Response:
    """Return the page of a proposal in its current state, with a new answer form that contains `text`.

    `refusal` is the reason why the last answer was not accepted, or None.
    """
    conversation = thread.read_thread(desk(), here.keys, here.state.shown[0], today=current_day())
    mailbox = conversation.mailbox
    shown = proposals.read_proposal(mailbox, here.keys, entry_id)
    if Verdict.AGREED in shown.may:
        shown = replace(shown, damaged_files=damaged_files(desk(), here.keys, shown.signed))
    # A read receipt confirms an entry a moment after its page, so the session's own record counts too.
    confirmed = mailbox.shown.difference(mailbox.uncovered_words(mailbox.shown))
    on_pages = mailbox.shown & mailbox.transcript.knowledge.within(here.state.shown[0])
    seen = confirmed | on_pages | {shown.signed.digest}
    form_context = FormContext.new(here.keys.address, *mailbox.heads_for(seen))
    hidden = form_context.hidden_fields(here.token, consent.answer_action(shown.id, shown.digest))
    warned = "yes" if refusal is AnswerRefusal.SEVEN_WORDS else request.form.get("warned", "")
    # The page of an agreed proposal only shows the text, and its form does not send the text.
    kept = {"text": text, "kept": "yes" if text and "agreed" in shown.may else "", "warned": warned}
    form = ConsentForm(digest=shown.digest, mailbox=here.tag(), **kept, **hidden)
    return render_page(
        "mailbox/proposal.html",
        200 if refusal is None else _STATUS.get(refusal, 422),
        form=form,
        proposal=shown,
        thread=conversation,
        limits=desk().limits,
        refusal=refusal,
    )


def page_with_text(here: MailboxSession, text: str, proposal_id: str) -> Response:
    """Return a page with the text that the source typed before the session ended.

    If the mailbox has the proposal `proposal_id`, the page has the answer form of this proposal. Otherwise
    the page has the form for a new message. Call this function inside `limit_decryption`.
    """
    if proposal_id:
        with suppress(NotFoundError):
            answer = proposal_page(here, parse_id(proposal_id), AnswerRefusal.FORM_EXPIRED, text)
            answer.status_code = 200  # the log-in succeeded
            return answer
    return write_pages.page_for_text(here, text)


def receive_answer(entry_id: bytes) -> ResponseReturnValue:
    """Store the source's answer to a proposal. If the form is refused, show it again with the typed text."""
    here = current_session()
    text, tag = form_text(request.form), request.form.get("mailbox", "")
    if here is None:
        return logged_out_page(text, entry_id.hex(), tag)
    with limit_decryption(here):
        try:
            answer = consent.check_answer_form(desk(), here, entry_id.hex(), request.form, lang())
            written = consent.append_consent(desk(), here.keys, answer, today=current_day())
            login.remember_written(desk(), here, answer.form_context, written, now=half_hour_now())
            forget_sent(here, request.form, entry_id.hex())
        except AnswerRefusedError as why:
            keep_refused(here, text, tag, entry_id.hex())
            if why.reason is AnswerRefusal.FORM_EXPIRED and text and not here.is_mine(tag):
                return other_mailbox_page(LogInForm(text=text, proposal=entry_id.hex(), mailbox=tag))
            return proposal_page(here, entry_id, why.reason, text)
    return redirect(url_for("mailbox.show_proposal", lang=lang(), entry_id=entry_id.hex()), code=303)
