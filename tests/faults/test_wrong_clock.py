"""A machine whose clock is a year off: no program starts, nothing is deleted, and a sync loses nothing."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.exit_codes import ExitCode
from deploy.noted_days import REWRITTEN, note_day
from deploy.setup import STORE
from tests.deploy.servers import ROOT
from tests.deploy.two_machines import Machine, TwoMachineDesk, a_desk, texts_held
from web.dates import utc_today

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]

SHIFTS = {"+365d": utc_today() + timedelta(365), "-365d": utc_today() - timedelta(365)}


@pytest.fixture
def desk(tmp_path: Path) -> TwoMachineDesk:
    made = a_desk(tmp_path / "desk")
    made.pair_first()
    made.a_source_writes()
    made.server.does("store", "letterhead")
    note_day(made.server.settings.parent / STORE, REWRITTEN, utc_today())
    made.server.store().settle()
    return made


def run_at(shift: str, machine: Machine, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a process whose system clock is shifted."""
    command = [
        "faketime",
        "-f",
        shift,
        sys.executable,
        "-m",
        "deploy.cli.main",
        "--settings",
        machine.settings,
    ]
    return subprocess.run(
        [*command, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("shift", SHIFTS)
def test_no_program_starts_and_nothing_is_deleted(desk: TwoMachineDesk, shift: str) -> None:
    before = (desk.server.settings.parent / STORE).read_bytes()
    backup = re.findall(r"(\S+): \d+ entries verified", desk.server.does("backup"))[0]

    for words in (("run", "source"), ("store", "sweep")):
        done = run_at(shift, desk.server, *words, "--refuse-unsafe")
        assert ExitCode.UNSAFE == done.returncode, done.stderr
        assert f"The clock shows {SHIFTS[shift]}" in done.stderr
        assert "Correct the clock" in done.stderr
    refused = run_at(shift, desk.server, "backup")
    checked = run_at(shift, desk.server, "check")

    assert (ExitCode.UNSAFE, True) == (refused.returncode, "The clock" in refused.stderr)
    assert [Path(backup)] == list(Path(backup).parent.iterdir())
    assert ExitCode.FAULTS_FOUND == checked.returncode
    assert f"fault: The clock shows {SHIFTS[shift]}" in checked.stdout
    assert before == (desk.server.settings.parent / STORE).read_bytes()


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_pouch_from_the_future_is_refused_and_the_next_right_one_arrives(
    desk: TwoMachineDesk, shift: str, tmp_path: Path
) -> None:
    """A pouch may have travelled for long, so one from the past is accepted."""
    stick, is_ahead = tmp_path / "stick", shift == "+365d"
    assert 0 == run_at(shift, desk.server, "pouch", "make", stick).returncode

    done = desk.first.types("pouch", "apply", stick)

    assert is_ahead == ("one of the two clocks is wrong" in done.stderr)
    assert is_ahead == (texts_held(desk.first) == set())
    desk.server.does("pouch", "make", stick)
    desk.first.does("pouch", "apply", stick)
    assert texts_held(desk.server) == texts_held(desk.first)
