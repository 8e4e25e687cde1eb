"""Counts of a load in `bench/`: every action of its clients, and the processor time of all processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import memory
from bench.timing import together

_BURN = "import time\nwhile time.process_time() < 0.3: pass"


@dataclass(frozen=True)
class NotingClient:
    path: Path

    def __call__(self) -> Callable[[], bool]:
        def note() -> bool:
            with self.path.open("a") as file:
                file.write("x")
            return True

        return note


@pytest.mark.slow
def test_a_load_counts_every_action_of_its_clients(tmp_path: Path) -> None:
    load = together([NotingClient(tmp_path / "one"), NotingClient(tmp_path / "two")], 0.1)

    noted = sum(len((tmp_path / name).read_text()) for name in ("one", "two"))
    assert noted == load.all
    assert noted - 4 <= load.done < noted  # without the first action of each client


def test_processor_time_of_processes_that_have_ended_counts() -> None:
    before = memory.tree_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", _BURN], check=True)

    assert memory.tree_seconds(os.getpid()) - before >= 0.25  # /proc counts in steps of 10 ms
