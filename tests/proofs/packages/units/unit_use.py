"""Memory and tasks of the units of a booted machine, while they are used."""

from contextlib import suppress
from pathlib import Path

from bench.memory import Sampler, proportional_bytes
from tests.proofs.packages.debian_machine import DebianMachine
from tests.proofs.packages.units.unit_trials import Units
from tests.proofs.proof_sizes import print_result

_EVERY_SECONDS = 0.2


class UnitUse(Sampler):
    """Highest memory (PSS) and most tasks of each unit, measured five times a second."""

    def __init__(self, units: Units, *names: str) -> None:
        super().__init__(_EVERY_SECONDS)
        self._units = units
        self._peaks = dict.fromkeys(names, (0, 0))

    def is_far_below_the_limits(self) -> None:
        """Print what each unit used, and check that the unit may use at least twice as much."""
        for name, (memory, tasks) in self._peaks.items():
            limits = [int(self._units.shown(name, limit)) for limit in ("MemoryMax", "TasksMax")]
            used = f"{memory >> 20} MiB of {limits[0] >> 20} MiB (PSS), {tasks} tasks of {limits[1]}"
            print_result(f"{name}: {used}")
            assert 0 < 2 * memory < limits[0]
            assert 0 < 2 * tasks < limits[1]

    def sample(self) -> None:
        machine = self._units.machine
        for name, (memory, tasks) in self._peaks.items():
            now = memory_of(machine, name), _tasks_of(machine, name)
            self._peaks[name] = max(memory, now[0]), max(tasks, now[1])


def memory_of(machine: DebianMachine, unit: str = "") -> int:
    """Return the memory (PSS) of a unit's processes now, in bytes, or that of all processes of a machine."""
    total = 0
    for process in machine.processes(unit):
        with suppress(OSError, LookupError):  # the process has just ended
            total += proportional_bytes(process)
    return total


def _tasks_of(machine: DebianMachine, unit: str) -> int:
    return sum(len(list(Path(f"/proc/{process}").glob("task/*"))) for process in machine.processes(unit))
