"""Pages of an open mailbox: conversation, new message, receipt, proposals, files, deleting and ending."""

import secrets
from contextlib import suppress
from typing import TypeVar

from flask import Blueprint, Response, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue

from crypto.errors import CryptoError
from source_app.forms import ENTRY_FIELDS, TEXT_FIELDS, WRITE_FIELDS, DeleteForm, EndForm, EntryForm
from source_app.hardened_flask import log
from source_app.page_language import gettext, without_tags
from source_app.services import deleting, login, mailbox_files, read_receipts, thread
from source_app.services.absences import shown_absences
from source_app.services.login import MailboxSession
from source_app.services.new_entry import has_news
from source_app.services.thread import Thread
from source_app.views import answer_pages, keep_pages, write_pages
from source_app.views.login_page import mailbox_open
from source_app.views.request_context import (
    current_day,
    desk,
    lang,
    parse_id,
    render_page,
    send_download,
    without_session,
)
from store.errors import NoSuchMailboxError, StoreError
from stored_mailbox.entry_form import FormContext
from web.dates import half_hour_now
from web.form_limits import TOKEN_BYTES, takes
from web.origin import is_seen

_Form = TypeVar("_Form", bound=EntryForm)
_CHOSEN_FILES_MAX = 100
# Nothing tells which site made the file, and there is no time of day.
_REMINDER = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//calendar//EN
BEGIN:VEVENT
UID:{id}
DTSTAMP:{day}T000000Z
DTSTART;VALUE=DATE:{day}
TRANSP:TRANSPARENT
SUMMARY:{title}
END:VEVENT
END:VCALENDAR
"""
_NAME_BYTES = 1024  # of a chosen file: a form whose text is kept has the name, and not the file
bp = Blueprint("mailbox", __name__, url_prefix="/<language:lang>/mailbox")


@bp.get("")
@mailbox_open
def show_mailbox(here: MailboxSession) -> ResponseReturnValue:
    """Show the whole conversation of the source's mailbox."""
    return _conversation_page(here, "mailbox/thread.html")


@bp.get("/save")
@mailbox_open
def show_printable(here: MailboxSession) -> ResponseReturnValue:
    """Show the whole conversation of the mailbox on one page that the source can print or save."""
    return _conversation_page(here, "mailbox/save.html")


@bp.get("/write")
@mailbox_open
def write_message(here: MailboxSession) -> ResponseReturnValue:
    """Show the form for a new message, with the text that the source typed and did not send."""
    return write_pages.page_for_text(here, keep_pages.unsent_text(here))


@bp.post("/keep")
@takes(
    more=_CHOSEN_FILES_MAX,
    **WRITE_FIELDS,
    digest=TOKEN_BYTES,
    sure=TOKEN_BYTES,
    look=TOKEN_BYTES,
    proposal=TOKEN_BYTES,
    files=_NAME_BYTES,
)
def keep_text() -> ResponseReturnValue:
    """Keep the text of a form, because the source follows a link to another page of this site."""
    return keep_pages.receive_unsent()


@bp.post("/write")
@takes(**WRITE_FIELDS)
def leave_message() -> ResponseReturnValue:
    """Accept a new message with its files from the source."""
    return write_pages.receive_message()


@bp.get("/received/<entry_id>")
@mailbox_open
def show_receipt(here: MailboxSession, entry_id: str) -> ResponseReturnValue:
    """Show the receipt page of a message that the source has sent."""
    entry, expect_by = thread.message_receipt(desk(), here.keys, parse_id(entry_id))
    reopened, news = "opened_again" in request.args, has_news(desk(), here.keys, here.state.shown)
    return render_page(
        "mailbox/received.html", entry=entry, expect_by=expect_by, reopened=reopened, has_news=news
    )


@bp.get("/reminder/<entry_id>")
@mailbox_open
def send_reminder(here: MailboxSession, entry_id: str) -> ResponseReturnValue:
    """Send a calendar file for the day by which the source can expect an answer.

    The title of the event is "Reminder", which shows nothing about the desk.
    """
    _, expect_by = thread.message_receipt(desk(), here.keys, parse_id(entry_id))
    title = without_tags(gettext("Reminder"))
    event = _REMINDER.format(id=secrets.token_hex(16), day=f"{expect_by:%Y%m%d}", title=title)
    return send_download("date.ics", event.replace("\n", "\r\n"), "text/calendar")


@bp.get("/entry/<entry_id>")
@mailbox_open
def show_entry(here: MailboxSession, entry_id: str) -> ResponseReturnValue:
    """Show one entry of a conversation that is too long for one page."""
    entry = thread.read_entry(desk(), here.keys, parse_id(entry_id))
    return render_page("mailbox/entry.html", entry=entry)


@bp.get("/proposal/<entry_id>")
@mailbox_open
def show_proposal(here: MailboxSession, entry_id: str) -> ResponseReturnValue:
    """Show the exact text that the desk proposes to pass on, and a form with the possible answers."""
    text = keep_pages.unsent_text(here, parse_id(entry_id).hex())
    return answer_pages.proposal_page(here, parse_id(entry_id), text=text)


