import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

# Alembic takes 8 MiB and belongs to set-up, segno to the command that writes a QR code.
HEAVY = ("alembic", "mako", "segno", "stem", "pip", "setuptools", "requests", "pytest", "hypothesis")
NEVER_IN_THE_SOURCES = (
    "protocol.keyring",
    "protocol.trusted_state",
    "journalist_app",
    "deploy.setup",
    "deploy.serving.serve_adviser",
)


def _imported_by(module: str) -> set[str]:
    program = f"import sys, {module}; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(said.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "deploy.serving.serve_source",
        "deploy.serving.serve_adviser",
        "deploy.serving.serve_sync",
        "deploy.sweeping.server_cleanup",
        "deploy.serving.supervisor",
        "deploy.checking.unsafe_states",
    ],
)
def test_no_process_imports_modules_that_it_does_not_need(module: str) -> None:
    assert _imported_by(module) & set(HEAVY) == set()


@pytest.mark.parametrize(
    "module",
    [
        "deploy.serving.serve_source",
        "deploy.serving.serve_sync",
        "deploy.sweeping.server_cleanup",
        "deploy.syncing.pending_at_server",
        "deploy.checking.unsafe_states",
    ],
)
def test_no_process_of_a_server_holds_code_for_the_desks_secrets(module: str) -> None:
    assert _imported_by(module) & set(NEVER_IN_THE_SOURCES) == set()


def test_the_advisers_process_imports_no_part_of_the_source_app() -> None:
    assert (
        _imported_by("deploy.serving.serve_adviser") & {"source_app", "deploy.serving.serve_source"} == set()
    )
