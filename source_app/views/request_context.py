"""Request context: language, desk, open mailbox and session cookie of the current request."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import cast

from flask import Response, after_this_request, current_app, g, make_response, render_template, request
from werkzeug.wrappers import Response as WerkzeugResponse

from source_app.config import SourceConfig
from source_app.errors import NotFoundError
from source_app.hardened_flask import log
from source_app.mailbox_limiter import MailboxLimiter
from source_app.passphrase_typos import PassphraseTypos
from source_app.public_desk import PublicDesk
from source_app.services import login
from source_app.services.login import MailboxSession
from source_app.session_cookie import open_cookie, seal_cookie
from store.errors import StoreError
from web.dates import half_hour_now
from web.filenames import attachment_disposition
from web.headers import FILE_CSP
from web.origin import is_our_host

_CLEARED = '"cache", "cookies", "storage"'


def desk() -> PublicDesk:
    """Return the object with the desk's letterhead, store and limits, for the services of the source's site.

    The letterhead (signed statement with the desk's keys, calendar and texts) stays the same during a
    request.
    """
    if "desk" not in g:
        ours = cast("PublicDesk", current_app.extensions["desk"])
        g.desk = replace(ours, letterhead=current_app.extensions["newest_letterhead"]())
    return cast("PublicDesk", g.desk)


def config() -> SourceConfig:
    """Return the settings of the source's site."""
    return cast("SourceConfig", current_app.extensions["config"])


def origin() -> str | None:
    """Return the origin of our site that this visitor used, or None if the Host header names another site."""
    host = request.headers.get("Host")
    return next((ours for ours in config().origins if is_our_host(host, ours)), None)


def is_https() -> bool:
    """Return True if this visitor's connection uses TLS, so that the session cookie can require TLS.

    The onion service has no TLS.
    """
    return (origin() or "").startswith("https://")


def current_day() -> date:
    """Return today's date, from the clock that the app received when it was created."""
    return cast("date", current_app.extensions["today"]())


def lang() -> str:
    """Return the code of the language of the current request."""
    return str(g.lang)


def current_session() -> MailboxSession | None:
    """Return the session that the visitor's cookie names, or None if the visitor is not logged in.

    Raises:
        StoreError: the sessions cannot be read. A second call in the same request returns None.
    """
    # One request looks up the session once, so that the error page can be shown after a StoreError.
    if "opened" not in g:
        g.opened = None
        g.opened = _session_of_cookie()
    return cast("MailboxSession | None", g.opened)


def note_end_of_wait() -> None:
    """Record that this request has finished waiting. The delay of its answer is counted from this moment."""
    g.waited_until = time.monotonic()


@contextmanager
def limit_decryption(here: MailboxSession | None) -> Iterator[None]:
    """Wait until this request may decrypt its mailbox.

    If the log-in failed, `here` is None. The request then waits in the same queue.
    """
    limiter = cast("MailboxLimiter", current_app.extensions["mailbox_limiter"])
    mailbox = here.keys.address if here else request.cookies.get(cookie_name()) or secrets.token_bytes()
    with limiter.of(mailbox):
        note_end_of_wait()
        yield


def set_current_session(opened: MailboxSession) -> None:
    """Make a session the current session for the rest of this request. Call this function after a log-in."""
    g.opened = opened


def cookie_name() -> str:
    """Return the name of the session cookie. With TLS, the prefix `__Host-` binds the cookie to this host."""
    return "__Host-mailbox" if is_https() else "mailbox"


def cookie_content() -> bytes | PassphraseTypos | None:
    """Return the content of the visitor's cookie: the token of a session, or the result of a failed log-in.

    Return None if the cookie has neither, or if there is no cookie of this server.
    """
    if "cookie" not in g:
        given = request.cookies.get(cookie_name(), "")
        g.cookie = open_cookie(given, desk().server_secret, half_hour_now())
    return cast("bytes | PassphraseTypos | None", g.cookie)


def session_token() -> bytes | None:
    """Return the token in the visitor's session cookie, or None if there is no such cookie.

    This function does not check whether the session has expired.
    """
    content = cookie_content()
    return content if isinstance(content, bytes) else None


def keeps_cookies() -> bool:
    """Return True if the visitor's browser sent a cookie of this site, whatever is in the cookie."""
    return cookie_name() in request.cookies


def with_session_cookie(
    answer: WerkzeugResponse, content: bytes | PassphraseTypos | None
) -> WerkzeugResponse:
    """Add a sealed cookie to a response. The cookie lasts until the browser is closed.

    `content` is a session's token, the result of a failed log-in, or None.
    """
    sealed = seal_cookie(content, desk().server_secret, half_hour_now())
    answer.set_cookie(cookie_name(), sealed, path="/", secure=is_https(), httponly=True, samesite="Strict")
    return answer


def set_session_cookie(content: bytes | PassphraseTypos) -> None:
    """Add a sealed cookie to the answer of this request, also if the answer is an error page.

    An answer that deletes the cookie is not changed.
    """

    @after_this_request
    def add(answer: Response) -> Response:
        is_deleted = "Clear-Site-Data" in answer.headers
        return answer if is_deleted else cast("Response", with_session_cookie(answer, content))


def without_session(answer: WerkzeugResponse) -> WerkzeugResponse:
    """Make a response delete everything that the browser stored of this site, including the session cookie.

    If the request had no session cookie, the response is not changed.
    """
    if keeps_cookies():
        answer.delete_cookie(cookie_name(), path="/", secure=is_https(), httponly=True, samesite="Strict")
        answer.headers["Clear-Site-Data"] = _CLEARED
    return answer


def logged_out(answer: WerkzeugResponse) -> WerkzeugResponse:
    """End the session of the visitor's cookie, and make a response delete the cookie.

    If the sessions cannot be written, only the cookie is deleted.
    """
    # Someone who leaves in a hurry must not stay on a page with an error.
    try:
        login.log_out(desk(), session_token())
    except StoreError as why:
        log.error("log-out: %s", type(why).__name__)
    return without_session(answer)


def parse_id(hexadecimal: str) -> bytes:
    """Return the bytes of an id from a URL or a form.

    Raises:
        NotFoundError: the text is not hexadecimal.
    """
    try:
        return bytes.fromhex(hexadecimal)
    except ValueError as why:
        raise NotFoundError from why


def render_page(template: str, status: int = 200, **context: object) -> Response:
    """Render a template with the values in `context`, and return it as a response with an HTTP status."""
    answer = make_response(render_template(template, page_name=template.removesuffix(".html"), **context))
    answer.status_code = status
    return answer


def send_download(name: str, body: str | bytes | Iterator[bytes], mimetype: str = "text/plain") -> Response:
    """Return a response that the browser saves as a file, and never shows as a page."""
    headers = {"Content-Disposition": attachment_disposition(name), "Content-Security-Policy": FILE_CSP}
    return Response(body, mimetype=mimetype, headers=headers)


def _session_of_cookie() -> MailboxSession | None:
    token = session_token()
    return None if token is None else login.find_session(desk(), token, now=half_hour_now())
