"""Hardened Flask app: forms are never written to disk, and logs contain no text from visitors."""

import logging
from types import TracebackType

from flask import Flask, Request
from werkzeug.exceptions import BadRequest

_FIELDS = 16  # limit on fields: twice as many as our largest form without files has

log = logging.getLogger("steunpunt.source")


class SmallFormRequest(Request):
    """Request that lets Flask read only small forms without files. Flask would write files to the disk.

    Werkzeug, the library below Flask, writes larger files to the disk, unencrypted. Only the form of a
    message can have files. The module `services.uploads` reads this form from the network, without temporary
    files.
    """

    max_content_length = 4 * 1024 * 1024  # enough for a log-in form with a text of 100,000 characters
    max_form_memory_size = max_content_length

    def _load_form_data(self) -> None:
        if self.mimetype == "multipart/form-data":
            raise BadRequest
        # Werkzeug limits the bytes of a form but not its fields: 4 MiB of fields take 2 seconds and 90 MiB.
        if self.get_data(parse_form_data=False).count(b"&") >= _FIELDS:
            raise BadRequest
        super()._load_form_data()


class Site(Flask):
    """Flask app of the source's site.

    Its log has the type and place of an error, and never a visitor's text.
    """

    request_class = SmallFormRequest

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
