"""The page of a proposal, and everything that can come of answering it."""

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from crypto.mailbox_keys import MailboxKeys, derive
from source_app import consent, posting, reading
from source_app.errors import AnswerRefusal, AnswerRefusedError
from source_app.forms import AnswerForm, LogInForm
from source_app.services import Opened

from .coming_back import log_in_page
from .current import SessionTokens, desk, lang, opened, page, today

_STATUS = {AnswerRefusal.FORM_EXPIRED: 403}


def proposal_page(
    here: Opened, keys: MailboxKeys, entry_id: bytes, refusal: AnswerRefusal | None = None, text: str = ""
) -> Response:
    """Return a proposal as it lies in the mailbox now, with a fresh form; a wish that was typed stays."""
    thread = reading.thread(desk(), keys, today=today())
    shown = reading.proposal(thread.mailbox, keys, entry_id)
    sheet = posting.new_sheet(desk(), keys)
    tokens = SessionTokens(here, consent.purpose(shown.id, shown.digest, sheet))
    form = AnswerForm(tokens=tokens, entry_id=sheet.entry_id, seen=sheet.seen, digest=shown.digest, text=text)
    return page(
        "mailbox/proposal.html",
        200 if refusal is None else _STATUS.get(refusal, 422),
        form=form,
        proposal=shown,
        thread=thread,
        limits=desk().limits,
        refusal=None if refusal is None else refusal.value,
    )


def take(entry_id: bytes) -> ResponseReturnValue:
    """Take an answer; whatever is refused, a wish that was typed comes back."""
    here = opened()
    text = posting.text_of(request.form)
    if here is None:
        return log_in_page(LogInForm(text=text), 403)
    keys = derive(here.root)
    try:
        answer = consent.admit(desk(), here, entry_id.hex(), request.form)
        consent.answer_proposal(desk(), keys, answer, today=today())
    except AnswerRefusedError as why:
        return proposal_page(here, keys, entry_id, why.refusal, text)
    return redirect(url_for("mailbox.proposal", lang=lang(), entry_id=entry_id.hex()), code=303)
