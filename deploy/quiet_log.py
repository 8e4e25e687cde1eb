"""Logging of events and places in the code, and never of addresses or anything that people typed or sent.

gunicorn logs addresses, request lines and header values. Flask logs paths, and libraries put values into the
texts of exceptions. So the messages of other loggers are not printed. Only the logger, the place in the code
and the kind of exception are. A line has a day and no hour, because an hour can point at one person. Only
messages of our own logger are printed in full.
"""

import logging
import sys
import threading
import time
import traceback
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from functools import partialmethod
from types import TracebackType
from typing import TextIO

# This logger and its children log our own events. Their messages never quote a request.
OWN_LOGGER = "steunpunt"

# Messages of gunicorn's master about its workers. They contain only process ids and names of signals.
_MASTER_MESSAGES = frozenset(
    {
        "WORKER TIMEOUT (pid:%s)",
        "Worker (pid:%s) was sent %s!",
        "Worker (pid:%s) was sent %s! Perhaps out of memory?",
        "Worker (pid:%s) exited with code %s.",
    }
)


class QuietFormatter(logging.Formatter):
    """Format of a log line: the day, the level, and the message if our own code logged it.

    For another library's message, the line has only the logger and the place in the code.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the log line of an event, without the text of any exception.

        If another library logged the event, the line has only the logger and the place in the code.
        """
        # So the line contains nothing that people or other machines sent.
        day = datetime.fromtimestamp(record.created, UTC).date()
        is_own = f"{record.name}.".startswith(f"{OWN_LOGGER}.")
        event = record.getMessage() if is_own else f"{record.name} at {record.module}:{record.lineno}"
        line = f"{day} {record.levelname.lower()} {event}"
        if record.exc_info and record.exc_info[0]:
            line += f" {traceback_places(record.exc_info[0], record.exc_info[2])}"
        return line


class SparingHandler(logging.StreamHandler[TextIO]):
    """Handler that writes equal log lines only once a minute.

    After the minute, the handler writes how many lines were left out. So a client that causes faults cannot
    fill the disk. If the log cannot be written, the program continues.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._until, self._counts = 0.0, Counter[str]()  # of the lines of this minute

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log record, or only count it if the same line was written in this minute."""
        # A faulty log call must neither stop a request nor print its values.
        line = f"a log line that cannot be written, of {record.module}:{record.lineno}"
        with suppress(Exception):
            line = self.format(record)
        now, left_out = time.monotonic(), ""
        if now >= self._until:
            left_out = "".join(f"{each} (and {n - 1} more)\n" for each, n in self._counts.items() if n > 1)
            self._until, self._counts = now + 60, Counter()
        self._counts[line] += 1
        if self._counts[line] == 1:
            with suppress(OSError, ValueError):  # a closed stream raises ValueError
                print(left_out + line, file=self.stream, flush=True)


def traceback_places(kind: type[BaseException], trace: TracebackType | None) -> str:
    """Return the kind of an exception, and the places in the code that raised it or passed it on.

    The innermost place comes first.
    """
    steps = " < ".join(
        f"{frame.f_code.co_filename.rpartition('/')[2]}:{line}"
        for frame, line in reversed(list(traceback.walk_tb(trace)))
    )
    return f"{kind.__module__}.{kind.__qualname__} ({steps})"


def install_quiet_log(stream: TextIO) -> None:
    """Send the logs, warnings and unexpected exceptions of this process through `QuietFormatter`."""
    handler = SparingHandler(stream)
    handler.setFormatter(QuietFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(OWN_LOGGER).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    sys.unraisablehook = lambda hook: _log_uncaught(hook.exc_type, hook.exc_value, hook.exc_traceback)
    threading.excepthook = lambda hook: _log_uncaught(hook.exc_type, hook.exc_value, hook.exc_traceback)


def _log_uncaught(
    kind: type[BaseException], _raised: BaseException | None, trace: TracebackType | None
) -> None:
    logging.getLogger(OWN_LOGGER).error("not caught: %s", traceback_places(kind, trace))


class GunicornLogger:
    """Logger for gunicorn. It logs events such as the end of a worker process, but never a request."""

    access_log_enabled = False

    def __init__(self, cfg: object) -> None:
        self.cfg = cfg
        self._own = logging.getLogger(OWN_LOGGER)

    def setup(self, cfg: object) -> None:
        """Ignore gunicorn's configuration, because none of its log settings matter here."""
        self.cfg = cfg

    def log(self, lvl: int, msg: object, *args: object, **_more: object) -> None:
        """Log the message of an event, if `_MASTER_MESSAGES` contains the message.

        For any other event, log a fixed sentence, because the message could quote a request.
        """
        if msg in _MASTER_MESSAGES:
            self._own.log(lvl, "gunicorn: " + str(msg), *args)
        else:
            self._own.log(lvl, "gunicorn: an event that is left out, because it may quote a request")

    critical = error = partialmethod(log, logging.ERROR)
    warning = partialmethod(log, logging.WARNING)

    def exception(self, _msg: object, *_args: object, **_more: object) -> None:
        """Log the kind of the current exception and the place in the code, but not its message."""
        kind, _, trace = sys.exc_info()
        self._own.error("gunicorn: %s", traceback_places(kind, trace) if kind else "an exception")

    def info(self, *_args: object, **_more: object) -> None:
        """Drop the message, because gunicorn's messages of this level are not needed."""

    debug = access = info

    def reopen_files(self) -> None:
        """Do nothing, because there are no log files. The log goes to standard error only."""

    close_on_exec = reopen_files
