"""Watch over this machine: all checks every hour, a health socket, and the operator's command on failure."""

import logging
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from gunicorn.systemd import sd_notify

from deploy.checking.all_checks import is_in_order
from deploy.checking.check_results import CheckResult, Level
from deploy.ports import UNIX, listen, refuse_taken_address
from deploy.settings.check_settings import CheckConfig
from web.dates import utc_today

_CHECK_SECONDS, _AGAIN_SECONDS = 3600, 600
_COMMAND_SECONDS = 60
_SEND_SECONDS = 5
_OK, _FAULT = b"ok\n", b"fault\n"

_log = logging.getLogger(__name__)

Say = Callable[[str], object]


class HealthSocket:
    """Unix socket that answers each connection with one word, "ok" or "fault".

    The answer is the result of the last check, and depends on nothing else. So a monitoring program learns
    nothing about the use of the mailbox.
    """

    def __init__(self, path: Path) -> None:
        """Listen on the socket. The first answer is "fault", until a check has been made.

        Raises:
            DeployError: the socket cannot be made, or another program listens on it.
        """
        self.word = _FAULT
        self._path = path
        refuse_taken_address(f"{UNIX}{path}")
        self._listener = listen(f"{UNIX}{path}")
        threading.Thread(target=self._answer, daemon=True).start()

    def close(self) -> None:
        """Stop listening, and remove the socket."""
        self._listener.shutdown(socket.SHUT_RDWR)  # ends a waiting `accept`, which closing would not
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _answer(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError):
                    client.settimeout(_SEND_SECONDS)
                    client.sendall(self.word)


def watch_until_stopped(
    check: Callable[[], Sequence[CheckResult]], config: CheckConfig, stop: threading.Event, *, say: Say
) -> None:
    """Make all checks every hour until `stop` is set. Print each new result that is not in order.

    While a check fails, all checks are made every ten minutes.

    When a check begins to fail, the operator's command is called. The command is called again on each day on
    which a check still fails.

    Raises:
        DeployError: the health socket cannot be made.
    """
    health = HealthSocket(Path(config.health_socket)) if config.health_socket else None
    sd_notify("READY=1", _log)
    called_on: date | None = None
    said: set[str] = set()
    while not stop.is_set():
        results = check()
        sd_notify("WATCHDOG=1", _log)  # systemd ends a program whose check does not end
        is_fine, today = is_in_order(results), utc_today()
        lines = {each.line for each in results if each.level is not Level.OK}
        for line in sorted(lines - said):
            say(line)
        said = lines
        if health is not None:
            health.word = _OK if is_fine else _FAULT
        if not is_fine and called_on != today:
            call_on_failure(config, say=say)
        called_on = None if is_fine else today
        stop.wait(_CHECK_SECONDS if is_fine else _AGAIN_SECONDS)
    if health is not None:
        health.close()


def call_on_failure(config: CheckConfig, *, say: Say) -> None:
    """Call the operator's command, which gets no arguments, no input and nothing about the results."""
    if not config.failure_command:
        return
    nothing = subprocess.DEVNULL
    try:
        subprocess.run(  # noqa: S603  # the operator's own program
            [config.failure_command],
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
            cwd="/",
            timeout=_COMMAND_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as why:
        say(f"fault: The command on failure could not be run ({type(why).__name__}). See [check].")
