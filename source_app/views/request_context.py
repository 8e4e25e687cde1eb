"""What every view needs of the request it answers: language, desk, open mailbox, cookie."""

from datetime import date
from typing import cast

from flask import Response, current_app, g, make_response, render_template, request
from werkzeug.wrappers import Response as WerkzeugResponse

from crypto.passphrase import Language
from protocol.session import TOKEN_BYTES, check_form_token, form_token
from source_app.config import SourceConfig
from source_app.errors import NotFoundError, NotOpenError
from source_app.public_desk import PublicDesk
from source_app.services import login
from source_app.services.login import MailboxSession
from web.dates import half_hour_now
from web.origin import is_our_host

_EMPTIED = '"cache", "cookies", "storage"'


def desk() -> PublicDesk:
    """Return the desk as this request knows it: with one letterhead from its beginning to its end."""
    if "desk" not in g:
        ours = cast("PublicDesk", current_app.extensions["desk"])
        g.desk = ours.with_letterhead(current_app.extensions["newest_letterhead"]())
    return cast("PublicDesk", g.desk)


def config() -> SourceConfig:
    """Return the settings this app was made with."""
    return cast("SourceConfig", current_app.extensions["config"])


def origin() -> str | None:
    """Return by which of our addresses this visitor came; None if it was by none of them."""
    host = request.headers.get("Host")
    return next((ours for ours in config().origins if is_our_host(host, ours)), None)


def is_https() -> bool:
    """Say whether this visitor came over TLS, so that the cookie may be bound to it. Onions have none."""
    return (origin() or "").startswith("https://")


def current_day() -> date:
    """Return today's date, by the clock this app was made with."""
    return cast("date", current_app.extensions["today"]())


def lang() -> Language:
    """Return the language of this page."""
    return cast("Language", g.lang)


class SessionTokens:
    """Tokens of one purpose in one session."""

    def __init__(self, opened: MailboxSession, purpose: str) -> None:
        self._opened = opened
        self._purpose = purpose

    def make(self) -> str:
        """Return the token for the form."""
        return form_token(self._opened.token, self._purpose)

    def fits(self, token: str) -> bool:
        """Compare in constant time."""
        return check_form_token(token, self._opened.token, self._purpose)


def current_session() -> MailboxSession | None:
    """Return what the visitor's cookie opens, looked up once per request.

    Raises:
        StoreError: the sessions do not answer. For the page that says so, nothing is open.
    """
    if "opened" not in g:
        g.opened = None
        g.opened = _opened()
    return cast("MailboxSession | None", g.opened)


def remember(now_open: MailboxSession) -> None:
    """Let the rest of this request know that a mailbox has just been opened."""
    g.opened = now_open


def cookie_name() -> str:
    """Return the cookie's name; `__Host-` binds it to this very host where TLS lets us."""
    return "__Host-mailbox" if is_https() else "mailbox"


def with_cookie(answer: WerkzeugResponse, now_open: MailboxSession) -> WerkzeugResponse:
    """Send the token of a session along, for as long as the browser stays open."""
    answer.set_cookie(
        cookie_name(),
        now_open.token.hex(),
        path="/",
        secure=is_https(),
        httponly=True,
        samesite="Strict",
    )
    return answer


def without_session(answer: WerkzeugResponse) -> WerkzeugResponse:
    """Take the cookie back and ask the browser to forget what it holds of us."""
    if cookie_name() in request.cookies:
        answer.delete_cookie(cookie_name(), path="/", secure=is_https(), httponly=True, samesite="Strict")
        answer.headers["Clear-Site-Data"] = _EMPTIED
    return answer


def id_of(hexadecimal: str) -> bytes:
    """Return an id as an address or a form spells it.

    Raises:
        NotFoundError: it is none.
    """
    try:
        return bytes.fromhex(hexadecimal)
    except ValueError as why:
        raise NotFoundError from why


def render_page(template: str, status: int = 200, **context: object) -> Response:
    """Render a template as an answer with this status."""
    answer = make_response(render_template(template, page_name=template.removesuffix(".html"), **context))
    answer.status_code = status
    return answer


def _opened() -> MailboxSession | None:
    try:
        token = bytes.fromhex(request.cookies.get(cookie_name(), ""))
    except ValueError:
        return None
    if len(token) != TOKEN_BYTES:
        return None
    try:
        return login.opened_with(desk(), token, now=half_hour_now())
    except NotOpenError:
        return None
