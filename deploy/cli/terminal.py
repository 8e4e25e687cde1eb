"""Argument types, questions and progress lines that several commands share."""

import signal
import sys
import threading
from pathlib import Path
from typing import Final

import click

FILE = click.Path(path_type=Path, dir_okay=False)
EXISTING_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for a script.")
_BAR_CHARS = 30
_CLEAR = "\x1b[K"  # the terminal clears the rest of the line
_SECONDS: Final = "steunpunt.seconds"  # place of the running counter in click's context
_EACH = 1.0  # seconds


class _Seconds(threading.Thread):
    """Thread that shows, in one line of the terminal, how many seconds a step has taken so far."""

    def __init__(self, before: str) -> None:
        super().__init__(daemon=True)
        self._before = before
        self._over = threading.Event()

    def run(self) -> None:
        # The cursor stays at the beginning of the line, so that the next output replaces the counter.
        passed = 0
        while not self._over.wait(_EACH):
            passed += 1
            _show(f"\r{self._before}{passed} s{_CLEAR}\r", is_whole=False)
        if passed:
            _show(_CLEAR, is_whole=False)

    def end(self) -> None:
        self._over.set()
        self.join()


def ask_passphrase() -> str:
    """Ask for a secret that opens the keyring: a passphrase, or the words of a recovery sheet."""
    passphrase = ask_secret("Passphrase")
    show_step("Opening the keyring")
    return passphrase


def ask_secret(question: str) -> str:
    """Ask a question on standard error. The terminal does not show the typed text."""
    end_step()
    return str(click.prompt(question, hide_input=True, err=True))


def examples(*commands: str) -> str:
    """Return the end of a command's help: these commands as examples, with "steunpunt" before each."""
    return "\b\nExamples:\n" + "\n".join(f"  steunpunt {command}" for command in commands)


def show_step(step: str) -> None:
    """If a person looks at the terminal, print which step begins now, and count the seconds of the step."""
    end_step()
    _show(f"{step} ...", is_whole=True)
    _count_seconds()


def end_step() -> None:
    """End the counter of seconds. Call this before the command asks a question or starts programs."""
    context = click.get_current_context(silent=True)
    if context is not None and (running := context.meta.pop(_SECONDS, None)) is not None:
        running.end()


def show_count(done: int, total: int) -> None:
    """Show how many encrypted parts the clean-up has destroyed."""
    _show_bar(done, total, "encrypted parts")


def show_copied(done: int, total: int) -> None:
    """Show how many bytes of a file are copied so far."""
    _show_bar(done, total, "bytes copied")


def show_verified(done: int, total: int) -> None:
    """Show how many mailboxes are verified so far."""
    _show_bar(done, total, "mailboxes verified")


def show_rows(done: int, total: int) -> None:
    """Show how many steps of a copy are done. Each row is copied, and later compared."""
    _show_bar(done, total, "steps: each row is copied and compared")


def show_items_left(left: int) -> None:
    """Show how many items a sync must still send."""
    end_step()
    _show(f"\r{left} items left to send{_CLEAR}", is_whole=left == 0)
    _count_seconds(f"{left} items left to send, " if left else "")


def _show_bar(done: int, total: int, what: str) -> None:
    end_step()
    full = _BAR_CHARS * done // max(total, 1)
    bar = "#" * full + "." * (_BAR_CHARS - full)
    _show(f"\r[{bar}] {done} of {total} {what}", is_whole=done >= total)
    if done >= total:
        _count_seconds()


def _count_seconds(before: str = "") -> None:
    if _is_watched():
        running = click.get_current_context().meta[_SECONDS] = _Seconds(before)
        running.start()


def _show(line: str, *, is_whole: bool) -> None:
    """Write progress to a terminal, but not to a log. If `is_whole` is False, no newline is added."""
    if _is_watched():
        click.echo(line, err=True, nl=is_whole)


def _is_watched() -> bool:
    return sys.stderr.isatty()


def stop_on_signals() -> threading.Event:
    """Return an event that is set when Ctrl-C, SIGTERM or SIGHUP arrives."""
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda _signal, _frame: stop.set())
    return stop
