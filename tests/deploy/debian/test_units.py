import shlex
import subprocess
from pathlib import Path

import click
import pytest

from deploy.cli.main import main

PACKAGES = Path(__file__).parents[3] / "deploy" / "debian"
SYSTEM = PACKAGES / "server/usr/lib/systemd/system"
SERVICES = sorted(SYSTEM.glob("steunpunt-*.service"))
COMMANDS = [
    line.partition("=")[2]
    for path in sorted(PACKAGES.rglob("*.service"))
    for line in path.read_text("utf-8").splitlines()
    if line.startswith("ExecStart=")
]
MOST_EXPOSED = "15"  # tenths: systemd gives a unit without any protection 9.6


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_each_system_unit_is_exposed_to_little(unit: Path) -> None:
    name = unit.name.replace("@", "@any")
    words = ["--offline=true", f"--root={PACKAGES / 'server'}", f"--threshold={MOST_EXPOSED}", "--no-pager"]

    said = subprocess.run(
        ["systemd-analyze", "security", *words, name], capture_output=True, text=True, check=False
    )

    assert said.returncode == 0, said.stdout[-200:] + said.stderr


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_each_system_unit_has_limits_and_tells_the_operator_of_a_failure(unit: Path) -> None:
    text = unit.read_text("utf-8")

    assert "\nMemoryMax=" in text
    assert "\nTasksMax=" in text
    if "Type=notify" in text:
        assert "\nWatchdogSec=" in text
        assert "\nRestart=on-failure" in text
    if unit.name not in {"steunpunt-check.service", "steunpunt-failure@.service"}:  # they call the command
        assert "\nOnFailure=steunpunt-failure@%N.service\n" in text


@pytest.mark.parametrize("words", COMMANDS)
def test_each_unit_starts_a_command_that_exists(words: str) -> None:
    command: click.Command = main
    for word in shlex.split(words)[1:]:
        if word.startswith("--"):
            assert any(word in parameter.opts for parameter in command.params), word
        elif isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
    assert not isinstance(command, click.Group)


def test_units_were_found() -> None:
    assert len(SERVICES) == 7
    assert len(COMMANDS) == 9
