"""The Flask app as this house wants it: no disk for forms, no words of visitors in logs."""

import logging
from types import TracebackType

from flask import Flask, Request
from werkzeug.exceptions import BadRequest

_FIELDS = 16  # twice as many as our largest small form has

log = logging.getLogger("steunpunt.source")


class SmallFormRequest(Request):
    """A request whose form Flask may read only when it is small and has no files.

    Werkzeug would put larger files into temporary files, in clear. The one form with files is read by
    `uploads`, straight from the wire.
    """

    max_content_length = 4 * 1024 * 1024  # 100,000 characters of a log-in form that keeps a text
    max_form_memory_size = max_content_length

    def _load_form_data(self) -> None:
        if self.mimetype == "multipart/form-data":
            raise BadRequest
        # Werkzeug bounds the bytes of a form but not its fields: 4 MiB of them take 2 seconds and 90 MiB.
        if self.get_data(parse_form_data=False).count(b"&") >= _FIELDS:
            raise BadRequest
        super()._load_form_data()


class Site(Flask):
    """An app that logs what went wrong and never what was sent."""

    request_class = SmallFormRequest

    def log_exception(
        self,
        exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None],
    ) -> None:
        """Log the type of an error and its place in our code: its message may quote a visitor."""
        kind, _, trace = exc_info
        place = "?"
        while trace is not None:
            code = trace.tb_frame.f_code
            place = f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
            trace = trace.tb_next
        log.error("unexpected error: %s at %s", "?" if kind is None else kind.__name__, place)
