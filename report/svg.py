"""Where everything in a bar chart stands. The markup itself is templates/chart.svg."""

import textwrap
from dataclasses import dataclass
from typing import Final

from report.document import Table

WIDTH: Final = 320  # the narrowest screen; on a wider one the chart grows with its letters
_LETTER: Final = 13
_LINE: Final = 17
_BAR: Final = 16
_GAP: Final = 12
_VALUE_ROOM: Final = 46  # for "1000" beside the longest bar
_LINE_LETTERS: Final = 40  # what fits in WIDTH
_HIDDEN_WIDTH: Final = 28


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the chart: its name over one or more lines, then the bar, all in user units."""

    name: tuple[tuple[int, str], ...]  # baseline and words
    top: int
    width: int
    count: int | None

    @property
    def baseline(self) -> int:
        """Return the baseline of the figure beside the bar."""
        return self.top + _BAR - 3


@dataclass(frozen=True, slots=True)
class Chart:
    """A horizontal bar chart, laid out."""

    id: str
    name: str
    bars: tuple[Bar, ...]
    height: int
    width: int = WIDTH
    bar_height: int = _BAR
    letter: int = _LETTER


def lay_out_chart(table: Table) -> Chart:
    """Lay out a table of which at least one count is shown. Bars start at zero, on one scale."""
    scale = (WIDTH - _VALUE_ROOM) / table.most
    bars = []
    y = 0
    for row in table.rows:
        name = tuple(
            (y + number * _LINE, words)
            for number, words in enumerate(textwrap.wrap(row.name, _LINE_LETTERS), 1)
        )
        top = y + len(name) * _LINE + 6
        width = _HIDDEN_WIDTH if row.count is None else max(1, round(row.count * scale))
        bars.append(Bar(name, top, width, row.count))
        y = top + _BAR + _GAP
    return Chart(f"chart-{table.dimension}", table.name, tuple(bars), y)
