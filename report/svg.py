"""Layout of the report's bar charts: the position of every bar and text.

`templates/chart.svg` has the markup.
"""

import textwrap
from dataclasses import dataclass
from typing import Final

from report.document import Table

WIDTH: Final = 320  # width of the narrowest screen; on a wider screen the chart is scaled with its text
_LETTER: Final = 13
_LINE: Final = 17
_BAR: Final = 16
_GAP: Final = 12
_VALUE_ROOM: Final = 46  # room for "1000" beside the longest bar
_LINE_LETTERS: Final = 40  # number of letters that fit in WIDTH
_HIDDEN_WIDTH: Final = 28


@dataclass(frozen=True, slots=True)
class Bar:
    """Bar of a chart in the yearly report, with its name above the bar.

    Positions are in SVG user units. `count` is None if the report must not show the count.
    """

    name: tuple[tuple[int, str], ...]  # baseline and text of each line
    top: int
    width: int
    count: int | None

    @property
    def baseline(self) -> int:
        """Return the vertical position of the baseline of the number beside the bar."""
        return self.top + _BAR - 3


@dataclass(frozen=True, slots=True)
class Chart:
    """Bar chart with the computed positions of its horizontal bars and texts."""

    id: str
    name: str
    bars: tuple[Bar, ...]
    height: int
    width: int = WIDTH
    bar_height: int = _BAR
    letter: int = _LETTER


def lay_out_chart(table: Table) -> Chart:
    """Compute the bar chart of a table that shows at least one count.

    The bars share one scale, which starts at zero.
    """
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
