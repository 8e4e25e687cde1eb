"""Disclosure control: what of a year's counts may be shown, and to whom. docs/report.md proves it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from report.counts import YearCounts
from report.errors import FloorError
from report.tables import NEVER_SHOWN

STEP: Final = 5  # counts that are shown are rounded to it
_REACH: Final = STEP // 2  # so far a count lies from what it is rounded to, at most
PUBLIC_FLOOR_MINIMUM: Final = 10
SG_FLOOR_MINIMUM: Final = 5


class Audience(StrEnum):
    """For whom a version is."""

    PUBLIC = "public"
    SG = "sg"


@dataclass(frozen=True, slots=True)
class Floors:
    """The thresholds: a count under its version's floor is not shown.

    They are multiples of five. Otherwise the first counts that are shown would round to fewer than they are,
    and with a floor of 12 a "10" would say exactly twelve.

    Raises:
        FloorError: a floor is under its minimum or no multiple of five, or the SG's is above the public one.
    """

    public: int = PUBLIC_FLOOR_MINIMUM
    sg: int = SG_FLOOR_MINIMUM

    def __post_init__(self) -> None:
        if self.public < PUBLIC_FLOOR_MINIMUM or self.sg < SG_FLOOR_MINIMUM:
            raise FloorError("a floor is under its minimum")
        if self.public % STEP or self.sg % STEP:
            raise FloorError("a floor is no multiple of five")
        if self.sg > self.public:
            raise FloorError("the SG's floor is above the public one")

    def of(self, audience: Audience) -> int:
        """Return the floor of a version."""
        return self.public if audience is Audience.PUBLIC else self.sg


@dataclass(frozen=True, slots=True)
class Treated:
    """What one version shows of a year: a rounded count, or None where none is shown.

    The values of `tables.NEVER_SHOWN` are left out, and so is every total but the three counts of mailboxes.
    """

    year: int
    audience: Audience
    floor: int
    mailboxes: Mapping[str, int | None]
    tables: Mapping[str, Mapping[str, int | None]]


def treat(counts: YearCounts, floors: Floors, audience: Audience) -> Treated:
    """Return what a version may show.

    A line is shown when its count reaches the floor and, taking the largest first, the mailboxes that remain
    for all that is not shown can still be `floor - 1` or more, at the lowest that the shown figures allow. A
    table's outcome depends on nothing but which lines are shown and how they round: so everything hidden can
    have been anything from 0 to `floor - 1`, for whoever knows this rule too.
    """
    floor = floors.of(audience)
    return Treated(
        counts.year,
        audience,
        floor,
        {kind: rounded(number) if number >= floor else None for kind, number in counts.mailboxes.items()},
        {
            dimension: _treat_table(table, counts.read, floors, floor)
            for dimension, table in counts.tables.items()
        },
    )


def rounded(count: int) -> int:
    """Round to the nearest multiple of five; no whole number lies halfway."""
    return (count + _REACH) // STEP * STEP


def _treat_table(table: Mapping[str, int], read: int, floors: Floors, floor: int) -> dict[str, int | None]:
    lines = {line: number for line, number in table.items() if line not in NEVER_SHOWN}
    large = [line for line, number in lines.items() if number >= floor]
    # Sorted by what is known of a count, never by the count: its place must not tell more than its figure.
    large.sort(key=lambda line: -_lowest(lines[line], floors))
    left = _lowest(read, floors) - (floor - 1)
    shown: dict[str, int | None] = dict.fromkeys(lines)
    for line in large:
        left -= _lowest(lines[line], floors)
        if left < 0:
            break
        shown[line] = rounded(lines[line])
    return shown


def _lowest(count: int, floors: Floors) -> int:
    """Return the lowest count that cannot be told from this one by whoever holds both versions."""
    floor = floors.public if count >= floors.public else floors.sg
    return max(floor, rounded(count) - _REACH)
