import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from deploy.cli.main import main

PACKAGES = Path(__file__).parents[3] / "deploy" / "debian"
SYSTEM = PACKAGES / "server/usr/lib/systemd/system"
SERVICES = sorted(SYSTEM.glob("steunpunt-*.service"))
USER = PACKAGES / "workstation/usr/lib/systemd/user"
COMMANDS = [
    line
    for path in sorted(PACKAGES.rglob("*.service"))
    for line in re.findall(r"(?m)^ExecStart(?:Pre)?=-?(.*steunpunt .*)$", path.read_text("utf-8"))
]
MOST_EXPOSED = "15"  # tenths: systemd gives a unit without any protection 9.6
# bubblewrap needs namespaces, so the adviser's interface is more exposed (ADR 32).
MOST_EXPOSED_OF_USER = {"steunpunt-adviser": "46", "steunpunt-sweep": "32"}
NO_CAPABILITY = "[Service]\nUser=adviser\nCapabilityBoundingSet=\n"


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_each_system_unit_is_exposed_to_little(unit: Path) -> None:
    name = unit.name.replace("@", "@any")
    words = ["--offline=true", f"--root={PACKAGES / 'server'}", f"--threshold={MOST_EXPOSED}", "--no-pager"]

    said = subprocess.run(
        ["systemd-analyze", "security", *words, name], capture_output=True, text=True, check=False
    )

    assert said.returncode == 0, said.stdout[-200:] + said.stderr


@pytest.mark.parametrize("unit", MOST_EXPOSED_OF_USER)
def test_each_user_unit_is_exposed_to_no_more_than_adr_32_says(unit: str, tmp_path: Path) -> None:
    """systemd rates each file as a unit of root. So the copy says that the adviser is not root."""
    copy = tmp_path / f"{unit}.service"
    text = (USER / copy.name).read_text("utf-8")
    copy.write_text(text.replace("[Service]\n", NO_CAPABILITY), "utf-8")
    words = ["--offline=true", f"--threshold={MOST_EXPOSED_OF_USER[unit]}", "--no-pager", copy]

    said = subprocess.run(
        ["systemd-analyze", "security", *words], capture_output=True, text=True, check=False
    )

    assert said.returncode == 0, said.stdout[-200:] + said.stderr


def test_the_unit_of_the_adviser_does_not_forbid_what_bubblewrap_needs() -> None:
    """With RestrictSUIDSGID, systemd forbids openat2(). Bubblewrap 0.12 of Debian 13 needs this call."""
    assert "RestrictSUIDSGID=" not in (USER / "steunpunt-adviser.service").read_text("utf-8")


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
    assert len(COMMANDS) == 10
