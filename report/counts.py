"""Exact counts of a year, computed from the ledger's tallies (anonymous facts about deleted mailboxes).

Each mailbox counts once, in the year of its first message.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from report.tables import MAILBOX, MAILBOXES, NEVER_SHOWN, NOT_RECORDED, READ, Shape, counted_line


class CountedTally(Protocol):
    """Interface of a tally: one anonymous fact about a mailbox. A mailbox has one tally per dimension."""

    @property
    def id(self) -> bytes:
        """Return the random id of this tally (anonymous fact about one mailbox)."""
        ...

    @property
    def year(self) -> int:
        """Return the year of the mailbox's first message."""
        ...

    @property
    def dimension(self) -> str:
        """Return the dimension: the kind of fact, such as "theme"."""
        ...

    @property
    def value(self) -> str:
        """Return the mailbox's value in this dimension, or "" if nothing was recorded."""
        ...


@dataclass(frozen=True, slots=True)
class YearCounts:
    """Exact counts of one year, which the desk must keep secret. `disclosure.treat` makes them safe to show.

    `mailboxes` has three counts: mailboxes that were read, mailboxes that ended before anyone read them, and
    spam. `tables` has the count of each line of each dimension, also lines with a count of zero, and the
    lines "not recorded" and "other words", which the report never shows. Each dimension adds up to the number
    of mailboxes read. `strange` is the number of tallies that are missing or not valid. Only the adviser sees
    this number.
    """

    year: int
    mailboxes: Mapping[str, int]
    tables: Mapping[str, Mapping[str, int]]
    strange: int = 0

    @property
    def read(self) -> int:
        """Return the number of mailboxes that the desk has read."""
        return self.mailboxes[READ]

    @property
    def is_empty(self) -> bool:
        """Return True if no mailbox was counted in this year, so that there is nothing to report."""
        return not any(self.mailboxes.values())


def gather(tallies: Iterable[CountedTally]) -> Mapping[int, Counter[tuple[str, str]]]:
    """Return the number of tallies (facts about mailboxes) by year, dimension and value.

    Tallies with the same id count once.
    """
    seen: set[bytes] = set()
    years: dict[int, Counter[tuple[str, str]]] = {}
    for tally in tallies:
        if tally.id not in seen:
            seen.add(tally.id)
            years.setdefault(tally.year, Counter())[tally.dimension, tally.value] += 1
    return years


def years_with_mailboxes(gathered: Mapping[int, Counter[tuple[str, str]]]) -> tuple[int, ...]:
    """Return the years in which at least one mailbox was counted, oldest first."""
    return tuple(
        sorted(
            year
            for year, sums in gathered.items()
            if any(dimension == MAILBOX and kind in MAILBOXES for dimension, kind in sums)
        )
    )


def count_year(
    gathered: Mapping[int, Counter[tuple[str, str]]], year: int, tables: Sequence[Shape], padding: str
) -> YearCounts:
    """Return the exact counts of one year for the lines of the given tables.

    `padding` is the dimension of tallies without a fact, which only keep the number of tallies of each
    mailbox the same. These tallies are skipped.

    Attack: someone who controls the store can withhold tallies, so that some dimensions add up to less than
    others. So this function takes the highest sum as the number of mailboxes that were read. In each other
    dimension, the missing mailboxes are counted as "not recorded", so that all tables add up to the same
    number.
    """
    sums = gathered.get(year, Counter())
    mailboxes = {kind: sums[MAILBOX, kind] for kind in MAILBOXES}
    counted = {shape.dimension: Counter(dict.fromkeys((*shape.lines, *NEVER_SHOWN), 0)) for shape in tables}
    by_dimension = {shape.dimension: shape for shape in tables}
    strange = 0
    for (dimension, value), times in sums.items():
        if dimension in by_dimension:
            counted[dimension][counted_line(by_dimension[dimension], value)] += times
        elif dimension != padding and (dimension != MAILBOX or value not in MAILBOXES):
            strange += times
    read = max([mailboxes[READ], *(table.total() for table in counted.values())])
    strange += read - mailboxes[READ]
    for table in counted.values():
        strange += read - table.total()
        table[NOT_RECORDED] += read - table.total()
    return YearCounts(
        year, {**mailboxes, READ: read}, {name: dict(table) for name, table in counted.items()}, strange
    )
