"""Pages on which the adviser writes, previews and sends a proposal, and passes it on."""

import os
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wsgi import wrap_file

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import AdviserError, PassOnRefusedError
from journalist_app.forms import (
    ANSWER_FIELDS,
    CONTEXT_FIELDS,
    STEP_FIELDS,
    TICKED_FILES,
    AnswerParts,
    bytes_of_hex,
)
from journalist_app.requests import kept_text
from journalist_app.requests.access import unlocked
from journalist_app.requests.file_response import file_response
from journalist_app.requests.form_context import (
    address_of,
    adviser_today,
    entry_id_of,
    error_page,
    read_form_context,
    submitted_form,
)
from journalist_app.requests.refusal_status import REFUSALS, reason_and_status
from journalist_app.services.mailbox import read_thread
from journalist_app.services.mailbox.steps import STEP_CHARS, StepForm
from journalist_app.services.passing_on import make_export, pass_on, proposing, usable_recipients
from journalist_app.services.passing_on.pass_on import REASON_CHARS_MIN, WithoutConsent
from journalist_app.services.passing_on.proposing import PreparedProposal, ProposalForm
from protocol.content import ATTACHMENTS, TEXT_CHARS
from protocol.identifiers import ATTACHMENT_ID_BYTES, Address, AttachmentId
from web.dates import half_hour_now
from web.form_limits import TOKEN_BYTES, takes

bp = Blueprint("proposals", __name__, url_prefix="/mailbox")
_RENEW_SECONDS = 2
_FILE_NAME = "doorgeven.gpg"  # reveals nothing about the mailbox


