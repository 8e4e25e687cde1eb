"""A command takes every value that a person types, or refuses the command."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli.main import main
from deploy.exit_codes import ExitCode


@pytest.mark.parametrize(
    "line",
    [
        "check --settings b.toml",
        "keys add --holder Anna --holder Bas",
        "keys add --holder Anna --holder=Anna",
        "keys add --sheet --sheet --holder Anna",
        "report make 2026 --folder a --folder b",
    ],
)
def test_an_option_that_occurs_twice_is_refused_and_nothing_is_made(tmp_path: Path, line: str) -> None:
    """Fault: of two holders, only the last got a passphrase, and no one was told."""
    result = CliRunner().invoke(main, ["--settings", str(tmp_path / "config.toml"), *line.split()])

    assert ExitCode.MISTYPED == result.exit_code
    assert "occurs twice." in result.stderr
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "line", ["onion backup file --to age1a --to age1b", "pouch import -- --settings", "keys add"]
)
def test_an_option_that_may_be_repeated_and_a_name_like_an_option_are_taken(
    tmp_path: Path, line: str
) -> None:
    result = CliRunner().invoke(main, ["--settings", str(tmp_path / "config.toml"), *line.split()])

    assert "occurs twice." not in result.stderr
