"""Hardened Flask app: forms are never written to disk, and logs contain no text from visitors."""

import logging
from types import TracebackType

from flask import Flask

from web.form_limits import LimitedRequest

log = logging.getLogger("steunpunt.source")


class Site(Flask):
    """Flask app of the source's site.

    Its log has the type and place of an error, and never a visitor's text.
    """

    request_class = LimitedRequest

    def log_exception(
        self, exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None]
    ) -> None:
        """Log the type and place of an exception, but not its message, which can quote a visitor's text."""
        kind, _, trace = exc_info
        place = "?"
        while trace is not None:
            code = trace.tb_frame.f_code
            place = f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
            trace = trace.tb_next
        log.error("unexpected error: %s at %s", "?" if kind is None else kind.__name__, place)
