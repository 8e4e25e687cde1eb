"""The adviser's site: a Flask app that runs on the workstation and opens the desk's keyring.

Imports `sync`, `report`, `web`, `stored_mailbox`, `store`, `protocol`, `gpg`, `programs` and `crypto`. This
module has the app factory, the check of every request's origin, and the error pages.

- `cleaning/`: cleaned copies of files, compared with the originals before they are offered
- `config`: settings, read from the settings file by `deploy.settings.load_settings`
- `conversion/`: pictures, text and sound of files that the adviser does not open
- `desk/`: the unlocked desk in memory, automatic lock, verification
- `errors`: refusals, each with a reason; the templates have one sentence for each reason
- `files/`: metadata, presealed files, export packages
- `forms`: reads a form with text fields and files, and checks the form's shape
- `inbox/`: facts about one mailbox: summary, deadlines, likeness of texts
- `locale_format`: numbers, sizes and days in the adviser's language
- `public_holidays`: public holidays of the Netherlands
- `recovery_sheet/`: a secret key on paper that opens the keyring
- `requests/`: access check, form context and typed text of one request
- `search/`: full-text search in memory
- `services/`: the use cases, without Flask
- `views/`: the pages, one blueprint per family
"""

from collections.abc import Callable, Sequence
from datetime import date

from babel import Locale
from flask import Flask, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import Babel
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException, NotFound, RequestEntityTooLarge

from crypto.passphrase import DUTCH, LANGUAGES
from journalist_app import locale_format
from journalist_app.config import AdviserConfig, option_name
from journalist_app.desk.auto_lock import AutoLock
from journalist_app.errors import ForeignFormError, MailboxNotFoundError
from journalist_app.locale_format import chosen_language
from journalist_app.requests.access import open_desk, page_form_token
from journalist_app.requests.form_context import error_page, hidden_fields
from journalist_app.search.search_index import WorkerStarter
from journalist_app.services.whole_desk.sync_status import LastSync, last_sync
from journalist_app.services.whole_desk.unlocking import trial_names
from journalist_app.views import (
    calendar_pages,
    casefile_pages,
    closing_pages,
    evidence_pages,
    inbox_pages,
    proposal_pages,
    reply_template_pages,
    report_pages,
    search_pages,
    spam_pages,
    sync_pages,
    thread_pages,
    unlock_pages,
    unsent_pages,
)
from journalist_app.views.looking import look_pages
from journalist_app.views.own_desk import about_desk_pages, desk_texts_pages, keys_pages
from store.database.engine import Store
from store.errors import StoreError
from web import headers
from web.dates import utc_today
from web.form_limits import LimitedRequest
from web.languages import FOLDER, closest, language_name
from web.origin import is_our_host, is_our_request


def create_adviser_app(
    config: AdviserConfig,
    store: Store,
    *,
    end_worker: Callable[[], None],
    readers: Sequence[WorkerStarter] = (),
    today: Callable[[], date] = utc_today,
) -> Flask:
    """Build the adviser's site for an open store. The site is locked until the adviser unlocks it.

    `end_worker` ends the worker process after its last response. Each of `readers` starts one search process.
    If `readers` is empty, the site has no search.
    """
    app = Flask(__name__)
    app.request_class = LimitedRequest
    app.jinja_env.undefined = StrictUndefined
    app.extensions.update(
        config=config,
        store=store,
        today=today,
        readers=readers,
        trial_names=trial_names(config, store),
        auto_lock=AutoLock(config.idle_minutes * 60, end_worker),
    )
    # The sentences about files are in `languages/`, because sources read them too.
    Babel(
        app,
        default_locale=DUTCH,
        default_translation_directories=f"{FOLDER};translations",
        locale_selector=chosen_language,
    )
    headers.install_headers(app)
    app.after_request(_forbid_caching)
    app.before_request(_refuse_other_origins)
    app.context_processor(_template_globals)
    for blueprint in (
        unlock_pages.bp,
        unsent_pages.bp,
        inbox_pages.bp,
        thread_pages.bp,
        look_pages.bp,
        casefile_pages.bp,
        closing_pages.bp,
        spam_pages.bp,
        search_pages.bp,
        calendar_pages.bp,
        reply_template_pages.bp,
        report_pages.bp,
        proposal_pages.bp,
        evidence_pages.bp,
        sync_pages.bp,
        about_desk_pages.bp,
        desk_texts_pages.bp,
        keys_pages.bp,
    ):
        app.register_blueprint(blueprint)
    app.register_error_handler(ForeignFormError, lambda _why: error_page("foreign", 403))
    app.register_error_handler(MailboxNotFoundError, lambda _why: error_page("missing", 404))
    app.register_error_handler(StoreError, lambda why: error_page(why.fault, 503))
    app.register_error_handler(HTTPException, _show_http_error)
    return app


def _refuse_other_origins() -> ResponseReturnValue | None:
    """Refuse a request to another host name (DNS rebinding), or from a page of another site."""
    origin = current_app.extensions["config"].origin
    if not is_our_host(request.headers.get("Host"), origin):
        return render_template("refusal.html", what="host", text="", origin=origin), 421
    if not is_our_request(request.method, dict(request.headers), origin):
        return render_template("refusal.html", what="foreign", text=""), 403
    return None


def _forbid_caching(response: Response) -> Response:
    """Forbid browsers to cache a response. Flask itself would let browsers cache static files."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _template_globals() -> dict[str, object]:
    desk = open_desk()
    return {
        "lang": chosen_language(),
        "languages": locale_format.own_names(),
        "adviser_languages": LANGUAGES,
        "language_name": lambda code: language_name(code, Locale(chosen_language())),
        "closest": closest,
        "desk_names": desk.letterhead.desk_name if desk else current_app.extensions["trial_names"],
        "last_sync": _last_sync(),
        "is_open": desk is not None,
        "form_token": page_form_token,
        "hidden_fields": hidden_fields,
        "long_day": locale_format.format_long_day,
        "whole": locale_format.format_whole_number,
        "file_size": locale_format.format_file_size,
        "choice_name": _choice_name,
        "way_back": request.full_path if request.method == "GET" else "/inbox",
    }


def _last_sync() -> LastSync | None:
    desk = open_desk()
    if desk is None:
        return None
    try:
        return last_sync(desk, current_app.extensions["today"]())
    except StoreError:
        return None  # the page itself reports what is wrong with the store


def _choice_name(list_name: str, key: str) -> str:
    return option_name(current_app.extensions["config"].options(list_name), key, chosen_language())


def _show_http_error(why: HTTPException) -> ResponseReturnValue:
    if isinstance(why, NotFound):
        return render_template("refusal.html", what="missing", text=""), 404
    if isinstance(why, RequestEntityTooLarge):
        typed = max(request.form.values(), key=len, default="")
        return render_template("refusal.html", what="too_large", text=typed), 413
    return render_template("refusal.html", what="other", text=""), why.code or 500
