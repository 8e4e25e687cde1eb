"""From tallies to counts: each mailbox once, in the year of its first message."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from report.tables import MAILBOX, MAILBOXES, NEVER_SHOWN, NOT_RECORDED, READ, Shape, counted_line


class CountedTally(Protocol):
    """One anonymous line, of which the ledger has one for each mailbox and dimension."""

    @property
    def id(self) -> bytes:
        """Return its random name."""
        ...

    @property
    def year(self) -> int:
        """Return the year of the mailbox's first message."""
        ...

    @property
    def dimension(self) -> str:
        """Return what it counts."""
        ...

    @property
    def value(self) -> str:
        """Return what it says of that, "" when nothing was recorded."""
        ...


@dataclass(frozen=True, slots=True)
class YearCounts:
    """One year, exactly. It is a secret of the desk: only `disclosure.treat` makes something to show of it.

    `mailboxes` counts read, ended unread and spam. `tables` holds for each dimension every line of it, zeros
    included, and the two values that are never shown; each dimension adds up to the mailboxes read.
    `strange` is how many tallies were missing, or said what no tally says: for the adviser to know.
    """

    year: int
    mailboxes: Mapping[str, int]
    tables: Mapping[str, Mapping[str, int]]
    strange: int = 0

    @property
    def read(self) -> int:
        """Return how many mailboxes were read."""
        return self.mailboxes[READ]

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to report about."""
        return not any(self.mailboxes.values())


def gather(tallies: Iterable[CountedTally]) -> Mapping[int, Counter[tuple[str, str]]]:
    """Add tallies up by year, dimension and value, in one pass. A tally that comes twice counts once."""
    seen: set[bytes] = set()
    years: dict[int, Counter[tuple[str, str]]] = {}
    for tally in tallies:
        if tally.id not in seen:
            seen.add(tally.id)
            years.setdefault(tally.year, Counter())[tally.dimension, tally.value] += 1
    return years


def years_with_mailboxes(gathered: Mapping[int, Counter[tuple[str, str]]]) -> tuple[int, ...]:
    """Return the years that have something to report, oldest first."""
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
    """Return one year's counts by the tables' lines.

    `padding` is the dimension of tallies that count nothing. Whoever holds the store can withhold tallies.
    Then dimensions add up to less than others: the highest sum is the number of mailboxes read, and what a
    dimension lacks counts as not recorded, so that every table still adds up.
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
