"""An open mailbox: reading, writing, receipts, proposals, files, deleting, ending."""

from collections.abc import Callable

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from crypto.errors import CryptoError
from protocol.mailbox_keys import MailboxKeys
from source_app.errors import MailboxGoneError
from source_app.forms import DeleteForm, EndForm
from source_app.hardened_flask import log
from source_app.services import deleting, read_receipts, reading
from source_app.services.absences import away
from source_app.services.login import MailboxSession
from source_app.services.reading import SourceMailbox
from source_app.views import answer_pages, write_pages
from source_app.views.login_page import mailbox_open
from source_app.views.request_context import (
    SessionTokens,
    current_day,
    desk,
    id_of,
    lang,
    render_page,
    without_session,
)
from store.errors import StoreError
from web.filenames import attachment_disposition
from web.headers import FILE_CSP

bp = Blueprint("mailbox", __name__, url_prefix="/<any(nl, en):lang>/mailbox")


@bp.get("")
@mailbox_open
def show_mailbox(_here: MailboxSession, keys: MailboxKeys) -> ResponseReturnValue:
    """Show the whole conversation. When it has been sent, a mark tells the desk that it was."""
    shown = reading.read_thread(desk(), keys, today=current_day())
    answer = render_page("mailbox/thread.html", thread=shown, away=away(desk().letterhead, current_day()))
    if request.method == "GET" and "Sec-Purpose" not in request.headers:  # a page fetched ahead is not read
        answer.call_on_close(_marking(keys, shown.mailbox))
    return answer


@bp.get("/save")
@mailbox_open
def show_printable(_here: MailboxSession, keys: MailboxKeys) -> ResponseReturnValue:
    """Show the whole conversation on one page to print or save."""
    return render_page("mailbox/save.html", thread=reading.read_thread(desk(), keys, today=current_day()))


@bp.get("/write")
@mailbox_open
def write_message(here: MailboxSession, keys: MailboxKeys) -> ResponseReturnValue:
    """Show an empty page to write on."""
    return write_pages.context_with(here, keys, "")


@bp.post("/write")
def leave_message() -> ResponseReturnValue:
    """Receive a message."""
    return write_pages.receive_message()


@bp.get("/received/<entry_id>")
@mailbox_open
def show_receipt(_here: MailboxSession, keys: MailboxKeys, entry_id: str) -> ResponseReturnValue:
    """Show the receipt of an own entry."""
    entry, expect_by = reading.read_receipt(desk(), keys, id_of(entry_id))
    reopened = reading.has_reopened(desk(), keys, id_of(entry_id))
    return render_page(
        "mailbox/received.html", entry=entry, words=entry.words, expect_by=expect_by, reopened=reopened
    )


@bp.get("/proposal/<entry_id>")
@mailbox_open
def show_proposal(here: MailboxSession, keys: MailboxKeys, entry_id: str) -> ResponseReturnValue:
    """Show a proposal word for word, and what may be said to it."""
    return answer_pages.proposal_page(here, keys, id_of(entry_id))


@bp.post("/proposal/<entry_id>")
def receive_consent(entry_id: str) -> ResponseReturnValue:
    """Take an answer to a proposal."""
    return answer_pages.receive_answer(id_of(entry_id))


@bp.get("/files/<attachment_id>")
@mailbox_open
def send_file(_here: MailboxSession, keys: MailboxKeys, attachment_id: str) -> ResponseReturnValue:
    """Send a file to be saved, never to be shown. If it turns out damaged on the way it ends too short."""
    about, pieces = reading.open_file(desk(), keys, id_of(attachment_id))
    return Response(
        pieces,
        mimetype="application/octet-stream",
        headers={
            "Content-Length": str(about.size),
            "Content-Disposition": attachment_disposition(about.name),
            "Content-Security-Policy": FILE_CSP,
        },
    )


@bp.route("/delete/<entry_id>", methods=["GET", "POST"])
@mailbox_open
def delete(here: MailboxSession, keys: MailboxKeys, entry_id: str) -> ResponseReturnValue:
    """Delete one entry, after asking."""
    form = DeleteForm(request.form, tokens=SessionTokens(here, f"delete {entry_id}"))
    if request.method == "GET":
        entry = reading.entry_to_delete(desk(), keys, id_of(entry_id))
        return render_page("mailbox/delete.html", form=form, entry=entry)
    if not form.validate():
        abort(403)
    deleting.delete_entry(desk(), keys, id_of(entry_id), today=current_day())
    return redirect(url_for("mailbox.show_mailbox", lang=lang()), code=303)


@bp.route("/end", methods=["GET", "POST"])
@mailbox_open
def end_page(here: MailboxSession, keys: MailboxKeys) -> ResponseReturnValue:
    """End the mailbox for good, after a second movement of the hand."""
    form = EndForm(request.form, tokens=SessionTokens(here, "end"))
    if request.method == "GET":
        return render_page("mailbox/end.html", form=form)
    if not form.validate():
        return abort(403) if form.token.errors else render_page("mailbox/end.html", 422, form=form)
    deleting.end_mailbox(desk(), here, keys, today=current_day())
    return without_session(redirect(url_for("mailbox.ended_page", lang=lang()), code=303))


@bp.get("/ended")
def ended_page() -> ResponseReturnValue:
    """Say that nothing is left."""
    return render_page("mailbox/ended.html")


def _marking(keys: MailboxKeys, shown: SourceMailbox) -> Callable[[], None]:
    """Return what is done when a page has been sent: nobody waits for it, or hears that it failed."""
    here, day = desk(), current_day()

    def mark() -> None:
        try:
            read_receipts.mark_seen(here, keys, shown, today=day)
        except (StoreError, CryptoError, MailboxGoneError) as why:
            log.error("mark: %s", type(why).__name__)

    return mark
