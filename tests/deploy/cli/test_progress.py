"""Progress of commands, on a terminal only."""

import threading
from collections.abc import Iterator

import click
import pytest

from deploy.cli import terminal
from deploy.cli.main import main


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator["_Shown"]:
    """The lines that a person sees, with a counter that does not wait a second for each number."""
    screen = _Shown()
    monkeypatch.setattr(terminal, "_is_watched", lambda: True)
    monkeypatch.setattr(terminal, "_EACH", 0.001)
    monkeypatch.setattr(click, "echo", screen.echo)
    with click.Context(main) as context:
        context.call_on_close(terminal.end_step)
        yield screen


class _Shown:
    def __init__(self) -> None:
        self.text = ""
        self._more = threading.Condition()

    def echo(self, line: str, *, err: bool, nl: bool) -> None:
        assert err
        with self._more:
            self.text += line + "\n" * nl
            self._more.notify_all()

    def waits_for(self, part: str) -> None:
        with self._more:
            assert self._more.wait_for(lambda: part in self.text, 60), self.text


def test_a_step_of_unknown_length_shows_that_time_passes(shown: _Shown) -> None:
    terminal.show_step("Copying the store")

    shown.waits_for("\r2 s\x1b[K\r")
    assert shown.text.startswith("Copying the store ...\n\r1 s\x1b[K\r")


def test_a_sync_shows_time_and_what_is_left(shown: _Shown) -> None:
    terminal.show_items_left(40)

    shown.waits_for("\r40 items left to send, 1 s\x1b[K\r")


def test_time_passes_after_a_full_bar_until_the_command_ends(shown: _Shown) -> None:
    terminal.show_copied(1, 2)
    assert not _counters()
    terminal.show_copied(2, 2)

    shown.waits_for("\r1 s\x1b[K\r")


def test_no_counter_writes_into_a_question(shown: _Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    def question(_text: str, **_how: bool) -> str:
        assert not _counters()
        return "words"

    monkeypatch.setattr(click, "prompt", question)
    terminal.show_step("Opening the keyring")
    shown.waits_for("1 s")

    assert "words" == terminal.ask_secret("Passphrase")


def test_no_counter_stays_after_a_command(shown: _Shown) -> None:
    with click.Context(main, parent=click.get_current_context()):
        terminal.show_step("Copying the store")
        shown.waits_for("1 s")
    terminal.end_step()

    assert not _counters()
    assert shown.text.endswith("\x1b[K")


def test_a_log_gets_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(main):
        terminal.show_step("Copying the store")
        terminal.show_items_left(3)
        terminal.show_verified(1, 2)

    assert ("", "") == capsys.readouterr()
    assert not _counters()


def _counters() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if isinstance(each, terminal._Seconds)]
