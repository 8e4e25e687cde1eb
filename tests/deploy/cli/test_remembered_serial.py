"""Commands that remember the letterhead's serial write a file that only the user can read."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.two_machines import TwoMachineDesk, a_desk


@pytest.fixture
def desk(tmp_path: Path) -> TwoMachineDesk:
    return a_desk(tmp_path)


@pytest.fixture
def _open_umask() -> Iterator[None]:
    """Give the process the umask of most shells, under which new files are readable by everyone."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_open_umask")
@pytest.mark.parametrize("words", [("keys", "fingerprint"), ("store", "letterhead")])
def test_the_remembered_serial_is_for_its_user_alone(
    desk: TwoMachineDesk, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = desk.first.settings.parent
    monkeypatch.chdir(folder)
    serial = folder / "letterhead-serial"
    serial.unlink(missing_ok=True)

    desk.first.does(*words)

    assert serial.stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}
