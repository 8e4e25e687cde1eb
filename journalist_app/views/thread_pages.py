"""Pages of one mailbox: its thread (all entries), the answer form, and downloads of its files."""

from collections.abc import Callable
from contextlib import suppress

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crypto.errors import ForgedError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import FileRefusal, FileRefusedError, RecordUnsoundError
from journalist_app.forms import ANSWER_FIELDS, TICKED_FILES, AnswerParts, bytes_of_hex
from journalist_app.requests.access import unlocked
from journalist_app.requests.file_response import file_response, keep_awake
from journalist_app.requests.form_context import (
    address_of,
    adviser_today,
    entry_id_of,
    read_form_context,
    submitted_form,
)
from journalist_app.requests.refusal_status import REFUSALS, reason_and_status
from journalist_app.services.mailbox import answering, desk_read_receipts, file_downloads, read_thread, steps
from journalist_app.services.mailbox.file_downloads import Download
from journalist_app.services.records import casefiles, drafts
from protocol.content import TEXT_CHARS
from protocol.identifiers import ATTACHMENT_ID_BYTES, Address, AttachmentId
from store.errors import StoreError
from stored_mailbox.entry_form import FormContext
from web.dates import half_hour_now
from web.form_limits import takes
from web.origin import is_seen

bp = Blueprint("thread", __name__, url_prefix="/mailbox")


@bp.get("/<address>")
@unlocked
def show_thread(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Show all entries of a mailbox, with the answer form."""
    where = address_of(address)
    text = drafts.read_writing_help(desk, where).draft if "drafted" in request.args else ""
    return thread_page(desk, where, AnswerParts({"text": [text]}), was_carried=bool(text))


@bp.post("/<address>/answer")
@takes(more=TICKED_FILES, **ANSWER_FIELDS)
@unlocked
def send_answer(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Send an adviser's answer. If the answer is refused, show the form again with its text.

    Files are encrypted while they arrive.
    """
    where, parts = address_of(address), AnswerParts()
    try:
        with submitted_form(parts):
            _send(desk, where, parts)
    except REFUSALS as why:
        return thread_page(desk, where, parts, refused=why)
    return redirect(url_for("thread.show_thread", address=address, sent=1, _anchor="sent"), code=303)


def _send(desk: OpenDesk, where: Address, parts: AnswerParts) -> None:
    form_context = read_answer_context(where, parts)
    step_id = entry_id_of(parts.first("step_id"))
    form = answering.ReplyForm(form_context, parts.first("text"), parts.step(), step_id)
    today = adviser_today()
    with answering.AnswerSender(desk, form, today=today, half_hour=half_hour_now()) as under_way:
        for name, pieces in parts.files():
            if not under_way.is_sent:
                under_way.add_file(name, keep_awake(pieces))
        if not under_way.is_sent:
            under_way.send()
    with suppress(RecordUnsoundError, StoreError):  # sent; the adviser can delete the draft by hand
        drafts.keep_draft(desk, where, "")


def read_answer_context(where: Address, parts: AnswerParts) -> FormContext:
    """Check that this browser was shown the submitted answer form, and return the form's context.

    Raises:
        ForeignFormError: this browser was not shown this form in this mailbox.
    """
    return read_form_context(f"answer {parts.first('step_id')}", where, parts)


def thread_page(  # noqa: PLR0913  # each is shown on the page
    desk: OpenDesk,
    where: Address,
    parts: AnswerParts,
    *,
    refused: Exception | None = None,
    outcome: str = "",
    was_carried: bool = False,
) -> ResponseReturnValue:
    """Show a mailbox with its answer form, filled with the text and the step of `parts`.

    `refused` is the exception of a refused form. `outcome` is the key of a sentence about a draft, or empty.
    """
    refusal, status = reason_and_status(refused)
    today = adviser_today()
    thread = read_thread.open_thread(desk, where, today=today, is_whole=True)
    shown = render_template(
        "thread/show.html",
        thread=thread,
        casefile=casefiles.read_casefile_panel(desk, where, today),
        help=drafts.read_writing_help(desk, where),
        text=parts.first("text"),
        step=parts.step(),
        steps_by_hand=[each.value for each in steps.MANUAL_STEPS],
        step_chars=steps.STEP_CHARS,
        refusal=refusal or outcome,
        was_carried=was_carried,
        is_sent="sent" in request.args,
        is_closed="closed" in request.args,
        is_proposed="proposed" in request.args,
        text_chars=TEXT_CHARS,
        upload_bytes=desk.config.upload_bytes,
        upload_files=desk.config.upload_files,
    )
    # After the page was made, so that the receipt never confirms something that no one was shown.
    if is_seen(request.method, request.headers):
        desk_read_receipts.append_desk_read_receipt(desk, thread.conversation, thread.opened, today=today)
    return shown, status


@bp.get("/<address>/files/<attachment_id>")
@bp.get("/<address>/files/<attachment_id>/opened", endpoint="download_decrypted_file")
@unlocked
def download_attachment(desk: OpenDesk, address: str, attachment_id: str) -> ResponseReturnValue:
    """Send an attached file, decrypted while it is sent. The browser saves the file and never shows it.

    If the path ends with "/opened", the encryption that the source added is removed too.
    """
    where = address_of(address)
    which = AttachmentId(bytes_of_hex(attachment_id, ATTACHMENT_ID_BYTES) or b"")
    is_unsealed = request.path.endswith("/opened")
    return _saved(lambda: file_downloads.open_download(desk, where, which, is_unsealed=is_unsealed))


@bp.get("/<address>/entries/<entry_id>/sealed/<int:number>")
@bp.get("/<address>/entries/<entry_id>/sealed/<int:number>/<int:part>")
@unlocked
def download_pasted_file(
    desk: OpenDesk, address: str, entry_id: str, number: int, part: int = 0
) -> ResponseReturnValue:
    """Send one decrypted part of an encrypted block in a message, as a file to save."""
    where, which = address_of(address), entry_id_of(entry_id)
    return _saved(lambda: file_downloads.open_pasted(desk, where, which, number, part))


def _saved(asked: Callable[[], Download]) -> ResponseReturnValue:
    try:
        file = asked()
    except ForgedError:
        return render_template("refusal.html", what=FileRefusal.BROKEN, text=""), 409
    except FileRefusedError as why:
        status = 404 if why.reason is FileRefusal.MISSING else 409
        return render_template("refusal.html", what=why.reason, text=""), status
    return file_response(keep_awake(file.pieces), file.name, file.size)
