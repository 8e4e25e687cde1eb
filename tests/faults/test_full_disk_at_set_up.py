"""A disk that is full at any moment of a set-up: one sentence, and nothing half made."""

from pathlib import Path

import pytest

from deploy.setup import KEYRING
from tests.deploy.two_machines import Machine, TwoMachineDesk, a_desk
from tests.small_disk import CAN_MOUNT, a_small_disk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CAN_MOUNT, reason="only root may mount a disk; tests/deploy/test_atomic_folder.py"
    ),
]

_SIZES = ("4k", "8k", "16k", "64k", "128k", "256k")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    made = a_desk(tmp_path_factory.mktemp("made") / "desk")
    made.pair_first()
    made.card()
    made.copy_of_keyring()
    return made


def _asserts_nothing_half_made(folder: Path, machine: Machine, words: list[str | Path]) -> None:
    said = machine.is_told(*words)

    assert "\n" not in said
    assert "full" in said or "cannot be made" in said
    assert [] == list(folder.rglob("*"))


@pytest.mark.parametrize("size", _SIZES)
def test_a_server_is_made_completely_or_not_at_all(desk: TwoMachineDesk, size: str) -> None:
    with a_small_disk(size) as folder:
        words: list[str | Path] = ["server", "setup", desk.keyring.fingerprint]
        _asserts_nothing_half_made(folder, Machine(folder / "var" / "config.toml", ""), words)


@pytest.mark.parametrize("size", ["8k", "256k"])
def test_a_desk_is_made_completely_or_not_at_all(size: str) -> None:
    with a_small_disk(size) as folder:
        machine = Machine(folder / "var" / "config.toml", "")
        _asserts_nothing_half_made(folder, machine, ["setup", "--trial"])


@pytest.mark.parametrize("size", _SIZES)
def test_a_second_workstation_is_made_completely_or_not_at_all(desk: TwoMachineDesk, size: str) -> None:
    words: list[str | Path] = [
        "workstation",
        "pair",
        desk.folder / "card",
        "--server",
        "file",
        "--name",
        "Werkstation 2",
    ]
    words += ["--keyring", desk.folder / "copy.age", "--fingerprint", desk.keyring.fingerprint]
    with a_small_disk(size) as folder:
        out = ["--out", desk.folder / "second.pairing"]
        _asserts_nothing_half_made(folder, Machine(folder / "var" / "config.toml", ""), [*words, *out])


def test_with_room_again_the_same_command_makes_the_server(desk: TwoMachineDesk) -> None:
    with a_small_disk("4m") as folder:
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(4_100_000))
        machine = Machine(folder / "var" / "config.toml", "")
        machine.is_told("server", "setup", desk.keyring.fingerprint)

        ballast.unlink()

        assert "The server is set up" in machine.does("server", "setup", desk.keyring.fingerprint)
        assert not (machine.settings.parent / KEYRING).exists()
