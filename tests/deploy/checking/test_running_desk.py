"""`steunpunt check` on a running desk: its parts and its site are found to be in order."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import desk_servers
from deploy.exit_codes import ExitCode
from deploy.settings.settings_text import with_key
from tests.deploy.servers import ROOT

pytestmark = pytest.mark.slow
_COMMAND = [sys.executable, "-m", "deploy.cli.main"]


def _check(settings: Path) -> dict[tuple[str, str], str]:
    """Return the level of each result, by its check and its sentence."""
    words = [*_COMMAND, "--settings", settings, "check", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    found = json.loads(done.stdout)
    levels = {(each["check"], each["state"]): each["level"] for each in found["results"]}
    assert found["is_in_order"] is not bool({"fault", "unknown"} & set(levels.values()))
    assert done.returncode == (0 if found["is_in_order"] else ExitCode.FAULTS_FOUND)
    return levels


def test_on_a_running_desk_only_what_the_test_cannot_have_is_not_in_order(tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    with desk_servers.serve_all(desk):
        levels = _check(desk.settings)

    wrong = {check for (check, _), level in levels.items() if level not in {"ok", "warning"}}
    # The tests may run as root, their machine decides about swap and the journal, and the desk has no backup.
    assert wrong <= {"backup", "swap", "journal", *(["root"] if os.geteuid() == 0 else [])}
    assert levels["running", "The sweeper runs."] == "ok"
    assert [level for (check, _), level in levels.items() if check in {"site", "core_dumps"}] == ["ok", "ok"]


def test_watch_answers_on_the_health_socket_and_calls_the_command_of_the_operator(tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    command = tmp_path / "tell"
    command.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    command.chmod(0o755)
    text = desk.settings.read_text("utf-8")
    desk.settings.write_text(with_key(text, "check", "failure_command", str(command)), "utf-8")
    with subprocess.Popen(
        [*_COMMAND, "--settings", desk.settings, "check", "--watch"], cwd=ROOT, stdout=subprocess.PIPE
    ) as watching:
        while not (tmp_path / "called").exists() and watching.poll() is None:
            time.sleep(0.05)
        watching.terminate()
        said = watching.stdout.read().decode() if watching.stdout else ""

    assert 0 == watching.returncode
    assert re.search("(?m)^fault: The sweeper does not run", said)
