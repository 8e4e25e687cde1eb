"""The source interface: public, without JavaScript, without a memory of who came."""

import re
from collections.abc import Callable
from datetime import date
from importlib.resources import files

from flask import Flask
from flask_babel import Babel
from jinja2 import StrictUndefined

from protocol.content import TEXT_CHARS
from protocol.letterhead import Letterhead
from source_app.argon2_limiter import Argon2Limiter
from source_app.config import SourceConfig
from source_app.hardened_flask import Site
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

_MINUTES_OF_HALF_HOUR = 30
_ENTRIES_OF_A_MAILBOX = 2_000  # one a day for more than five years
_COMMENT = re.compile(rb"/\*.*?\*/", re.DOTALL)
_SPACE = re.compile(rb"\s+")
_AROUND = re.compile(rb" ?([{};,>]) ?")
_ENTRIES_BYTES_OF_A_MAILBOX = 16 * 1024 * 1024  # sealed, without files: 300 of the longest messages


def create_source_app(  # noqa: PLR0913  # what the app is made around
    config: SourceConfig,
    letterhead: Letterhead,
    store: Store,
    sessions: SessionStore,
    *,
    server_secret: bytes,
    signposts: Signposts,
    today: Callable[[], date] = utc_today,
    newest_letterhead: Callable[[], Letterhead] | None = None,
) -> Flask:
    """Build the source site around a verified letterhead and an open store.

    `server_secret` is 32 random bytes that all workers of this run share. `newest_letterhead` is asked once
    in each request for the letterhead to use, verified; without it that is `letterhead` for good.
    """
    app = Site(__name__, static_folder=None)
    # Werkzeug would mend an address with a redirect to `http://` and the Host that was sent.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.extensions["desk"] = PublicDesk(
        letterhead=letterhead,
        store=store,
        sessions=sessions,
        line=Argon2Limiter(
            config.argon2_lock_path, at_once=config.argon2_at_once, waiting=config.argon2_line
        ),
        server_secret=server_secret,
        quota=Quota(config.mailbox_bytes, config.store_bytes, config.reserve_bytes),
        limits=MailboxLimits(
            TEXT_CHARS,
            config.upload_files,
            config.upload_bytes,
            _ENTRIES_OF_A_MAILBOX,
            _ENTRIES_BYTES_OF_A_MAILBOX,
        ),
        session_half_hours=1 + -(-config.session_minutes // _MINUTES_OF_HALF_HOUR),
    )
    app.extensions["newest_letterhead"] = newest_letterhead or (lambda: letterhead)
    app.extensions["config"] = config
    app.extensions["today"] = today
    app.extensions["signposts"] = signposts
    app.extensions["stylesheet"] = _squeezed(files(__name__).joinpath("static/style.css").read_bytes())
    Babel(app, default_locale="en", locale_selector=request_hooks.language_of_request)
    request_hooks.install_request_hooks(app)
    headers.install_headers(app)
    error_pages.install_error_pages(app)
    for blueprint in (
        public_pages.bp,
        signpost_pages.bp,
        published_report_pages.bp,
        start_pages.bp,
        mailbox_pages.bp,
    ):
        app.register_blueprint(blueprint)
    return app


def _squeezed(style: bytes) -> bytes:
    """Return a stylesheet without comments and needless white space: on a slow line one waits for it."""
    words = _SPACE.sub(b" ", _COMMENT.sub(b"", style)).strip()
    return _AROUND.sub(rb"\1", words).replace(b": ", b":").replace(b";}", b"}")
