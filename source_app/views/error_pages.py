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
    title: str
    happened: str
    kept: str
    now: str


_NOTHING_LOST = lazy_gettext("Everything that you sent before is kept.")
_BAD_REQUEST = _Words(
    lazy_gettext("We could not read that"),
    lazy_gettext("Your browser sent something that we do not understand, or the connection broke."),
    _NOTHING_LOST,
    lazy_gettext("Go back and try once more."),
)
_BY_STATUS: Mapping[int, _Words] = {
    403: _Words(
        lazy_gettext("We did not do that"),
        lazy_gettext(
            "What your browser sent did not come from a page that we showed you, or that page was too old."
        ),
        lazy_gettext("Nothing was changed."),
        lazy_gettext("Open the page again from your mailbox and try once more."),
    ),
    404: _Words(
        lazy_gettext("There is nothing here"),
        lazy_gettext("This page does not exist, or what was on it has been deleted."),
        _NOTHING_LOST,
        lazy_gettext("Go back to your mailbox or to the start page."),
    ),
    405: _Words(
        lazy_gettext("That does not work on this page"),
        lazy_gettext("This page cannot be opened in this way."),
        _NOTHING_LOST,
        lazy_gettext("Go back to your mailbox or to the start page."),
    ),
    413: _Words(
        lazy_gettext("That is too much at once"),
        lazy_gettext("Your browser sent more than this page can take."),
        _NOTHING_LOST,
        lazy_gettext("Go back and send less at once."),
    ),
    500: _Words(
        lazy_gettext("Something went wrong on our side"),
        lazy_gettext("That is not your fault. We do not know yet what it is."),
        _NOTHING_LOST,
        lazy_gettext("Wait a few minutes and try again. If it keeps going wrong, talk to us in another way."),
    ),
}
_STORE = _Words(
    lazy_gettext("We cannot reach our storage at this moment"),
    lazy_gettext("Your mailbox cannot be read or written just now. That is not your fault."),
    lazy_gettext("Everything that you sent before is kept. Of what you did just now, nothing was kept."),
    lazy_gettext("Wait a few minutes and try again. If it keeps going wrong, talk to us in another way."),
)
_TICKET_EXPIRED = _Words(
    lazy_gettext("These words are too old"),
    lazy_gettext(
        "You saw these words some hours ago, or we had to restart. They start no new mailbox any more."
    ),
    lazy_gettext(
        "Did you open a mailbox with them before? Then it was kept. Keep your paper: the words still open it."
    ),
    lazy_gettext("Did you not open one yet? Then start a mailbox. You get new words: write those down."),
)
_WORDS_USED = _Words(
    lazy_gettext("A mailbox was opened with these words"),
    lazy_gettext(
        "That is why we do not show them again. Otherwise whoever uses this device after you could read them."
    ),
    lazy_gettext(
        "Your mailbox and all that is in it, unless it was ended. Keep your paper: the words open it."
    ),
    lazy_gettext("Go on in your mailbox. Are you logged out? Then come back to it with your words."),
)
_GONE = _Words(
    lazy_gettext("This mailbox has ended"),
    lazy_gettext("It was ended while this page was open."),
    lazy_gettext("Nothing of it was kept, and you are logged out."),
    lazy_gettext("You can start a new mailbox at any moment."),
)
_NO_REPORT = _Words(
    lazy_gettext("This report is not available now"),
    lazy_gettext("What our storage holds is not the report that we signed, so we do not show it."),
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
        gettext("You came here by an address that is not ours. Perhaps somebody leads you astray."),
        gettext("We did nothing with what your browser sent, and nothing of it was kept."),
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
        title=words.title,
        happened=words.happened,
        kept=words.kept,
        now=words.now,
        retry_text=text or None,
    )
