"""Request hooks: code that runs before every view, and code that changes every response afterwards."""

import time
from collections.abc import Iterable

from flask import Flask, Response, abort, current_app, g, request
from werkzeug.routing import AnyConverter, Map
from werkzeug.wrappers import Response as WerkzeugResponse

from source_app.page_language import (
    counted_sentence,
    day_text,
    language_of_request,
    page_language,
    sentence,
    site_languages,
)
from source_app.views.error_pages import wrong_host_page
from source_app.views.request_context import config, current_session, desk, origin, session_token
from web.languages import closest, language_name
from web.origin import is_our_request
from web.page_padding import STEP_BYTES, pad

# After a log-in, the page of a mailbox with up to ten entries of 3,900 bytes of HTML has the same size and
# takes the same time as the page that says that the log-in failed, whether an answer waits or not (ADR 28).
CONVERSATION_STEP_BYTES = 64 * 1024
_TIME_STEP_SECONDS = 0.1
_WORK_SECONDS = 0.08  # the work after a wait takes less, whether the words are right or not
_AFTER_LOG_IN = frozenset({"begin.try_log_in", "mailbox.show_mailbox", "mailbox.show_printable"})
_PUBLIC_BLUEPRINTS = frozenset({"pages", "reports"})  # their pages are the same for everyone


def add_language_converter(app: Flask, codes: Iterable[str]) -> None:
    """Let the routes of an app use `<language:lang>`, which matches each language code in `codes`."""

    class _LanguageConverter(AnyConverter):
        def __init__(self, url_map: Map) -> None:
            super().__init__(url_map, *codes)

    app.url_map.converters["language"] = _LanguageConverter


def install_request_hooks(app: Flask) -> None:
    """Install the code that runs before and after every view: language, checks of headers, padding.

    Call this function after Babel is installed, and before the pages are registered.
    """
    app.jinja_env.globals |= {"gettext": sentence, "ngettext": counted_sentence}
    app.jinja_env.filters["dateformat"] = day_text
    app.url_value_preprocessor(_set_language)
    app.before_request(_note_start)
    app.before_request(_hurry_strangers)
    app.before_request(_refuse_other_sites)
    app.context_processor(_template_context)
    app.after_request(_wait_for_step)  # the first that is registered runs last
    app.after_request(_pad)
    app.after_request(_add_onion_location)


def _set_language(_endpoint: str | None, values: dict[str, object] | None) -> None:
    if values is not None and "lang" in values:
        g.lang = values.pop("lang")
    else:
        language_of_request()


def _hurry_strangers() -> None:
    """Make the server less patient with a slow upload from a visitor who sent no session cookie.

    A cookie of an ended session also counts as a session cookie, because a source may still be sending a
    long message.
    """
    client = request.environ.get("gunicorn.socket")
    if client is not None and session_token() is None:
        client.hurry()


def _refuse_other_sites() -> WerkzeugResponse | None:
    ours = origin()
    if ours is None:
        return wrong_host_page()
    if not is_our_request(request.method, request.headers, ours):
        abort(403)
    return None


def _note_start() -> None:
    g.began = time.monotonic()


def _wait_for_step(answer: Response) -> Response:
    """Delay the answer to a log-in, and the page after it, so that each takes a multiple of 100 ms."""
    # So the time does not show whether the log-in failed, or whether an answer of the desk waits. The time
    # can only show that a mailbox is long. The server waits without a thread: otherwise, someone could send
    # the cookie of one failed log-in again and again, and occupy all threads.
    is_log_in = request.method == "POST" and answer.status_code == 303  # noqa: PLR2004  # HTTP
    if request.endpoint in _AFTER_LOG_IN and (is_log_in or answer.status_code == 200):  # noqa: PLR2004  # HTTP
        client = request.environ.get("gunicorn.socket")
        pause = current_app.extensions["pause"] if client is None else client.hold
        # Attack: if a wait ends just before a step, the few milliseconds more for right words would move the
        # answer to the next step.
        now = time.monotonic()
        earliest = max(now, g.get("waited_until", g.began) + _WORK_SECONDS)
        pause(earliest - now + -(earliest - g.began) % _TIME_STEP_SECONDS)
    return answer


def _template_context() -> dict[str, object]:
    return {
        "lang": language_of_request(),
        "direction": page_language().direction,
        "weekdays": page_language().weekdays,
        "languages": [(each.code, each.name) for each in site_languages().values()],
        "language_name": lambda code: language_name(code, page_language().locale),
        "letterhead": desk().letterhead,
        "desk_language": closest(language_of_request(), desk().letterhead.desk_name),
        "is_open": current_session() is not None,
        "onion_origin": config().onion_origin,
    }


def _pad(answer: Response) -> Response:
    is_public = request.blueprint in _PUBLIC_BLUEPRINTS and answer.status_code < 400  # noqa: PLR2004  # HTTP
    if answer.mimetype == "text/html" and not answer.is_streamed and not is_public:
        is_wide = request.endpoint in _AFTER_LOG_IN and answer.status_code == 200  # noqa: PLR2004  # HTTP
        answer.set_data(pad(answer.get_data(), CONVERSATION_STEP_BYTES if is_wide else STEP_BYTES))
    return answer


def _add_onion_location(answer: Response) -> Response:
    """Add the Onion-Location header, which tells Tor Browser the onion address of a public page.

    Pages of a mailbox, and pages at the onion address, do not get the header.
    """
    # A visitor with an open mailbox would not be logged in at the onion address.
    onion = config().onion_origin
    is_page = request.blueprint in _PUBLIC_BLUEPRINTS and answer.mimetype == "text/html"
    if onion and config().tells_onion and is_page and answer.status_code == 200 and origin() != onion:  # noqa: PLR2004  # HTTP
        answer.headers["Onion-Location"] = onion + request.path
    return answer
