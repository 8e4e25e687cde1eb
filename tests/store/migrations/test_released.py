"""No migration of a released version changes: a store in use went through the migration as it was.

The release step of CONTRIBUTING.md adds the digests of all migrations to `released.txt`.
"""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.code_lines import ROOT

VERSIONS = ROOT / "store" / "migrations" / "versions"
RELEASED = Path(__file__).with_name("released.txt")


def released(digests: str) -> list[tuple[str, str, str]]:
    """Return release, digest and file name of each line."""
    return [(release, digest, name) for release, digest, name in map(str.split, digests.splitlines())]


def changed_since_release(digests: str, folder: Path) -> list[str]:
    present = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.iterdir()
        if file.is_file()
    }
    return [f"{release} {name}" for release, digest, name in released(digests) if present.get(name) != digest]


def not_recorded(digests: str, changelog: str, tags: str) -> set[str]:
    """Return the releases without digests. A shallow clone has no tags, so the changelog counts too."""
    named = re.findall(r"(?m)^(?:## |v)(\d+\.\d+\.\d+)\b", f"{changelog}\n{tags}")
    return set(named) - {release for release, _, _ in released(digests)}


def test_no_migration_of_a_release_has_changed() -> None:
    assert [] == changed_since_release(RELEASED.read_text("ascii"), VERSIONS)


def test_every_release_has_recorded_its_migrations() -> None:
    tags = subprocess.run(["git", "tag"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert set() == not_recorded(RELEASED.read_text("ascii"), changelog, tags)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(VERSIONS, tmp_path / "versions", ignore=shutil.ignore_patterns("__*")))


def record(folder: Path, release: str) -> str:
    """Return what the release step of CONTRIBUTING.md adds, by its own command."""
    (step,) = re.findall(r"(?m)^ *(\(cd store/migrations.*)$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    command = step.replace("store/migrations/versions", str(folder)).replace("0.1.0", release)
    command = command.partition(">>")[0]
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout


def test_a_released_migration_that_changes_or_disappears_is_named(folder: Path) -> None:
    digests = record(folder, "0.7.0")
    assert [] == changed_since_release(digests, folder)
    assert {file.name for file in folder.iterdir() if file.is_file()} == {
        name for _, _, name in released(digests)
    }

    (folder / "v0002_later.py").write_text("a migration that is not released yet may change")
    assert [] == changed_since_release(digests, folder)

    with (folder / "v0001_baseline.py").open("a") as file:
        file.write("\n")
    (folder / "tables_0001.sql").unlink()
    assert ["0.7.0 v0001_baseline.py", "0.7.0 tables_0001.sql"] == changed_since_release(digests, folder)


def test_a_release_without_digests_is_named(folder: Path) -> None:
    digests = record(folder, "0.7.0")
    changelog = "# Changes\n\n## Unreleased\n\n## 0.7.0\n"

    assert set() == not_recorded(digests, changelog, "v0.7.0\n")
    assert {"0.8.0"} == not_recorded(digests, "## 0.8.0, 2027-01-01\n" + changelog, "")
    assert {"0.9.0"} == not_recorded(digests, changelog, "v0.7.0\nv0.9.0\n")
