"""Site for sources: a public Flask app without JavaScript that remembers nothing about its visitors.

Imports `web`, `stored_mailbox`, `store`, `crypto`, and `protocol` without the modules for the desk's secrets.

- `argon2_limiter`: queue of log-ins, and limit on parallel Argon2id runs
- `background_thread`: background thread that writes read receipts
- `config`: settings of the site
- `errors`: exceptions, with the reasons for which the site refuses something
- `forms`: fields and CSRF tokens of the forms
- `hardened_flask`: Flask class with limits on forms and a log without visitors' text
- `mailbox_limiter`: limit on the requests that decrypt a mailbox
- `mailbox_tag`: tag that says in which mailbox the text of a form was typed
- `page_language`: language of the current page
- `passphrase_typos`: what a page says about a typed passphrase that opened nothing
- `practice_ticket`: ticket with the new passphrase, while the source practises typing it
- `queue_place`: place in the queue of log-ins, sealed in a form
- `sealed_field`: form field or cookie that only the running server can read
- `session_cookie`: cookie with the token of a session, or the result of a failed log-in
- `public_desk`: context object that every use case receives
- `services`: use cases of a source, without Flask
- `signpost`: questions that lead a visitor to a fitting procedure
- `views`: requests and pages
"""

import re
import time
from collections.abc import Callable
from datetime import date
from importlib.resources import files

from flask import Flask
from flask_babel import Babel
from jinja2 import StrictUndefined

from protocol.content import TEXT_CHARS
from protocol.letterhead import Letterhead
from source_app.argon2_limiter import Argon2Limiter
from source_app.background_thread import BackgroundThread
from source_app.config import SourceConfig
from source_app.hardened_flask import Site
from source_app.mailbox_limiter import MailboxLimiter
from source_app.page_language import page_language
from source_app.public_desk import MailboxLimits, PublicDesk
from source_app.signpost.decision_tree import Signposts
from source_app.views import (
    error_pages,
    mailbox_pages,
    public_pages,
    published_report_pages,
    request_hooks,
    signpost_pages,
    start_pages,
)
from store.database.engine import Store
from store.quota import Quota
from store.sessions import SessionStore
from web import headers
from web.dates import utc_today
from web.languages import read_language

_MINUTES_OF_HALF_HOUR = 30
_ENTRIES_MAX = 2_000  # in a mailbox: one entry a day for more than five years
_CSS_COMMENT = re.compile(rb"/\*.*?\*/", re.DOTALL)
_CSS_SPACE = re.compile(rb"\s+")
_CSS_PUNCTUATION = re.compile(rb" ?([{};,>]) ?")
_BYTES_MAX = (
    16 * 1024 * 1024
)  # of the entries of a mailbox, encrypted, without files: 300 of the longest messages


def create_source_app(  # noqa: PLR0913  # the parts of the app
    config: SourceConfig,
    letterhead: Letterhead,
    store: Store,
    sessions: SessionStore,
    *,
    server_secret: bytes,
    signposts: Signposts,
    today: Callable[[], date] = utc_today,
    newest_letterhead: Callable[[], Letterhead] | None = None,
    pause: Callable[[float], None] = time.sleep,
    in_background: Callable[[Callable[[], None]], object] | None = None,
) -> Flask:
    """Build the Flask app of the source's site, with the desk's verified public statement and an open store.

    `server_secret` is 32 random bytes that all worker processes share. If `newest_letterhead` is None, every
    request uses `letterhead`.
    """
    app = Site(__name__, static_folder=None)
    # Werkzeug would redirect an address with a wrong slash to `http://` and the Host header of the request.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.extensions["desk"] = PublicDesk(
        letterhead=letterhead,
        store=store,
        sessions=sessions,
        argon2_limiter=Argon2Limiter(
            config.argon2_lock_path, at_once=config.argon2_at_once, waiting=config.argon2_queue
        ),
        server_secret=server_secret,
        quota=Quota(config.mailbox_bytes, config.store_bytes, config.reserve_bytes),
        limits=MailboxLimits(TEXT_CHARS, config.upload_files, config.upload_bytes, _ENTRIES_MAX, _BYTES_MAX),
        new_mailboxes=-(-config.new_mailboxes_an_hour // 2),
        session_half_hours=1 + -(-config.session_minutes // _MINUTES_OF_HALF_HOUR),
    )
    app.extensions["newest_letterhead"] = newest_letterhead or (lambda: letterhead)
    app.extensions["config"] = config
    app.extensions["today"] = today
    app.extensions["pause"] = pause
    app.extensions["in_background"] = in_background or BackgroundThread().call
    app.extensions["mailbox_limiter"] = MailboxLimiter()
    app.extensions["signposts"] = signposts
    app.extensions["stylesheet"] = _minified(files(__name__).joinpath("static/style.css").read_bytes())
    app.extensions["languages"] = {code: read_language(code) for code in config.languages}
    Babel(app, locale_selector=lambda: page_language().locale)
    request_hooks.add_language_converter(app, config.languages)
    request_hooks.install_request_hooks(app)
    headers.install_headers(app)
    error_pages.install_error_pages(app)
    for pages in (public_pages, signpost_pages, published_report_pages, start_pages, mailbox_pages):
        app.register_blueprint(pages.bp)
    return app


def _minified(style: bytes) -> bytes:
    words = _CSS_SPACE.sub(b" ", _CSS_COMMENT.sub(b"", style)).strip()
    return _CSS_PUNCTUATION.sub(rb"\1", words).replace(b": ", b":").replace(b";}", b"}")
