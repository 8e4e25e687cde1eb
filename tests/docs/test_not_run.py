import os
import subprocess
import sys
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

    done = _run(["make", "--no-print-directory", "say-what-passed", f"NOT_RUN={file}"], **variables)

    assert done.returncode == status
    assert "only root may do this" in done.stdout
    assert "Everything passed." not in done.stdout


def test_if_every_test_ran_make_says_so(tmp_path: Path) -> None:
    done = _run(
        ["make", "--no-print-directory", "say-what-passed", f"NOT_RUN={tmp_path / 'not-run'}"], CI="true"
    )

    assert (done.returncode, done.stdout) == (0, "Everything passed.\n")
