from pathlib import Path

import pytest

from tests.deploy.two_machines import TwoMachineDesk, a_desk


@pytest.fixture(scope="session")
def made_desk(tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    """Make one desk with a server and a workstation, which each test copies."""
    made = a_desk(tmp_path_factory.mktemp("made") / "desk")
    made.pair_first()
    return made


@pytest.fixture
def desk(made_desk: TwoMachineDesk, tmp_path: Path) -> TwoMachineDesk:
    return made_desk.copied(tmp_path / "desk")
