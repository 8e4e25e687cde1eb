"""Error pages: the page and the HTTP status for each exception. `templates/error.html` has the sentences."""

from flask import Flask, g, request
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response

from crypto.errors import CryptoError
from source_app.errors import (
    DamagedFileError,
    MailboxBusyError,
    NotFoundError,
    ReportMissingError,
    TicketRefusedError,
)
from source_app.hardened_flask import log
from source_app.page_language import gettext, without_tags
from source_app.services.posting import form_text
from source_app.views.request_context import render_page, without_session
from store.errors import NoSuchMailboxError, StoreError

_RETRY_SECONDS = 30
_UNAVAILABLE = frozenset({503, 507})
_FORMS_WITH_TEXT = frozenset({"begin.try_log_in", "mailbox.receive_consent", "mailbox.keep_text"})


def install_error_pages(app: Flask) -> None:
    """Register an error page for every exception that a view does not handle.

    Every answer with status 503 or 507 ("come back later") is logged, and gets the header Retry-After.
    """
    app.after_request(_tell_unavailable)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(StoreError, _store_error)
    app.register_error_handler(MailboxBusyError, _store_error)
    app.register_error_handler(CryptoError, _crypto_error)
    app.register_error_handler(TicketRefusedError, _ticket_refused)
    app.register_error_handler(NoSuchMailboxError, lambda _why: gone_page(_typed_text()))
    app.register_error_handler(ReportMissingError, _report_missing)
    app.register_error_handler(DamagedFileError, _damaged_file)
    app.register_error_handler(NotFoundError, lambda _why: _error_page(404, "404"))


def wrong_host_page() -> Response:
    """Return the page for a visitor who reached this site through an address that is not ours.

    The page has no link, because a link would lead to the wrong address.
    """
    sentences = (
        gettext("The address in your browser is not ours"),
        gettext(
            "You came to this page through an address that is not ours. Someone may be trying to mislead you."
        ),
        gettext("We did not use or keep anything that your browser sent."),
        gettext(
            "Do not type your passphrase on this page. Type the address from our poster into your browser."
        ),
    )
    return Response("\n\n".join(without_tags(each) for each in sentences) + "\n", 421, mimetype="text/plain")


def gone_page(text: str) -> Response:
    """Return the page that says that the mailbox has ended.

    The page shows the typed text that was not sent.
    """
    return without_session(_error_page(404, "gone", text))


def store_error_page(text: str) -> Response:
    """Return the page that says that the store cannot be used now. The page shows the typed text, if any."""
    return _error_page(503, "store", text)


def remember_fault(why: BaseException | type[BaseException], wait_seconds: int = _RETRY_SECONDS) -> None:
    """Remember the class of an exception for the log, and the seconds for the header Retry-After.

    The log line and the header are written when the answer is sent.
    """
    g.fault = (why if isinstance(why, type) else type(why)).__name__
    g.wait_seconds = wait_seconds


def _tell_unavailable(answer: Response) -> Response:
    """Log an answer with status 503 or 507, and add the header Retry-After.

    The log line has nothing from the request.
    """
    if answer.status_code in _UNAVAILABLE:
        log.error("answered %d: %s", answer.status_code, g.get("fault", "unknown"))
        answer.headers["Retry-After"] = str(g.get("wait_seconds", _RETRY_SECONDS))
    return answer


def _http_error(why: HTTPException) -> Response:
    request.routing_exception = None  # refers to frames, and these to the request with its keys
    text = _typed_text() if why.code in {BadRequest.code, RequestEntityTooLarge.code} else ""
    return _error_page(why.code or 500, str(why.code or 500), text)


def _store_error(why: StoreError | MailboxBusyError) -> Response:
    remember_fault(why)
    return store_error_page(_typed_text())


def _crypto_error(why: CryptoError) -> Response:
    log.error("crypto: %s", type(why).__name__)
    return _error_page(500, "500")


def _ticket_refused(why: TicketRefusedError) -> Response:
    return _error_page(422, why.reason)


def _report_missing(why: ReportMissingError) -> Response:
    remember_fault(why)
    return _error_page(503, "no_report")


def _damaged_file(_why: DamagedFileError) -> Response:
    log.error("a file in the store is damaged or missing")
    return _error_page(409, "damaged_file")


def _typed_text() -> str:
    """Return the text that a visitor typed in a log-in form or an answer form, or "" for other requests."""
    return form_text(request.form) if request.endpoint in _FORMS_WITH_TEXT else ""


def _error_page(status: int, failure: str, text: str = "") -> Response:
    try:
        return render_page("error.html", status, failure=failure, retry_text=text or None)
    except (
        StoreError
    ) as why:  # the sessions cannot be read, so the second page is that of a visitor without one
        remember_fault(why)
        return render_page("error.html", 503, failure="store", retry_text=text or None)
