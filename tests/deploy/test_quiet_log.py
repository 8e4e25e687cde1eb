import errno
import io
import logging
import re
import subprocess
import sys

import pytest

from deploy.quiet_log import OWN_LOGGER, GunicornLogger, QuietFormatter, SparingHandler

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


def test_a_client_that_causes_faults_without_end_does_not_fill_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, sink = [7.0], io.StringIO()
    monkeypatch.setattr("deploy.quiet_log.time.monotonic", lambda: clock[0])
    handler = SparingHandler(sink)
    handler.setFormatter(logging.Formatter("%(message)s"))

    def log(*events: str) -> list[str]:
        sink.truncate(sink.seek(0))
        for event in events:
            handler.handle(logging.makeLogRecord({"msg": event}))
        return sink.getvalue().splitlines()

    assert log("refused", *["busy"] * 1000, "refused again") == ["refused", "busy", "refused again"]
    clock[0] += 59
    assert log("busy", "refused") == []
    clock[0] += 1
    assert log("swept", "busy", "swept") == ["refused (and 1 more)", "busy (and 1000 more)", "swept", "busy"]
    clock[0] += 60
    assert log("busy") == ["swept (and 1 more)", "busy"]


def test_a_process_with_the_quiet_log_writes_equal_lines_once() -> None:
    program = (
        "import logging, sys; from deploy import quiet_log; quiet_log.install_quiet_log(sys.stderr);"
        "[logging.getLogger(quiet_log.OWN_LOGGER).error('refused') for _ in range(100)]"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr

    assert said.count("refused") == 1


def test_a_log_that_cannot_be_written_stops_nothing_and_shows_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class FullDisk(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.ENOSPC, CANARY)

    closed = io.StringIO()
    closed.close()
    for stream in (FullDisk(), closed):
        SparingHandler(stream).handle(logging.makeLogRecord({"msg": CANARY}))

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("arguments", [(CANARY,), (CANARY, CANARY)])
def test_a_faulty_log_call_shows_its_place_and_not_its_values(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """Otherwise the exception ends the request, or Python prints the values with a traceback."""
    stream = io.StringIO()
    handler = SparingHandler(stream)
    handler.setFormatter(QuietFormatter())
    record = logging.makeLogRecord(
        {"name": OWN_LOGGER, "msg": "%d", "args": arguments, "module": "posting", "lineno": 7}
    )

    handler.handle(record)

    assert capsys.readouterr() == ("", "")
    assert stream.getvalue().endswith("posting:7\n")
    assert CANARY not in stream.getvalue()


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
