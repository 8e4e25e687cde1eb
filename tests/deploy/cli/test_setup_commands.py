"""A new desk's passphrase goes to a terminal only, unless someone asks for another output."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.settings.load_settings import load_config
from protocol.letterhead import Letterhead
from source_app.config import SourceConfig
from store import letterheads
from store.database.engine import open_store
from tests.deploy.cli.test_keys_commands import prints_the_sheet
from tests.deploy.person_at_terminal import at_terminal
from tests.deploy.two_machines import Machine
from web.languages import read_language

_ROOT = Path(__file__).parents[3]
_TRIAL = {code: read_language(code).trial for code in ("nl", "en")}
_SHOWN = re.compile(r"(?m)^    [a-z]+(?: [a-z]+){6,7}\r?$")


def _in_terminal(words: Sequence[str | Path]) -> str:
    """Run a program with a terminal as its output. Return what the terminal shows."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=_ROOT
    ) as program:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the program has closed the terminal
            while piece := os.read(ours, 4096):
                shown += piece
    os.close(ours)
    assert 0 == program.returncode, shown
    return shown.decode()


def _desk_name(settings: Path) -> dict[str, str]:
    store = open_store(load_config(settings, "source", SourceConfig).store_path)
    with store.reading() as session:
        newest = letterheads.latest(session)
    store.close()
    assert newest is not None
    return Letterhead.from_bytes(newest[1]).desk_name


def test_without_a_terminal_no_desk_is_made_and_the_sentence_says_how(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "var" / "config.toml", "")

    sentence = machine.is_told("setup")

    assert sentence.startswith("No desk was made")
    assert all(way in sentence for way in ("terminal", "--print-passphrase", "--trial"))
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_in_a_terminal_the_passphrase_is_shown_once_and_the_second_set_up_says_that_it_did_nothing(
    tmp_path: Path,
) -> None:
    settings = tmp_path / "var" / "config.toml"
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", settings, "setup"]

    first, second = _in_terminal(command), _in_terminal(command)

    assert 1 == len(_SHOWN.findall(first))
    assert f"The desk is set up in {settings.parent}." not in first
    assert all(f"The desk in {settings.parent} is not complete" in each for each in (first, second))
    assert [] == _SHOWN.findall(second)
    assert "Nothing was changed: " in second
    assert not _desk_name(settings)["en"].startswith(_TRIAL["en"])


@pytest.mark.slow
@pytest.mark.parametrize(("option", "is_trial"), [("--print-passphrase", False), ("--trial", True)])
def test_whoever_asks_for_it_gets_the_passphrase_in_a_pipe(
    tmp_path: Path, option: str, *, is_trial: bool
) -> None:
    machine = Machine(tmp_path / "var" / "config.toml", "")

    said = machine.does("setup", option)

    assert 1 == len(_SHOWN.findall(said))
    name = _desk_name(machine.settings)
    assert (is_trial, is_trial) == tuple(name[code].startswith(_TRIAL[code]) for code in ("nl", "en"))


def test_make_run_makes_a_trial_desk_without_a_recovery_sheet() -> None:
    recipe = subprocess.run(
        ["make", "-n", "--no-print-directory", "run"], capture_output=True, text=True, cwd=_ROOT, check=True
    ).stdout.splitlines()[-2:]

    assert [
        "test -e var/config.toml || .venv/bin/steunpunt setup --trial",
        "exec .venv/bin/steunpunt run",
    ] == recipe


@pytest.mark.slow
def test_set_up_ends_with_the_sheet_and_is_not_done_before_a_word_was_typed_back(tmp_path: Path) -> None:
    settings = tmp_path / "var" / "config.toml"
    with at_terminal(settings, "setup") as person:
        passphrase = person.sees(r"\n    ([a-z]+(?: [a-z]+){6,7})\n")[1]
        person.answers("Name of the safe", "Kluis 3")
        person.sees(r"Word \d+ on the printed sheet: ")
        assert "is set up" not in person.seen
        person.interrupts()
        person.sees("Error: The command was stopped")
    assert "is not complete" in Machine(settings, "").does("setup")

    machine = Machine(settings, "")
    with at_terminal(settings, "keys", "add", "--sheet", "--holder", "Kluis 3") as person:
        person.answers("Passphrase: ", passphrase)
        words = prints_the_sheet(person)
        person.ends()

    assert "is not complete" not in machine.does("setup")
    for secret in (passphrase, words):
        assert "Kluis 3" in machine.types("keys", "list", passphrase=secret).output


@pytest.mark.slow
def test_set_up_in_one_go_says_at_its_end_that_the_desk_is_set_up(tmp_path: Path) -> None:
    settings = tmp_path / "var" / "config.toml"
    with at_terminal(settings, "setup") as person:
        person.answers("Name of the safe", "Kluis 3")
        prints_the_sheet(person)
        said = person.ends()
    assert f"The desk is set up in {settings.parent}." in said
