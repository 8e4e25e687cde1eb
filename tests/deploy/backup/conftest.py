from pathlib import Path

import pytest

from tests.deploy.backup.backups import BackedUpDesk, a_backed_up_desk


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> BackedUpDesk:
    """Make one desk, which each test copies."""
    return a_backed_up_desk(tmp_path_factory.mktemp("made") / "desk")


@pytest.fixture
def desk(made: BackedUpDesk, tmp_path: Path) -> BackedUpDesk:
    return BackedUpDesk(made.desk.copied(tmp_path / "desk"))
