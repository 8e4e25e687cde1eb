"""What happens to every request before its view, and to every answer after it."""

from typing import cast

from babel.support import Translations
from flask import Flask, Response, abort, g, request
from flask_babel import get_translations
from werkzeug.wrappers import Response as WerkzeugResponse

from source_app.forms import LogOutForm
from source_app.views.error_pages import not_our_host
from source_app.views.request_context import SessionTokens, config, current_session, desk, origin
from web.origin import is_our_request
from web.page_padding import pad

LANGUAGES = ("nl", "en")
_OPEN_PAGES = frozenset({"pages", "reports"})  # the blueprints whose pages are the same for everybody


def install_request_hooks(app: Flask) -> None:
    """Take the language from the URL, refuse other hosts and other sites' forms, fill pages up to a step.

    Needs Babel.
    """
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # comes with jinja's own extension
        gettext=lambda text: _translations().ugettext(text),
        ngettext=lambda one, many, count: _translations().ungettext(one, many, count),
        newstyle=True,
    )
    app.url_value_preprocessor(_take_language)
    app.before_request(_refuse_other_sites)
    app.context_processor(_shared)
    app.after_request(_pad)
    app.after_request(_tell_onion)


def language_of_request() -> str:
    """Return the language of the URL; where it names none, the one that the browser likes best."""
    if "lang" not in g:
        first = request.path.split("/")[1]  # of an address that leads nowhere, too
        g.lang = first if first in LANGUAGES else request.accept_languages.best_match(LANGUAGES, default="en")
    return str(g.lang)


def _take_language(_endpoint: str | None, values: dict[str, object] | None) -> None:
    if values is not None and "lang" in values:
        g.lang = values.pop("lang")
    else:
        language_of_request()


def _refuse_other_sites() -> WerkzeugResponse | None:
    language_of_request()
    ours = origin()
    if ours is None:
        return not_our_host()
    if not is_our_request(request.method, request.headers, ours):
        abort(403)
    return None


def _translations() -> Translations:
    """Look the catalogue up once: a page asks twenty times, a tenth of its work when each is a look-up."""
    found = g.get("translations")
    if found is None:
        found = g.translations = get_translations()
    return cast("Translations", found)


def _shared() -> dict[str, object]:
    here = current_session()
    shared: dict[str, object] = {
        "lang": language_of_request(),
        "letterhead": desk().letterhead,
        "is_open": here is not None,
        "onion_origin": config().onion_origin,
    }
    if here is not None:
        shared["log_out_form"] = LogOutForm(tokens=SessionTokens(here, "log-out"))
    return shared


def _pad(answer: Response) -> Response:
    is_open_page = request.blueprint in _OPEN_PAGES and answer.status_code < 400  # noqa: PLR2004  # HTTP
    if answer.mimetype == "text/html" and not answer.is_streamed and not is_open_page:
        answer.set_data(pad(answer.get_data()))
    return answer


def _tell_onion(answer: Response) -> Response:
    """Tell Tor Browser, on pages that are the same for everybody, that there is an onion of the same pages.

    Not where a mailbox is worked in: its session would stay behind. Never on the onion itself.
    """
    onion = config().onion_origin
    is_page = request.blueprint in _OPEN_PAGES and answer.mimetype == "text/html"
    if onion and config().tells_onion and is_page and answer.status_code == 200 and origin() != onion:  # noqa: PLR2004  # HTTP
        answer.headers["Onion-Location"] = onion + request.path
    return answer
