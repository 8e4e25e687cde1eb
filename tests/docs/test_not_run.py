import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.code_lines import ROOT

_SKIPS = """
import pytest

@pytest.mark.skip(reason="only root may do this")
def test_of_root(): ...
"""


def _run(words: list[str | Path], **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "CI" and "PYTEST" not in name}
    environment = {**kept, **variables}
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_test_that_cannot_run_is_named_with_its_reason(tmp_path: Path) -> None:
    skips, file = tmp_path / "test_skips.py", tmp_path / "not-run"
    skips.write_text(_SKIPS, "utf-8")

    done = _run([sys.executable, "-m", "pytest", "-p", "tests.conftest", skips], STEUNPUNT_NOT_RUN=str(file))

    assert done.returncode == 0, done.stdout + done.stderr
    assert file.read_text("utf-8").endswith("test_skips.py::test_of_root: only root may do this\n")


@pytest.mark.parametrize(("variables", "status"), [({}, 0), ({"CI": "true"}, 2)], ids=["here", "in-ci"])
def test_only_in_ci_a_test_that_could_not_run_is_a_failure(
    tmp_path: Path, variables: dict[str, str], status: int
) -> None:
    file = tmp_path / "not-run"
    file.write_text("test_of_root: only root may do this\n", "utf-8")

    done = _run(["make", "--no-print-directory", "say-what-passed", *_files(tmp_path)], **variables)

    assert done.returncode == status
    assert "only root may do this" in done.stdout
    assert "Everything passed." not in done.stdout


def test_if_every_test_ran_make_says_so(tmp_path: Path) -> None:
    done = _run(["make", "--no-print-directory", "say-what-passed", *_files(tmp_path)], CI="true")

    assert (done.returncode, done.stdout) == (0, "Everything passed.\n")


def test_the_packages_of_the_tests_are_those_that_make_installs() -> None:
    script = (ROOT / "deploy" / "system-packages.sh").read_text("utf-8")
    needs = tomllib.loads((ROOT / "tests" / "missing_packages.toml").read_text("utf-8"))

    assert set(re.findall(r"(?m)^ *needs (\S+)", script)) == set(needs)
    for pattern in {pattern for patterns in needs.values() for pattern in patterns}:
        assert (ROOT / pattern.partition("::")[0].partition("*")[0]).exists(), pattern


@pytest.mark.parametrize(
    ("variables", "status"),
    [({}, 1), ({"STEUNPUNT_MISSING": "missing"}, 0), ({"STEUNPUNT_MISSING": "missing", "CI": "true"}, 1)],
    ids=["make-prove", "make-test", "make-test-in-ci"],
)
def test_make_test_goes_on_without_packages_that_cannot_be_installed(
    tmp_path: Path, variables: dict[str, str], status: int
) -> None:
    """With this PATH, there is no apt-get and no program of a package."""
    for name in ("sh", "id", "sed", "head", "tr", "grep", "find"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    words = ["/bin/sh", str(ROOT / "deploy" / "system-packages.sh"), "test"]
    environment = {"PATH": str(tmp_path), **variables}

    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == status, done.stderr
    assert "age: without it, no test uses the real age program." in done.stdout
    if status == 0:
        assert {"gnupg", "age", "tor"} <= set((tmp_path / "missing").read_text("utf-8").split())


def test_a_test_whose_package_is_missing_is_named_and_does_not_fail(tmp_path: Path) -> None:
    (tmp_path / "missing").write_text("minisign\n", "utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/crypto/test_minisign.py"]

    done = _run(
        words, STEUNPUNT_MISSING=str(tmp_path / "missing"), STEUNPUNT_NOT_RUN=str(tmp_path / "not-run")
    )

    assert done.returncode == 0, done.stdout
    assert "the Debian package minisign is missing" in (tmp_path / "not-run").read_text("utf-8")


@pytest.mark.parametrize(
    ("said", "ends_with", "is_audited"),
    [
        ("No known vulnerabilities found", 0, True),
        ("Dependency 'x' not found on the index and could not be audited: x", 0, False),
        ("ConnectionError", 1, False),
    ],
    ids=["audited", "unknown-to-the-source", "no-source"],
)
def test_the_last_lines_say_if_the_dependencies_were_not_audited(
    tmp_path: Path, said: str, ends_with: int, *, is_audited: bool
) -> None:
    pip_audit, file = tmp_path / "pip-audit", tmp_path / "not-audited"
    pip_audit.write_text(f'#!/bin/sh\necho "{said}"\nexit {ends_with}\n', "utf-8")
    pip_audit.chmod(0o755)

    done = _run([ROOT / "deploy" / "audit.sh", pip_audit, "pinned.txt"], STEUNPUNT_NOT_AUDITED=str(file))
    last = _run(["make", "--no-print-directory", "say-what-passed", *_files(tmp_path)], CI="true")

    assert done.returncode == 0, done.stderr
    assert is_audited is not file.exists()
    assert is_audited is (last.stdout == "Everything passed.\n")
    assert is_audited is not last.stdout.startswith("NOT AUDITED: ")


def test_a_known_advisory_is_a_failure(tmp_path: Path) -> None:
    pip_audit = tmp_path / "pip-audit"
    pip_audit.write_text("#!/bin/sh\necho Found 1 known vulnerability\nexit 1\n", "utf-8")
    pip_audit.chmod(0o755)

    assert _run([ROOT / "deploy" / "audit.sh", pip_audit, "pinned.txt"]).returncode == 1


def _files(folder: Path) -> list[str]:
    """Return the words that tell `make` where its notes are."""
    return [f"NOT_RUN={folder / 'not-run'}", f"NOT_AUDITED={folder / 'not-audited'}"]
