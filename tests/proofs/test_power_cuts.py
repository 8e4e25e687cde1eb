"""A power cut at any moment loses nothing that was acknowledged, and brings back nothing that was deleted.

Scenarios run under strace, which records all their writes. Then the disk is rebuilt as each power cut may
leave it, and opened with the real code. `powercuts/disk_model.py` says what a power cut may do to the disk.
"""

import os
from pathlib import Path

import pytest

from tests.proofs.powercuts.all_scenarios import SCENARIOS
from tests.proofs.powercuts.record import record
from tests.proofs.powercuts.replay import replay
from tests.proofs.proof_sizes import IS_WHOLE, print_result

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]  # pairing looks whether a port is free

_SMALL = {"posting": 20, "answering": 12, "deleting": 20, "carrying": 8, "changing keys": 20}
_CUTS = {
    "posting": 900,
    "uploading": 600,
    "answering": 600,
    "deleting": 900,
    "syncing": 700,
    "carrying": 500,
    "setting up": 200,
    "changing keys": 300,
    "pairing": 700,
    "admitting to an onion": 30,
    "upgrading": 200,
}
_CONTROL_CUTS = 200 if IS_WHOLE else 16


@pytest.mark.parametrize("name", SCENARIOS if IS_WHOLE else _SMALL)
def test_a_power_cut_loses_nothing_and_brings_nothing_back(name: str, tmp_path: Path) -> None:
    if name == "carrying" and os.geteuid() != 0:
        pytest.skip("only root can trace a program that protects its memory")
    cuts = (_CUTS if IS_WHOLE else _SMALL)[name]

    recording = record(name, tmp_path)
    found = replay(SCENARIOS[name](tmp_path), recording, cuts=cuts, seed=cuts)

    print_result(f"power cuts while {name}: {found.cuts}, of which {len(found.losses)} lost something")
    assert found.losses == []
    assert found.cuts > cuts * 0.8


@pytest.mark.parametrize(
    ("name", "weakness", "least_share"),
    [
        ("posting", "OFF", 0.8),  # PRAGMA synchronous
        ("posting", "NORMAL", 0.7),
        ("answering", "no folder sync", 0.2),
    ],
)
def test_the_replay_finds_the_losses_of_a_weaker_program(
    name: str, weakness: str, least_share: float, tmp_path: Path
) -> None:
    recording = record(name, tmp_path, weakness)
    found = replay(SCENARIOS[name](tmp_path), recording, cuts=_CONTROL_CUTS, seed=1)

    print_result(f"{name} with {weakness}: {len(found.losses)} of {found.cuts} power cuts lost something")
    assert len(found.losses) > (found.cuts * least_share if IS_WHOLE else 0)