@bp.get("/<address>/propose")
@unlocked
def show_proposal_form(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Show the form of a new proposal, with the text of an older proposal if the adviser chose one."""
    return _form(desk, address_of(address), entry_id_of(request.args.get("again", "")))


@bp.post("/<address>/propose")
@takes(more=TICKED_FILES, **ANSWER_FIELDS)
@unlocked
def preview_proposal(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Prepare the proposal, and show a preview.

    The preview shows the proposal as the source will see it, or the progress of examining its files.
    """
    where, parts = address_of(address), AnswerParts()
    try:
        with submitted_form(parts):
            return _preview(_prepared(desk, where, parts), address)
    except REFUSALS as why:
        return _form(desk, where, parts=parts, refusal=reason_and_status(why)[0])


@bp.get("/<address>/propose/<entry_id>")
@unlocked
def show_preview(desk: OpenDesk, address: str, entry_id: str) -> ResponseReturnValue:
    """Show a prepared proposal as the source will see it, or the progress of examining its files."""
    where = address_of(address)
    try:
        return _preview(proposing.find_prepared(desk, where, entry_id_of(entry_id)), address)
    except PassOnRefusedError as why:
        return _form(desk, where, refusal=why.reason)


def _preview(prepared: PreparedProposal, address: str) -> ResponseReturnValue:
    is_busy = prepared.is_busy  # read once: the examination may end at any moment
    page = render_template("proposals/preview.html", prepared=prepared, address=address, is_busy=is_busy)
    response = make_response(page)
    if is_busy:
        entry_id = prepared.form_context.entry_id.hex()
        again = url_for("proposals.show_preview", address=address, entry_id=entry_id, renewed=1)
        response.headers["Refresh"] = f"{_RENEW_SECONDS}; url={again}"
    return response


def _prepared(desk: OpenDesk, where: Address, parts: AnswerParts) -> PreparedProposal:
    chosen = tuple(
        AttachmentId(bytes_of_hex(each, ATTACHMENT_ID_BYTES) or b"")
        for each in parts.fields.get("chosen", [])
    )
    return proposing.prepare_proposal(
        desk,
        read_form_context("propose", where, parts),
        ProposalForm(parts.first("fingerprint"), parts.first("text"), chosen, parts.step()),
        parts.files(),
        today=adviser_today(),
        half_hour=half_hour_now(),
    )


@bp.post("/<address>/propose/send")
@takes(**ANSWER_FIELDS, **{f"copy-{place}": TOKEN_BYTES for place in range(ATTACHMENTS)})
@unlocked
def send_previewed_proposal(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Send the previewed proposal to the source."""
    where = address_of(address)
    parts = AnswerParts(request.form.to_dict(flat=False))
    kept_text.keep_typed_text(*parts.typed())
    entry_id = read_form_context("send", where).entry_id
    try:
        chosen = [request.form.get(f"copy-{place}") for place in range(ATTACHMENTS)]
        originals = [place for place, choice in enumerate(chosen) if choice == "original"]
        proposing.send_proposal(desk, where, entry_id, originals, today=adviser_today())
    except AdviserError as why:
        return _form(desk, where, parts=parts, refusal=why.reason)
    return redirect(
        url_for("thread.show_thread", address=address, proposed=1, _anchor="thread-state"), code=303
    )


@bp.get("/<address>/proposal/<proposal_id>")
@unlocked
def show_proposal_status(desk: OpenDesk, address: str, proposal_id: str) -> ResponseReturnValue:
    """Show a proposal, the source's answer to it, and the forms to pass it on."""
    return _page(desk, address_of(address), proposal_id)


@bp.post("/<address>/proposal/<proposal_id>/begin")
@takes(**STEP_FIELDS)
@unlocked
def start_passing_on(desk: OpenDesk, address: str, proposal_id: str) -> ResponseReturnValue:
    """Append a step to the mailbox: the desk passes on a proposal to which the source agreed."""
    begin = partial(pass_on.begin_passing_on, words=_words())
    return _act(desk, address, proposal_id, "begin", begin)


@bp.post("/<address>/proposal/<proposal_id>/begin-without")
@takes(**STEP_FIELDS, confirmed=TOKEN_BYTES)
@unlocked
def start_without_consent(desk: OpenDesk, address: str, proposal_id: str) -> ResponseReturnValue:
    """Append a step to the mailbox: the desk passes on a proposal without consent, for the typed reason."""
    reason = request.form.get("text", "")
    without = WithoutConsent(reason, is_confirmed=request.form.get("confirmed") == "yes")
    begin = partial(pass_on.begin_passing_on, words=_words(), without=without)
    return _act(desk, address, proposal_id, "begin-without", begin)


def _words() -> StepForm:
    typed = request.form.get
    return StepForm(text=typed("text", ""), next=typed("next", ""), by=typed("by", ""))


@bp.post("/<address>/proposal/<proposal_id>/make")
@takes(**CONTEXT_FIELDS)
@unlocked
def download_export(desk: OpenDesk, address: str, proposal_id: str) -> ResponseReturnValue:
    """Make the encrypted file for the recipient of a proposal, and send it to the adviser's browser."""
    return _act(desk, address, proposal_id, "make", make_export.make_export)


@bp.post("/<address>/proposal/<proposal_id>/deliver")
@takes(**STEP_FIELDS, delivered=TOKEN_BYTES)
@unlocked
def save_handover(desk: OpenDesk, address: str, proposal_id: str) -> ResponseReturnValue:
    """Append a step to the mailbox: the desk handed over the proposal's file to the recipient."""
    delivered = request.form.get("delivered", "")
    deliver = partial(pass_on.record_handover, words=_words(), delivered=delivered)
    return _act(desk, address, proposal_id, "deliver", deliver)


def _act(
    desk: OpenDesk, address: str, proposal_id: str, purpose: str, action: Callable[..., BinaryIO | None]
) -> ResponseReturnValue:
    where = address_of(address)
    kept_text.keep_typed_text(_words().text, _words().next)
    form_context = read_form_context(f"{purpose} {proposal_id}", where)
    try:
        made = action(desk, form_context, entry_id_of(proposal_id), today=adviser_today())
    except AdviserError as why:
        return _page(desk, where, proposal_id, refusal=why.reason)
    if made is not None:
        size = os.fstat(made.fileno()).st_size
        return file_response(wrap_file(request.environ, made), _FILE_NAME, size)
    page = url_for("proposals.show_proposal_status", address=address, proposal_id=proposal_id, done=purpose)
    return redirect(page, code=303)


def _form(
    desk: OpenDesk, where: Address, again: bytes = b"", *, parts: AnswerParts | None = None, refusal: str = ""
) -> ResponseReturnValue:
    filled = parts or AnswerParts()
    kept_text.keep_typed_text(*filled.typed())
    thread = read_thread.open_thread(desk, where, today=adviser_today())
    older = [each for each in thread.thread_state.proposals if each.entry_id == again]
    page = render_template(
        "proposals/write.html",
        thread=thread,
        text=older[0].content.text if older else filled.first("text"),
        recipients=usable_recipients.available_recipients(desk),
        fingerprint=filled.first("fingerprint"),
        chosen=filled.fields.get("chosen", []),
        step=filled.step(),
        step_chars=STEP_CHARS,
        refusal=refusal,
        text_chars=TEXT_CHARS,
        upload_files=desk.config.upload_files,
        upload_bytes=desk.config.upload_bytes,
    )
    return page, {"": 200, "store": 503}.get(refusal, 409)


def _page(desk: OpenDesk, where: Address, proposal_id: str, *, refusal: str = "") -> ResponseReturnValue:
    thread = read_thread.open_thread(desk, where, today=adviser_today())
    made = (each for each in thread.entries if each.kind == "proposal" and each.entry_id == proposal_id)
    entry = next((each for each in made if each.proposal is not None), None)
    if entry is None or entry.proposal is None:
        return error_page("missing", 404)  # or a source signed the entry; only the desk can make a proposal
    page = render_template(
        "proposals/show.html",
        thread=thread,
        entry=entry,
        proposal=entry.proposal,
        is_confirmed=pass_on.is_confirmed_by_server(desk, where, thread.thread_state, entry.proposal),
        refusal=refusal,
        done=request.args.get("done", ""),
        step=_words(),
        step_chars=STEP_CHARS,
        delivered=request.form.get("delivered", adviser_today().isoformat()),
        reason_chars=REASON_CHARS_MIN,
    )
    return page, 409 if refusal else 200