@bp.post("/proposal/<entry_id>")
@takes(**TEXT_FIELDS, digest=TOKEN_BYTES, verdict=TOKEN_BYTES, sure=TOKEN_BYTES)
def receive_consent(entry_id: str) -> ResponseReturnValue:
    """Accept the source's answer to a proposal of the desk."""
    return answer_pages.receive_answer(parse_id(entry_id))


@bp.get("/files/<attachment_id>")
@mailbox_open
def send_file(here: MailboxSession, attachment_id: str) -> ResponseReturnValue:
    """Send an attached file of the mailbox as a download, which the browser never shows as a page.

    A large file is verified while it is sent. If the file is damaged, the download stops before its end.
    """
    about, pieces = mailbox_files.open_file(desk(), here.keys, parse_id(attachment_id))
    answer = send_download(about.name, pieces, "application/octet-stream")
    answer.content_length = about.size
    return answer


@bp.route("/delete/<entry_id>", methods=["GET", "POST"])
@takes(**ENTRY_FIELDS)
@mailbox_open
def delete(here: MailboxSession, entry_id: str) -> ResponseReturnValue:
    """Ask the source whether to delete an entry (GET), or delete the entry (POST)."""
    form_context, form, conversation = _entry_form(here, DeleteForm, f"delete {entry_id}")
    if conversation is not None:
        entry = thread.read_entry(desk(), here.keys, parse_id(entry_id))
        return render_page("mailbox/delete.html", form=form, entry=entry, thread=conversation)
    written = deleting.delete_words(desk(), here.keys, parse_id(entry_id), form_context, today=current_day())
    login.remember_written(desk(), here, form_context, written, now=half_hour_now())
    return redirect(url_for("mailbox.show_mailbox", lang=lang(), deleted=entry_id), code=303)


@bp.route("/end", methods=["GET", "POST"])
@takes(**ENTRY_FIELDS, sure=TOKEN_BYTES)
@mailbox_open
def end_page(here: MailboxSession) -> ResponseReturnValue:
    """Ask the source whether to end the mailbox (GET), or end the mailbox if the box is ticked (POST)."""
    form_context, form, conversation = _entry_form(here, EndForm, "end")
    if conversation is not None or not form.validate():
        status = 422 if form.errors else 200
        return render_page("mailbox/end.html", status, form=form, thread=conversation or _read(here))
    kept = None
    with suppress(NoSuchMailboxError):  # an earlier request ended the mailbox
        kept = "yes" if _read(here).has_begun else None
    deleting.end_mailbox(desk(), here, here.keys, form_context, today=current_day())
    keep_pages.forget_all(here)
    return without_session(redirect(url_for("mailbox.ended_page", lang=lang(), kept=kept), code=303))


@bp.get("/ended")
def ended_page() -> ResponseReturnValue:
    """Show the page that confirms that the source has ended the mailbox.

    If the request has the argument `kept`, the page says that the desk keeps a proposal.
    """
    return render_page("mailbox/ended.html", keeps_proposal="kept" in request.args)


def _read(here: MailboxSession) -> Thread:
    return thread.read_thread(desk(), here.keys, here.state.shown[0], today=current_day())


def _entry_form(
    here: MailboxSession, kind: type[_Form], action: str
) -> tuple[FormContext, _Form, Thread | None]:
    """Return the context and the form for a new entry, and the conversation that the form's page shows.

    The context has the values of the hidden fields. After a POST, context and form come from the sent form,
    and the conversation is None. A form that this session did not show is refused.
    """
    address, conversation = here.keys.address, None
    if request.method == "POST":
        form_context = FormContext.of_form(request.form, here.token, action, address) or abort(403)
    else:
        conversation = _read(here)
        form_context = FormContext.new(address, *conversation.heads_told(here.state.shown))
    return form_context, kind(request.form, **form_context.hidden_fields(here.token, action)), conversation


def _conversation_page(here: MailboxSession, template: str) -> Response:
    """Show the whole conversation, and record in the session which entries were shown.

    A read receipt is appended later, in the background. Nothing is recorded for a page that the browser
    fetches in advance.
    """
    # If the page waited for the receipt, the time would show an observer that an answer of the desk was read.
    # The decrypted mailbox is not in memory while the page is sent, which can take minutes.
    ours, day = desk(), current_day()
    conversation = thread.read_thread(ours, here.keys, here.state.shown[0], today=day)
    away, unsent = shown_absences(ours.letterhead, day), keep_pages.unsent_text(here)
    deleted = request.args.get("deleted", "")
    answer = render_page(template, thread=conversation, away=away, has_unsent=bool(unsent), deleted=deleted)
    if not is_seen(request.method, request.headers):
        return answer
    mailbox = conversation.mailbox
    shown, remembered = mailbox.shown, mailbox.remembered

    def append_receipt() -> None:
        try:
            with suppress(NoSuchMailboxError):  # the mailbox was ended after the page was made
                read_receipts.append_read_receipt(ours, here.keys, shown, remembered, today=day)
        except (StoreError, CryptoError) as why:
            log.error("read receipt: %s", type(why).__name__)

    with suppress(StoreError):  # without this record, the next form names older entries
        login.remember_page(ours, here, mailbox.heads_for(shown), now=half_hour_now())
    if mailbox.uncovered_words(shown):
        in_background = current_app.extensions["in_background"]
        answer.call_on_close(lambda: in_background(append_receipt))
    return answer
