"""Argument types, questions and progress lines that several commands share."""

import signal
import threading
from pathlib import Path

import click

FILE = click.Path(path_type=Path, dir_okay=False)
EXISTING_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


def ask_passphrase() -> str:
    """Ask for a secret that opens the keyring: a passphrase, or the words of a recovery sheet."""
    return ask_secret("Passphrase")


def ask_secret(question: str) -> str:
    """Ask a question on standard error. The terminal does not show the typed text."""
    return str(click.prompt(question, hide_input=True, err=True))


def show_step(step: str) -> None:
    """Print on standard error which step of the command begins now."""
    click.echo(f"{step} ...", err=True)


def show_count(done: int, total: int) -> None:
    """Print how many encrypted parts the clean-up has destroyed. Each call overwrites the same line."""
    click.echo(f"\r{done} of {total} encrypted parts", err=True, nl=done >= total)


def show_verified(done: int, total: int) -> None:
    """Print how many mailboxes are verified so far. Each call overwrites the same line."""
    click.echo(f"\r{done} of {total} mailboxes verified", err=True, nl=done >= total)


def show_items_left(left: int) -> None:
    """Print how many items a sync must still send. Each call overwrites the same line."""
    click.echo(f"\r{left} items left to send", err=True, nl=left == 0)


def stop_on_signals() -> threading.Event:
    """Return an event that is set when Ctrl-C, SIGTERM or SIGHUP arrives."""
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda _signal, _frame: stop.set())
    return stop
