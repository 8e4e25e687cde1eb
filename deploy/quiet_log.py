"""Log that something happened and where in the code, never what anybody typed, sent or came from.

gunicorn logs addresses, request lines and header values, Flask logs paths, libraries put values into
exception texts. So no message of theirs is printed: only which logger it was, the place in the code and the
kind of exception. Days, no hours: an hour can point at one person. Only our own logger's messages come out in
full.
"""

import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

OWN_LOGGER = (
    "steunpunt"  # the logger (and those below it) for events of our own making, never a word of a request
)

# What gunicorn's master tells about its workers: numbers of processes and names of signals alone.
_OF_THE_MASTER = frozenset(
    {
        "WORKER TIMEOUT (pid:%s)",
        "Worker (pid:%s) was sent %s!",
        "Worker (pid:%s) was sent %s! Perhaps out of memory?",
        "Worker (pid:%s) exited with code %s.",
    }
)


class QuietFormatter(logging.Formatter):
    """Write a day, a level, a logger and a place in the code; a message only when it is our own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line without anything that came from outside."""
        day = datetime.fromtimestamp(record.created, UTC).date()
        where = f"{record.module}:{record.lineno}"
        said = (
            record.getMessage()
            if f"{record.name}.".startswith(f"{OWN_LOGGER}.")
            else f"{record.name} at {where}"
        )
        line = f"{day} {record.levelname.lower()} {said}"
        if record.exc_info and record.exc_info[0]:
            line += f" {traceback_places(record.exc_info[0], record.exc_info[2])}"
        return line


def traceback_places(kind: type[BaseException], trace: TracebackType | None) -> str:
    """Return the kind of an exception and the places in the code that it came through."""
    steps = " < ".join(
        f"{frame.f_code.co_filename.rpartition('/')[2]}:{line}"
        for frame, line in reversed(list(traceback.walk_tb(trace)))
    )
    return f"{kind.__module__}.{kind.__qualname__} ({steps})"


def install_quiet_log(stream: TextIO) -> None:
    """Send every logger, warning and unexpected exception of this process through `QuietFormatter`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(QuietFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(OWN_LOGGER).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    sys.unraisablehook = lambda left: _log_uncaught(left.exc_type, left.exc_value, left.exc_traceback)
    threading.excepthook = lambda left: _log_uncaught(left.exc_type, left.exc_value, left.exc_traceback)


def _log_uncaught(
    kind: type[BaseException], _raised: BaseException | None, trace: TracebackType | None
) -> None:
    logging.getLogger(OWN_LOGGER).error("not caught: %s", traceback_places(kind, trace))


class GunicornLogger:
    """What gunicorn is given to log with: what its master did to a worker, and nothing of a request."""

    access_log_enabled = False

    def __init__(self, cfg: object) -> None:
        self.cfg = cfg
        self._own = logging.getLogger(OWN_LOGGER)

    def setup(self, cfg: object) -> None:
        """Take the configuration again; there is nothing in it for us."""
        self.cfg = cfg

    def critical(self, msg: object, *args: object, **_more: object) -> None:
        """Log an event of the master, or only that there was one."""
        self._say(logging.ERROR, msg, args)

    error = critical

    def warning(self, msg: object, *args: object, **_more: object) -> None:
        """Log an event of the master, or only that there was one."""
        self._say(logging.WARNING, msg, args)

    def exception(self, _msg: object, *_args: object, **_more: object) -> None:
        """Log the kind and the place of the exception at hand."""
        kind, _, trace = sys.exc_info()
        self._own.error("gunicorn: %s", traceback_places(kind, trace) if kind else "an exception")

    def info(self, *_args: object, **_more: object) -> None:
        """Say nothing."""

    debug = access = info

    def log(self, lvl: int, msg: object, *args: object, **_more: object) -> None:
        """Log an event of the master, or only that there was one."""
        self._say(lvl, msg, args)

    def reopen_files(self) -> None:
        """Do nothing: we write to standard error alone."""

    close_on_exec = reopen_files

    def _say(self, level: int, msg: object, args: tuple[object, ...]) -> None:
        if msg in _OF_THE_MASTER:
            self._own.log(level, "gunicorn: " + str(msg), *args)
        else:
            self._own.log(level, "gunicorn: something that may quote a request, so it is left out")
