"""`steunpunt report`: its question, its files and their modes."""

import subprocess
import sys
from pathlib import Path

import pytest

from web.languages import known_languages

pytestmark = pytest.mark.slow


def _run(settings: Path, *words: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "deploy.cli.main", "--settings", settings, *words]
    return subprocess.run(argv, input=typed, capture_output=True, text=True, encoding="utf-8", check=False)


def _passphrase(said: str) -> str:
    return next(line.strip() for line in said.splitlines() if line.startswith("    ")).strip()


def test_the_command_writes_both_versions_for_its_user_alone(tmp_path: Path) -> None:
    settings, folder = tmp_path / "var" / "config.toml", tmp_path / "files"
    passphrase = _passphrase(_run(settings, "setup", "--trial").stdout)

    refused = _run(settings, "report", "make", "2025", "--folder", folder, typed="wrong\n")
    assert (1, False) == (refused.returncode, folder.exists())
    assert "The passphrase does not fit" in refused.stderr

    made = _run(settings, "report", "make", "2025", "--folder", folder, typed=f"{passphrase}\n")
    assert 0 == made.returncode, made.stderr
    assert "There is nothing in this year." in made.stdout
    assert "Give a draft to no one" in made.stdout
    assert " ..." not in made.stderr  # no one looks at a terminal
    assert passphrase not in made.stdout + made.stderr
    names = {
        f"2025-{audience}-{language}-draft.{kind}"
        for audience in ("public", "sg")
        for language in known_languages()
        for kind in ("html", "pdf", "csv")
    }
    assert names == {file.name for file in folder.iterdir()}
    assert {0o600} == {file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert 0o700 == folder.stat().st_mode & 0o777

    blocked = _run(
        settings, "report", "make", "2025", "--folder", settings / "below", typed=f"{passphrase}\n"
    )
    assert (1, True) == (blocked.returncode, "in which this user can write" in blocked.stderr)
