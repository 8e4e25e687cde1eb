"""Result of one check of this machine: its level, what was found, and what the operator must do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from crypto.errors import CryptoError
from deploy.errors import DeployError
from store.errors import StoreError


class Level(StrEnum):
    """Level of a check's result. UNKNOWN means that the check could not be made."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One sentence about the state of this machine.

    `check` is a short name for programs that read the JSON. `to_do` says what to do, and is empty if there is
    nothing to do.
    """

    check: str
    level: Level
    state: str
    to_do: str = ""

    @property
    def sentence(self) -> str:
        """Return what was found, and what to do."""
        return f"{self.state} {self.to_do}".rstrip()

    @property
    def line(self) -> str:
        """Return the level and the sentence of this result as one line."""
        return " ".join(f"{self.level}: {self.sentence}".split())


def made_or_unknown(check: str, make: Callable[[], Iterator[CheckResult]], to_do: str) -> list[CheckResult]:
    """Make a check, and return its results.

    If the check cannot be made, add a result that says so, with `to_do` as advice.
    """
    # Without this result, a check that failed would look like a machine without faults.
    found: list[CheckResult] = []
    try:
        found.extend(make())
    except (OSError, CryptoError, DeployError, StoreError) as why:
        state = f"The check of {check.replace('_', ' ')} could not be made ({type(why).__name__})."
        found.append(CheckResult(check, Level.UNKNOWN, state, to_do))
    return found
