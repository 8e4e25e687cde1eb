"""Desk of the tests of checks: made once for each file, and copied for each test."""

from pathlib import Path

import pytest

from tests.deploy.checking.machines import a_safe_machine
from tests.deploy.two_machines import Machine, TwoMachineDesk, a_desk


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    return a_desk(tmp_path_factory.mktemp("made") / "desk")


@pytest.fixture
def desk(made: TwoMachineDesk, tmp_path: Path) -> Machine:
    """Return one machine with both interfaces, in a safe state."""
    return a_safe_machine(made, tmp_path / "desk")
