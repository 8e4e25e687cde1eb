"""Replay of power cuts: rebuilds the disk after each cut, and reads the disk with the real code."""

import hashlib
import itertools
import random
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.proofs.powercuts.disk_model import Disk, Image, moments, write_image
from tests.proofs.powercuts.disk_operations import Statement
from tests.proofs.powercuts.record import Recording
from tests.proofs.powercuts.scenarios import Scenario

_THREAD_SECONDS = 120
_REPEATED_AT_MOST = 500  # disks in a row that were checked before: there are hardly any others


@dataclass(slots=True)
class ExpectedNames:
    """Names of the things that must be readable at a moment, and of those that must not be readable."""

    tried: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def apply(self, statement: Statement) -> None:
        """Apply a statement of the recorded program."""
        names = set(statement.names)
        match statement.about:
            case "trying":
                self.tried |= names
            case "kept" | "start":
                self.tried |= names
                self.kept |= names
            case "deleting":
                self.kept -= names
            case "gone":
                self.kept -= names
                self.gone |= names
            case other:
                raise ValueError(other)

    def difference(self, readable: set[str]) -> str:
        """Return what is wrong with the things that can be read, or an empty text."""
        wrong = {
            "lost": self.kept - readable,
            "came back": self.gone & readable,
            "was never written": readable - self.tried,
        }
        return "; ".join(f"{what}: {', '.join(sorted(names))}" for what, names in wrong.items() if names)


@dataclass(frozen=True, slots=True)
class Findings:
    """Result of a replay: the number of different disks that were opened, and what was wrong with some."""

    cuts: int
    losses: list[str]


def replay(scenario: Scenario, recording: Recording, *, cuts: int, seed: int) -> Findings:
    """Cut the power at the moments of a recording, and check this number of different disks.

    A disk is rebuilt with only the synced operations, with all operations, and then with random subsets. If
    the number of cuts is small, a random selection of the moments is used.
    """
    chance = random.Random(seed)
    seen: set[bytes] = set()
    losses: list[str] = []
    repeated = 0
    for moment, expected, image in _cuts(scenario, recording, cuts, chance):
        key = _digest(image, expected)
        repeated = repeated + 1 if key in seen else 0
        if repeated == _REPEATED_AT_MOST:
            break
        if repeated:
            continue
        seen.add(key)
        shutil.rmtree(recording.disk)
        recording.disk.mkdir(mode=0o700)
        write_image(image, recording.disk, chance)
        if wrong := _check(scenario, expected):
            losses.append(f"after {moment} operations: {wrong}")
        if len(seen) == cuts:
            break
    return Findings(len(seen), losses)


def _cuts(
    scenario: Scenario, recording: Recording, cuts: int, chance: random.Random
) -> Iterator[tuple[int, ExpectedNames, Image]]:
    """Yield disks after power cuts without end, in rounds over all moments or some of them."""
    places = moments(recording)
    for number in itertools.count():
        chosen = set(chance.sample(places, min(len(places), max(1, cuts // 4))))
        disk, expected = Disk(recording.start), ExpectedNames()
        for moment, operation in enumerate([*recording.operations, None]):
            if moment in chosen:
                for machine in scenario.machines:
                    yield moment, expected, _disk_after_cut(disk, machine, number, chance)
            if isinstance(operation, Statement):
                expected.apply(operation)
            if operation is not None:
                disk.apply(operation)


def _disk_after_cut(disk: Disk, machine: str, number: int, chance: random.Random) -> Image:
    if number == 0:
        return disk.synced_only(machine)
    if number == 1:
        return disk.without_loss()
    return (disk.in_order if number % 2 else disk.at_random)(machine, chance)


def _check(scenario: Scenario, expected: ExpectedNames) -> str:
    before = set(threading.enumerate())
    try:
        return expected.difference(scenario.readable())
    except Exception as why:  # noqa: BLE001  # any failure to read is a loss
        return f"cannot be read: {type(why).__name__}: {str(why)[:300]}"
    finally:
        _await_end(set(threading.enumerate()) - before)


def _await_end(threads: Iterable[threading.Thread]) -> None:
    """Wait until the adviser's threads of one check have ended: they could still write on the next disk."""
    for thread in (each for each in threads if each.daemon):  # the source's threads only compute Argon2id
        thread.join(_THREAD_SECONDS)
        if thread.is_alive():
            raise RuntimeError(f"the thread {thread.name!r} still works on a disk that was checked")


def _digest(image: Image, expected: ExpectedNames) -> bytes:
    found = hashlib.blake2b(repr((sorted(expected.kept), sorted(expected.gone))).encode())
    for path, content in sorted(image.items()):
        found.update(f"{path}\0{-1 if content is None else len(content)}\0".encode())
        found.update(content or b"")
    return found.digest()
