"""Attackers of docs/report.md: one lists all small years, and a solver attacks large years.

The first (the census) knows the rule and the exact number of mailboxes read. It lists every possible year,
applies the disclosure control to each, and finds the years that give the published numbers. So this proof
needs no argument.

The solver does the same for years that are too large to list, with exact integer arithmetic on sets of whole
numbers. Each set is stored as the bits of one number, so that adding two sets takes a few shifts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import product

from report.counts import YearCounts
from report.disclosure import Audience, Floors, Treated
from tests.report.report_factories import one_table

Treat = Callable[[YearCounts, Floors, Audience], Treated]
Figures = tuple[object, ...]


def worlds(lines: int, most: int) -> Iterator[tuple[int, ...]]:
    """Yield every year of up to `most` mailboxes: the number read, then the count of each line."""
    for read in range(most + 1):
        for counts in product(range(read + 1), repeat=lines):
            if sum(counts) <= read:
                yield read, *counts


def broken_by_census(treat: Treat, audience: Audience, *, lines: int, most: int, floors: Floors) -> list[str]:
    """Return the counts that a reader of this audience's numbers can rule out: empty if the guarantee holds.

    The public has the public version, the SG has both. Years with more mailboxes than `most` could only add
    possible values: a value that is possible here is possible.
    """
    floor = floors.of(audience)
    groups: dict[Figures, list[tuple[int, ...]]] = defaultdict(list)
    shown: dict[Figures, Treated] = {}
    for world in worlds(lines, most):
        treated = treat(one_table(*world), floors, audience)
        seen = (
            [treated]
            if audience is Audience.PUBLIC
            else [treated, treat(one_table(*world), floors, Audience.PUBLIC)]
        )
        is_total_told = treated.mailboxes["read"] is not None
        figures = (
            world[0] if is_total_told else None,  # assume that the reader knows a shown total exactly
            *(tuple(each.mailboxes.items()) for each in seen),
            *(tuple(each.tables["table"].items()) for each in seen),
        )
        groups[figures].append(world)
        shown[figures] = treated
    found = []
    for figures, same in groups.items():
        for number, (line, count) in enumerate(shown[figures].tables["table"].items(), 1):
            if count is None:
                possible = {world[number] for world in same}
                found += [
                    f"{figures}: {line} is not {each}" for each in (0, floor - 1) if each not in possible
                ]
        rest = {
            world[0] - sum(world[1:]) for world in same
        }  # either value that is never shown can be all of it
        if max(rest) < floor - 1:
            found.append(f"{figures}: the never shown values are not {floor - 1}")
        if shown[figures].mailboxes["read"] is None:
            possible = {world[0] for world in same}
            found += [f"{figures}: read is not {each}" for each in (0, floor - 1) if each not in possible]
    return found


# ---- the solver: a set of whole numbers is the bits of one number -----------------------------------


def _span(low: int, high: int) -> int:
    return (1 << (high + 1)) - (1 << low)


def _sums(one: int, other: int) -> int:
    total, shift = 0, 0
    while one >> shift:
        if one >> shift & 1:
            total |= other << shift
        shift += 1
    return total


def _lowest(numbers: int) -> int:
    return (numbers & -numbers).bit_length() - 1


class Solver:
    """Counts that are still possible for someone who knows the published numbers and the rule.

    Known: counts are whole and not negative, each table adds up to the mailboxes read, the rounding, both
    floors, and that no one comes back to read an answer that was not given. The solver assumes that each line
    that is not shown is below the floor. That is sometimes wrong, so it rules out more than it should.
    """

    def __init__(self, versions: Mapping[Audience, Treated], floors: Floors, most: int) -> None:
        self._versions = versions
        self._floors = floors
        self._most = most
        audience = Audience.SG if Audience.SG in versions else Audience.PUBLIC
        self.floor = floors.of(audience)
        self._finest = versions[audience]
        self._tables = {
            name: {line: self._known("tables", name, line) for line in lines}
            for name, lines in self._finest.tables.items()
        }
        self._mailboxes = {kind: self._known("mailboxes", None, kind) for kind in self._finest.mailboxes}
        self._read = self._mailboxes["read"]

    def _known(self, part: str, name: str | None, line: str) -> int:
        """Return the possible values of a count, from its number in each version that the attacker has."""
        possible = _span(0, self._most)
        for audience, treated in self._versions.items():
            lines = treated.mailboxes if name is None else getattr(treated, part)[name]
            floor, figure = self._floors.of(audience), lines[line]
            if figure is not None:
                possible &= _span(max(floor, figure - 2), figure + 2)
            elif audience is Audience.SG or Audience.SG not in self._versions or name is None:
                possible &= _span(0, floor - 1)
        return possible

    def _sum_of(self, name: str, fixed: Mapping[str, int]) -> int:
        """Return the numbers of mailboxes read that a table allows."""
        total = 1
        for line, possible in self._tables[name].items():
            total = _sums(1 << fixed[line] if line in fixed else possible, total)
        # The two values that are never shown add any number.
        return _span(_lowest(total), self._most)

    def is_possible(self, name: str, line: str, value: int) -> bool:
        """Return True if a line can have been `value`, given everything that is published and known."""
        reads = self._read
        for other in self._tables:
            reads &= self._sum_of(other, {line: value} if other == name else {})
        if not {"came_back", "first_answer"} <= self._tables.keys():
            return reads != 0
        back = value if name == "came_back" else _lowest(self._tables["came_back"]["yes"])
        unanswered = (
            value
            if (name, line) == ("first_answer", "none")
            else _lowest(self._tables["first_answer"]["none"])
        )
        return reads >> (back + unanswered) != 0

    def broken(self) -> list[str]:
        """Return every hidden count that cannot have been 0, or cannot have been one less than the floor.

        Ended unread and spam are in no table: only their own numbers are known.
        """
        sums = self._read
        for name in self._tables:
            sums &= self._sum_of(name, {})
        alone = {**self._mailboxes, "read": sums}
        return [
            f"{kind} is not {value}"
            for kind, figure in self._finest.mailboxes.items()
            if figure is None
            for value in (0, self.floor - 1)
            if not alone[kind] >> value & 1
        ] + [
            f"{name} {line} is not {value}"
            for name, lines in self._finest.tables.items()
            for line, figure in lines.items()
            if figure is None
            for value in (0, self.floor - 1)
            if not self.is_possible(name, line, value)
        ]
