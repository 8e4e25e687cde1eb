import io
import logging
import re
import subprocess
import sys

import pytest

from deploy.quiet_log import OWN_LOGGER, GunicornLogger, QuietFormatter

CANARY = "zwartekanarie"


@pytest.fixture
def logged() -> io.StringIO:
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.setFormatter(QuietFormatter())
    logger = logging.getLogger(OWN_LOGGER)
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logging.getLogger("flask.app").addHandler(handler)
    yield sink
    logger.removeHandler(handler)
    logging.getLogger("flask.app").removeHandler(handler)


def test_a_message_of_a_library_is_left_out_and_its_place_is_logged(logged: io.StringIO) -> None:
    logging.getLogger("flask.app").error("Exception on %s", CANARY)

    assert re.fullmatch(r"\d{4}-\d\d-\d\d error flask\.app at test_quiet_log:\d+\n", logged.getvalue())


def test_an_exception_is_logged_with_its_kind_and_place_but_not_its_text(logged: io.StringIO) -> None:
    try:
        int(CANARY)
    except ValueError:
        logging.getLogger("flask.app").exception(CANARY)

    assert "builtins.ValueError (test_quiet_log.py:" in logged.getvalue()
    assert CANARY not in logged.getvalue()


def test_our_own_events_are_logged_in_full(logged: io.StringIO) -> None:
    logging.getLogger(OWN_LOGGER).info("swept %d rows", 7)

    logging.getLogger(f"{OWN_LOGGER}.source").error("store: %s", "StoreFullError")
    logging.getLogger(f"{OWN_LOGGER}elsewhere").error(CANARY)

    assert "info swept 7 rows" in logged.getvalue()
    assert "error store: StoreFullError" in logged.getvalue()
    assert CANARY not in logged.getvalue()


def test_messages_of_gunicorn_about_a_request_are_left_out(logged: io.StringIO) -> None:
    logger = GunicornLogger(None)

    logger.warning("Invalid request from ip=192.0.2.1: " + CANARY)  # noqa: G003  # as gunicorn does
    logger.error("Error handling request %s %s", "GET", CANARY)
    logger.info("Listening at %s", CANARY)
    logger.access(CANARY, CANARY, {}, 1)

    assert CANARY not in logged.getvalue()
    assert "192.0.2.1" not in logged.getvalue()
    assert logged.getvalue().count("left out") == 2


def test_messages_of_gunicorn_about_its_workers_are_logged(logged: io.StringIO) -> None:
    GunicornLogger(None).critical("WORKER TIMEOUT (pid:%s)", 7)

    assert "gunicorn: WORKER TIMEOUT (pid:7)" in logged.getvalue()


@pytest.mark.parametrize(
    "fails",
    [
        f"raise ValueError('{CANARY}')",
        f"import threading; t = threading.Thread(target=int, args=('{CANARY}',)); t.start(); t.join()",
        f"import warnings; warnings.warn('{CANARY}')",
        f"X = type('X', (), dict(__del__=lambda self: int('{CANARY}'))); X()",
    ],
    ids=["uncaught", "in a thread", "warning", "in a finaliser"],
)
def test_an_unexpected_error_is_never_quoted(fails: str) -> None:
    program = f"import sys; from deploy import quiet_log; quiet_log.install_quiet_log(sys.stderr); {fails}"

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stderr

    assert re.match(r"\d{4}-\d\d-\d\d (error|warning) ", said)
    assert CANARY not in said
