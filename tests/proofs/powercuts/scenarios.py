"""Scenarios: what a recorded program does on a disk, and what can be read from a rebuilt disk."""

import pickle
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar


class Scenario(ABC):
    """Run of the product on the folder `disk`, which a power cut hits.

    The folder `memory` is not on the disk. It contains the sessions of sources, as a server's tmpfs does, and
    values that the test remembers, such as passphrases.
    """

    machines: ClassVar[tuple[str, ...]] = ("",)  # folders of the disk that lose power one at a time

    def __init__(self, folder: Path) -> None:
        self.disk = folder / "disk"
        self.memory = folder / "memory"
        self.memory.mkdir(mode=0o700, exist_ok=True)

    @abstractmethod
    def prepare(self) -> set[str]:
        """Make the disk as it is before the recording, and return the names of what can be read from it.

        Everything that this method writes is on the disk when the recording starts.
        """

    @abstractmethod
    def run(self) -> None:
        """Use the product, and report with `statements.state` what it has acknowledged."""

    @abstractmethod
    def readable(self) -> set[str]:
        """Open the disk with the product's code after a power cut, and return the names of what can be read.

        Every exception is a loss.
        """

    def remember(self, name: str, value: object) -> None:
        """Keep a value for `readable`, which runs in another process."""
        (self.memory / name).write_bytes(pickle.dumps(value))

    def remembered(self, name: str) -> Any:  # noqa: ANN401  # whatever the scenario kept
        """Return a value that `remember` kept."""
        return pickle.loads((self.memory / name).read_bytes())  # noqa: S301  # our own file
