"""Access check of the adviser's pages: session cookie, open desk, and CSRF tokens of forms."""

import functools
import hmac
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from flask import current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.auto_lock import AutoLock
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import ForeignFormError
from protocol import session

COOKIE = "adviser"
_P = ParamSpec("_P")


def auto_lock() -> AutoLock:
    """Return the object that has the unlocked desk in memory, and that locks the desk automatically."""
    found: AutoLock = current_app.extensions["auto_lock"]
    return found


def token_of_request() -> bytes:
    """Return the session token in the request's cookie, or b"" if the cookie is missing or malformed."""
    try:
        return bytes.fromhex(request.cookies.get(COOKIE, ""))
    except ValueError:
        return b""


def open_desk() -> OpenDesk | None:
    """Return the unlocked desk, or None if this browser has not unlocked it.

    Cached for the current request.
    """
    if "desk" not in g:
        g.desk = auto_lock().desk_of(token_of_request())
    desk: OpenDesk | None = g.desk
    return desk


def page_form_token(purpose: str) -> str:
    """Return the CSRF token for a form with this purpose, such as "answer", on the current page."""
    key = token_of_request() if open_desk() is not None else auto_lock().page_secret
    return session.form_token(key, purpose)


def is_our_form(purpose: str, token: str) -> bool:
    """Return True if a form's CSRF token belongs to this browser and this purpose.

    The comparison takes constant time.
    """
    return hmac.compare_digest(page_form_token(purpose).encode(), token.encode())


def require_our_form(purpose: str, token: str | None = None) -> None:
    """Refuse a form whose CSRF token does not belong to this browser and this purpose.

    Without `token`, the form's field `token` is checked.

    Raises:
        ForeignFormError: the token is missing or wrong, which the app answers with status 403.
    """
    if not is_our_form(purpose, request.form.get("token", "") if token is None else token):
        raise ForeignFormError


def unlocked(
    view: Callable[Concatenate[OpenDesk, _P], ResponseReturnValue],
) -> Callable[_P, ResponseReturnValue]:
    """Decorate a view that needs the unlocked desk. While the desk is locked, redirect to the unlock page.

    Each request restarts the idle time, except a request of a page that reloads itself.
    """

    @functools.wraps(view)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> ResponseReturnValue:
        desk = open_desk()
        if desk is None:
            return redirect(url_for("unlock.show_unlock"), code=303)
        if "renewed" not in request.args:
            auto_lock().touch()
        return view(desk, *args, **kwargs)

    return wrapped
