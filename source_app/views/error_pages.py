"""Pages for what goes wrong: what happened, what was kept, what to do now."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask, request
from flask_babel import gettext, lazy_gettext
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from crypto.errors import CryptoError
from source_app.errors import (
    LineFullError,
    MailboxGoneError,
    NotFoundError,
    ReportMissingError,
    TicketExpiredError,
    WordsUsedError,
)
from source_app.hardened_flask import log
from source_app.views.request_context import render_page, without_session
from store.errors import StoreError

_AGAIN_SECONDS = "30"
_CARRY_TEXT = frozenset({"begin.try_log_in", "mailbox.receive_consent"})


@dataclass(frozen=True, slots=True)
class _Words:
    name: str  # for tests and stylesheets; people never see it
    title: str
    happened: str
    kept: str
    now: str


_NOTHING_LOST = lazy_gettext("Everything you sent before has been kept.")
_BAD_REQUEST = _Words(
    "400",
    lazy_gettext("We could not read that"),
    lazy_gettext("Your browser sent something that we do not understand, or the connection broke."),
    _NOTHING_LOST,
    lazy_gettext("Go back and try again."),
)
_BY_STATUS: Mapping[int, _Words] = {
    403: _Words(
        "403",
        lazy_gettext("We did not do that"),
        lazy_gettext(
            "What your browser sent did not come from a page that we showed you, or that page was too old."
        ),
        lazy_gettext("Nothing was changed."),
        lazy_gettext("Open the page again from your mailbox and try again."),
    ),
    404: _Words(
        "404",
        lazy_gettext("There is nothing here"),
        lazy_gettext("This page does not exist, or what was on it has been deleted."),
        _NOTHING_LOST,
        lazy_gettext("Go back to your mailbox or to the start page."),
    ),
    405: _Words(
        "405",
        lazy_gettext("That does not work on this page"),
        lazy_gettext("This page cannot be opened in this way."),
        _NOTHING_LOST,
        lazy_gettext("Go back to your mailbox or to the start page."),
    ),
    413: _Words(
        "413",
        lazy_gettext("That is too much at once"),
        lazy_gettext("Your browser sent more than this page can handle."),
        _NOTHING_LOST,
        lazy_gettext("Go back and send less at once."),
    ),
    500: _Words(
        "500",
        lazy_gettext("Something went wrong on our side"),
        lazy_gettext("This is not your fault. We do not know yet what went wrong."),
        _NOTHING_LOST,
        lazy_gettext("Wait a few minutes and try again. If that does not help, talk to us in another way."),
    ),
}
_STORE = _Words(
    "store",
    lazy_gettext("We cannot reach our storage right now"),
    lazy_gettext("You cannot read or write in your mailbox right now. This is not your fault."),
    lazy_gettext("Everything you sent before has been kept. What you did just now was not kept."),
    lazy_gettext("Wait a few minutes and try again. If that does not help, talk to us in another way."),
)
_TICKET_EXPIRED = _Words(
    "ticket_expired",
    lazy_gettext("These words are too old"),
    lazy_gettext(
        "You saw these words some hours ago, or our server had to restart. "
        "You can no longer start a mailbox with them."
    ),
    lazy_gettext(
        "Did you already open a mailbox with them? Then it has been kept. "
        "Keep your paper: the words still open it."
    ),
    lazy_gettext("Did you not open one yet? Then start a mailbox. You get new words: write those down."),
)
_WORDS_USED = _Words(
    "words_used",
    lazy_gettext("A mailbox was already opened with these words"),
    lazy_gettext(
        "That is why we do not show them again. "
        "Otherwise the next person who uses this device could read them."
    ),
    lazy_gettext(
        "Your mailbox and everything in it, unless it was ended. Keep your paper: the words open it."
    ),
    lazy_gettext("Continue in your mailbox. Are you logged out? Then log in with your words."),
)
_GONE = _Words(
    "gone",
    lazy_gettext("This mailbox has ended"),
    lazy_gettext("It was ended while this page was open."),
    lazy_gettext("Nothing in it was kept, and you are logged out."),
    lazy_gettext("You can start a new mailbox at any time."),
)
_NO_REPORT = _Words(
    "no_report",
    lazy_gettext("This report is not available now"),
    lazy_gettext(
        "The report in our storage is missing, or it is not the one that we signed. So we do not show it."
    ),
    _NOTHING_LOST,
    lazy_gettext("Try again tomorrow, or ask us for the report."),
)


def install_error_pages(app: Flask) -> None:
    """Give every error its page."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(StoreError, _store)
    app.register_error_handler(CryptoError, _crypto)
    app.register_error_handler(TicketExpiredError, _ticket_expired)
    app.register_error_handler(WordsUsedError, lambda _why: _page(422, _WORDS_USED))
    app.register_error_handler(MailboxGoneError, lambda _why: gone(_text_on_its_way()))
    app.register_error_handler(ReportMissingError, _no_report)
    app.register_error_handler(NotFoundError, lambda _why: _page(404, _BY_STATUS[404]))


def not_our_host() -> Response:
    """Refuse whoever came by another address, without a link: with such a Host none can be made."""
    sentences = (
        gettext("This is not our address"),
        gettext("You came here through an address that is not ours. Someone may be trying to mislead you."),
        gettext("We did nothing with what your browser sent, and we did not keep it."),
        gettext("Do not type your passphrase here. Type our own address, as it is on our poster."),
    )
    return Response("\n\n".join(sentences) + "\n", 421, mimetype="text/plain")


def gone(text: str) -> Response:
    """Say that the mailbox has ended meanwhile; give back a text that was on its way."""
    return without_session(_page(404, _GONE, text))


def store_refused(text: str) -> Response:
    """Say that the store does not answer; give back a text that was on its way."""
    return come_again(_page(503, _STORE, text))


def trouble(why: LineFullError | StoreError) -> str:
    """Return the word by which a page tells why something did not work just now: "busy" or "store"."""
    if isinstance(why, StoreError):
        log.error("store: %s", type(why).__name__)
        return "store"
    return "busy"


def come_again(answer: Response) -> Response:
    """Say when to try again, in the header as well."""
    answer.headers["Retry-After"] = _AGAIN_SECONDS
    return answer


def _http(why: HTTPException) -> Response:
    status = why.code or 500
    return _page(status, _BY_STATUS.get(status, _BAD_REQUEST))


def _store(why: StoreError) -> Response:
    log.error("store: %s", type(why).__name__)
    return store_refused(_text_on_its_way())


def _crypto(why: CryptoError) -> Response:
    log.error("crypto: %s", type(why).__name__)
    return _page(500, _BY_STATUS[500])


def _ticket_expired(_why: TicketExpiredError) -> Response:
    return _page(422, _TICKET_EXPIRED)


def _no_report(_why: ReportMissingError) -> Response:
    log.error("a report in the store is missing, or not the one that the desk signed for")
    return _page(503, _NO_REPORT)


def _text_on_its_way() -> str:
    """Return the text on a log-in form, or the wish in an answer; no other small form carries one."""
    return request.form.get("text", "") if request.endpoint in _CARRY_TEXT else ""


def _page(status: int, words: _Words, text: str = "") -> Response:
    return render_page(
        "error.html",
        status,
        failure=words.name,
        title=words.title,
        happened=words.happened,
        kept=words.kept,
        now=words.now,
        retry_text=text or None,
    )
