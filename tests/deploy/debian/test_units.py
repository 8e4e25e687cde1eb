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
USER_SERVICES = sorted(USER.glob("*.service"))
COMMANDS = [
    line
    for path in sorted(PACKAGES.rglob("*.service"))
    for line in re.findall(r"(?m)^ExecStart(?:Pre)?=-?(.*steunpunt .*)$", path.read_text("utf-8"))
]
SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600, "d": 86_400}
STOP_SECONDS = 90  # systemd-system.conf(5): DefaultTimeoutStopSec
MOST_EXPOSED = "15"  # tenths: systemd gives a unit without any protection 9.6
# bubblewrap needs namespaces, so the adviser's interface is more exposed (ADR 32).
MOST_EXPOSED_OF_USER = {
    "steunpunt-adviser": "46",
    "steunpunt-sweep": MOST_EXPOSED,
    "steunpunt-failure@": MOST_EXPOSED,
}
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
    copy = tmp_path / f"{unit.replace('@', '@any')}.service"
    text = (USER / f"{unit}.service").read_text("utf-8")
    copy.write_text(text.replace("[Service]\n", NO_CAPABILITY), "utf-8")
    words = ["--offline=true", f"--threshold={MOST_EXPOSED_OF_USER[unit]}", "--no-pager", copy]

    said = subprocess.run(
        ["systemd-analyze", "security", *words], capture_output=True, text=True, check=False
    )

    assert said.returncode == 0, said.stdout[-200:] + said.stderr


def test_the_unit_of_the_adviser_does_not_forbid_what_bubblewrap_needs() -> None:
    """With RestrictSUIDSGID, systemd forbids openat2(). Bubblewrap 0.12 of Debian 13 needs this call."""
    assert "RestrictSUIDSGID=" not in (USER / "steunpunt-adviser.service").read_text("utf-8")


@pytest.mark.parametrize(
    "unit", [*SERVICES, *USER_SERVICES], ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_each_unit_has_limits_and_tells_the_operator_of_a_failure(unit: Path) -> None:
    text = unit.read_text("utf-8")

    assert "\nMemoryMax=" in text
    assert "\nTasksMax=" in text
    if unit.name == "steunpunt-failure@.service":  # this unit calls the operator's command
        assert _seconds(text, "TimeoutStartSec")
        return
    assert "\nOnFailure=steunpunt-failure@%N.service\n" in text
    if "Type=notify" not in text:
        assert _seconds(text, "TimeoutStartSec")  # without this line, systemd would wait forever
        return
    assert "\nRestart=on-failure\n" in text
    assert "\nRestartMode=direct\n" in text  # or systemd 254 would tell the operator of each new start
    # A program that hangs after each start must fail in the end. Otherwise systemd would start it forever.
    one_start = _seconds(text, "WatchdogSec") + (_seconds(text, "TimeoutStopSec") or STOP_SECONDS)
    all_starts = int(_value(text, "StartLimitBurst")) * (one_start + _seconds(text, "RestartSec"))
    assert all_starts < _seconds(text, "StartLimitIntervalSec")


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
    assert len(SERVICES) == 8
    assert len(USER_SERVICES) == 3
    assert len(COMMANDS) == 12


def _value(unit: str, name: str) -> str:
    found = re.search(rf"(?m)^{name}=(.*)$", unit)
    return found[1] if found else ""


def _seconds(unit: str, name: str) -> int:
    found = re.fullmatch(r"(\d+)([a-z]*)", _value(unit, name))
    return int(found[1]) * SECONDS[found[2]] if found else 0
