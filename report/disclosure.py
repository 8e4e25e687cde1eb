"""Disclosure control: decides which counts of a year the report may show, and to whom.

Proof: docs/report.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from report.counts import YearCounts
from report.errors import FloorError
from report.tables import NEVER_SHOWN

STEP: Final = 5  # shown counts are rounded to a multiple of this
_REACH: Final = STEP // 2  # greatest difference between a count and its rounded value
PUBLIC_FLOOR_MINIMUM: Final = 10
SG_FLOOR_MINIMUM: Final = 5


class Audience(StrEnum):
    """Readers of one version of the yearly report: the public, or the Secretary-General (SG)."""

    PUBLIC = "public"
    SG = "sg"


@dataclass(frozen=True, slots=True)
class Floors:
    """Smallest counts that the yearly report shows to the public, and to the Secretary-General (`sg`).

    Each floor is a multiple of five, because shown counts are rounded to multiples of five.

    Raises:
        FloorError: a floor is too low or not a multiple of five, or `sg` is above `public`.
    """

    # With a floor of 12, for example, only a count of 12 would be shown as 10, so 10 would reveal the count.

    public: int = PUBLIC_FLOOR_MINIMUM
    sg: int = SG_FLOOR_MINIMUM

    def __post_init__(self) -> None:
        if self.public < PUBLIC_FLOOR_MINIMUM or self.sg < SG_FLOOR_MINIMUM:
            raise FloorError("a floor is below its minimum")
        if self.public % STEP or self.sg % STEP:
            raise FloorError("a floor is not a multiple of five")
        if self.sg > self.public:
            raise FloorError("the SG's floor is above the public one")

    def of(self, audience: Audience) -> int:
        """Return the smallest count that the report shows to these readers."""
        return self.public if audience is Audience.PUBLIC else self.sg


@dataclass(frozen=True, slots=True)
class Treated:
    """Counts of mailboxes in a year that are safe to show in one version of the report.

    A count is rounded to a multiple of five, or is None if the report must hide the count.
    """

    year: int
    audience: Audience
    floor: int
    mailboxes: Mapping[str, int | None]  # read, ended before someone read them, and spam
    tables: Mapping[str, Mapping[str, int | None]]  # without the lines in `NEVER_SHOWN`


def treat(counts: YearCounts, floors: Floors, audience: Audience) -> Treated:
    """Return the rounded counts of a year that one version of the report may show.

    A count is hidden if it is too small, or if a reader could compute another hidden count with it. A reader
    can only know that a hidden count is between 0 and `floor - 1`.
    """
    # The lines of a table are checked from the largest count to the smallest. A line is shown if its count
    # is at least the floor, and at least `floor - 1` of the mailboxes that were read are outside this line
    # and the lines before it. For the second condition, `_lowest` replaces each count, so that the choice of
    # the lines tells a reader no more than the shown numbers. After the first hidden line, all are hidden.
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
    """Return a count rounded to the nearest multiple of five. A whole number is never exactly halfway."""
    return (count + _REACH) // STEP * STEP


def _treat_table(table: Mapping[str, int], read: int, floors: Floors, floor: int) -> dict[str, int | None]:
    lines = {line: number for line, number in table.items() if line not in NEVER_SHOWN}
    large = [line for line, number in lines.items() if number >= floor]
    # Sorted by the public lower bound, never by the count: the order must not reveal more than the numbers.
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
    """Return the lowest count that looks the same as `count` in every version of the report.

    Both counts round to the same number, and are hidden in the same versions.
    """
    # `treat` chooses the lines to show by this count, because the exact count could reveal more.
    floor = floors.public if count >= floors.public else floors.sg
    return max(floor, rounded(count) - _REACH)
