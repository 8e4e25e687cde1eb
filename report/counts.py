"""Exact counts of a year, computed from the ledger's tallies (anonymous facts about deleted mailboxes).

Each mailbox counts once, in the year of its first message.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from report.tables import MAILBOX, MAILBOXES, NEVER_SHOWN, NOT_RECORDED, READ, Shapes, counted_line

Facts = Counter[tuple[int, str, str]]
"""Number of mailboxes by year, dimension (kind of fact, such as "theme") and value ("": not recorded)."""


@dataclass(frozen=True, slots=True)
class YearCounts:
    """Exact counts of mailboxes in one year, which the desk must keep secret.

    `disclosure.treat` makes the counts safe to show. In each table, the counts of all lines add up to `read`.
    """

    year: int
    mailboxes: Mapping[str, int]  # read, ended before the desk read them, and spam
    # also the lines "not recorded" and "other words", which the report never shows
    tables: Mapping[str, Mapping[str, int]]
    strange: int = 0  # facts that are missing or not valid, only for the adviser

    @property
    def read(self) -> int:
        """Return the number of mailboxes that the desk has read."""
        return self.mailboxes[READ]

    @property
    def is_empty(self) -> bool:
        """Return True if no mailbox was counted in this year, so that there is nothing to report."""
        return not any(self.mailboxes.values())


def years_with_mailboxes(facts: Facts) -> set[int]:
    """Return the years in which `facts` counts at least one mailbox. Only these years can have a report."""
    return {year for year, dimension, kind in facts if dimension == MAILBOX and kind in MAILBOXES}


def count_year(facts: Facts, year: int, tables: Shapes, padding: str) -> YearCounts:
    """Return the exact counts of one year for the lines of the given tables.

    Facts of the kind `padding` are not counted. Missing facts count as "not recorded", so that all tables
    add up to the same number.
    """
    # Attack: someone who controls the store withholds facts, so that some tables add up to less than others.
    # So the highest sum is the number of mailboxes that were read.
    mailboxes = {kind: facts[year, MAILBOX, kind] for kind in MAILBOXES}
    counted = {name: Counter(dict.fromkeys((*lines, *NEVER_SHOWN), 0)) for name, lines in tables.items()}
    strange = 0
    for (of_year, dimension, value), times in facts.items():
        if of_year != year:
            continue
        if dimension in tables:
            counted[dimension][counted_line(tables, dimension, value)] += times
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
