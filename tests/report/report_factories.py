"""Factories of option lists, tallies and synthetic years, from a seed. They contain no real mailbox."""

import random
from collections.abc import Iterator

from report.counts import YearCounts
from report.tables import NEVER_SHOWN, Lists, TableLine, shapes

LISTS = Lists(
    theme=(
        TableLine("conflict_of_interest", "Belangenverstrengeling", "Conflict of interest"),
        TableLine("bullying", "Pesten", "Bullying"),
        TableLine("abuse_of_power", "Misbruik van macht", "Abuse of power"),
    ),
    route=(TableLine("talk", "Alleen praten", "Only talk"), TableLine("complaint", "Klacht", "Complaint")),
    outcome=(TableLine("advice", "Advies", "Advice"),),
    region=(TableLine("africa", "Afrika", "Africa"), TableLine("europe", "Europa", "Europe")),
)
TABLES = shapes(LISTS)


def a_mailbox(chance: random.Random, year: int) -> Iterator[tuple[int, str, str]]:
    """Yield the tallies of one read mailbox."""
    yield year, "mailbox", "read"
    for dimension, lines in TABLES.items():
        yield year, dimension, chance.choice((*lines, ""))


def one_table(read: int, *lines: int) -> YearCounts:
    """Return a year with one table of these lines. The rest of the mailboxes was not recorded."""
    table = {f"line{number}": count for number, count in enumerate(lines)}
    never_shown = dict(zip(NEVER_SHOWN, (read - sum(lines), 0), strict=True))
    return YearCounts(2026, {"read": read, "ended_unread": 0, "spam": 0}, {"table": table | never_shown})
