"""The page of a proposal, and everything that can come of answering it."""

from contextlib import suppress

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from protocol.mailbox_keys import MailboxKeys, derive_mailbox_keys
from source_app.errors import AnswerRefusal, AnswerRefusedError, NotFoundError
from source_app.forms import ConsentForm
from source_app.services import consent, posting, reading
from source_app.services.login import MailboxSession
from source_app.views import write_pages
from source_app.views.login_page import logged_out_page
from source_app.views.request_context import (
    SessionTokens,
    current_day,
    current_session,
    desk,
    id_of,
    lang,
    render_page,
)

_STATUS = {AnswerRefusal.FORM_EXPIRED: 403}


def proposal_page(
    here: MailboxSession,
    keys: MailboxKeys,
    entry_id: bytes,
    refusal: AnswerRefusal | None = None,
    text: str = "",
) -> Response:
    """Return a proposal as it lies in the mailbox now, with a fresh form; a wish that was typed stays."""
    thread = reading.read_thread(desk(), keys, today=current_day())
    shown = reading.read_proposal(thread.mailbox, keys, entry_id)
    form_context = posting.new_sheet(desk(), keys)
    tokens = SessionTokens(here, consent.purpose(shown.id, shown.digest, form_context))
    form = ConsentForm(
        tokens=tokens, entry_id=form_context.entry_id, seen=form_context.seen, digest=shown.digest, text=text
    )
    return render_page(
        "mailbox/proposal.html",
        200 if refusal is None else _STATUS.get(refusal, 422),
        form=form,
        proposal=shown,
        thread=thread,
        limits=desk().limits,
        refusal=None if refusal is None else refusal.value,
    )


def page_of_text(here: MailboxSession, keys: MailboxKeys, text: str, proposal_id: str) -> Response:
    """Return the page on which a text was typed before its session ended, as fresh as after logging in.

    A wish whose proposal is not in this mailbox any more comes onto the page to write on: it is not lost.
    """
    if proposal_id:
        with suppress(NotFoundError):
            answer = proposal_page(here, keys, id_of(proposal_id), AnswerRefusal.FORM_EXPIRED, text)
            answer.status_code = 200  # logging in went well
            return answer
    return write_pages.context_with(here, keys, text)


def receive_answer(entry_id: bytes) -> ResponseReturnValue:
    """Take an answer; whatever is refused, a wish that was typed comes back."""
    here = current_session()
    text = posting.text_of(request.form)
    if here is None:
        return logged_out_page(text, entry_id.hex())
    keys = derive_mailbox_keys(here.root)
    try:
        answer = consent.check_answer_form(desk(), here, entry_id.hex(), request.form)
        consent.append_consent(desk(), keys, answer, today=current_day())
    except AnswerRefusedError as why:
        return proposal_page(here, keys, entry_id, why.refusal, text)
    return redirect(url_for("mailbox.show_proposal", lang=lang(), entry_id=entry_id.hex()), code=303)
