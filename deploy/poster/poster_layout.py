"""Positions of everything on the drawn poster. The SVG markup itself is in templates/poster.svg."""

import textwrap
from dataclasses import dataclass, field, replace
from typing import Final

from deploy.poster.poster_content import Poster

WIDTH: Final = 210.0
HEIGHT: Final = 297.0
_LEFT: Final = 18.0
_ROOM: Final = WIDTH - 2 * _LEFT
_INK: Final = "#10202e"
_BLUE: Final = "#1f5e86"
_FAINT: Final = "#3d4d5c"
_CODE: Final = 52.0
_GAP: Final = 10.0
_FOOT: Final = 283.0  # baseline of the last line of the foot

# Average width of a letter as a part of its size. Measured with DejaVu Sans, the widest common font, on every
# line of both posters: at most 0.565, 0.603 in bold and 0.602 in mono. Other fonts make shorter lines.
_LETTER: Final = 0.57
_BOLD_LETTER: Final = 0.62
_MONO_LETTER: Final = 0.603


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text: the position of its baseline and its size, in millimetres."""

    x: float
    y: float
    size: float
    text: str
    fill: str = _INK
    is_bold: bool = False
    is_mono: bool = False


@dataclass(slots=True)
class PosterDrawing:
    """Drawing of a poster: lines of text, plain and numbered dots, and horizontal lines.

    The drawing also has the position of the panel behind the site's address, and of the QR code.
    """

    lines: list[TextLine] = field(default_factory=list)
    dots: list[tuple[float, float]] = field(default_factory=list)
    numbers: list[tuple[float, float, int]] = field(default_factory=list)
    panel: tuple[float, float] = (0.0, 0.0)  # top and height, in millimetres
    code_top: float = 0.0
    rules: list[float] = field(default_factory=list)
    left: float = _LEFT
    room: float = _ROOM
    code: float = _CODE

    def add_text(  # noqa: PLR0913  # one argument for each property of a text
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        room: float,
        leading: float = 1.42,
        fill: str = _INK,
        is_bold: bool = False,
        is_mono: bool = False,
    ) -> float:
        """Add a text to the drawing, broken into lines that fit in `room`. The first baseline is `y`.

        Return the baseline for a following text.
        """
        width = _MONO_LETTER if is_mono else _BOLD_LETTER if is_bold else _LETTER
        letters = max(1, int(room / (size * width)))
        for line in textwrap.wrap(text, letters, break_long_words=False, break_on_hyphens=False):
            self.lines.append(TextLine(x, round(y, 2), size, line, fill, is_bold, is_mono))
            y += size * leading
        return y


def lay_out_poster(poster: Poster) -> PosterDrawing:
    """Return the drawing of the whole poster."""
    paper, words = PosterDrawing(), poster.words
    paper.add_text(_LEFT, 21, poster.facts.desk_name, 3.7, room=_ROOM, fill=_BLUE, is_bold=True)
    paper.rules.append(25.0)
    y = paper.add_text(_LEFT, 42, words["title"], 11.6, room=152, leading=1.14, is_bold=True)
    y = paper.add_text(_LEFT, y + 0.5, words["lead"], 4.3, room=_ROOM, leading=1.45)
    y += 3.5
    for promise in words["promises"]:
        paper.dots.append((_LEFT + 1.8, y - 1.4))
        y = paper.add_text(_LEFT + 7, y, promise, 3.9, room=_ROOM - 7, leading=1.55)
    _address(paper, poster, y + 2)
    y = paper.panel[0] + paper.panel[1] + 12
    y = paper.add_text(
        _LEFT, y, words["steps_title"], 4.4, room=_ROOM, leading=1.75, fill=_BLUE, is_bold=True
    )
    for number, step in enumerate(words["steps"], 1):
        paper.numbers.append((_LEFT + 3.2, y - 1.35, number))
        y = paper.add_text(_LEFT + 10, y, step, 3.9, room=_ROOM - 10, leading=1.3) + 3
    _foot(paper, poster)
    return paper


def _address(paper: PosterDrawing, poster: Poster, top: float) -> None:
    paper.panel = (round(top, 2), _CODE + 12)
    paper.code_top = round(top + 6, 2)
    x, words = _LEFT + 6 + _CODE + 8, poster.words
    room = WIDTH - _LEFT - 6 - x
    y = paper.add_text(x, top + 13, words["address_title"], 4.4, room=room, fill=_BLUE, is_bold=True) + 3.5
    for line in poster.address_lines:
        paper.lines.append(TextLine(x, round(y, 2), 5.7, line, is_bold=True, is_mono=True))
        y += 7.9
    for note in words["address_notes"]:
        y = paper.add_text(x, y, note, 3.2, room=room, fill=_FAINT)


def _foot(paper: PosterDrawing, poster: Poster) -> None:
    """Draw both columns of the poster's foot.

    The columns are moved down so that the longer column ends at the bottom.
    """
    column = (_ROOM - _GAP) / 2
    foot = PosterDrawing()
    lowest = max(_compare(foot, poster, column), _other(foot, poster, _LEFT + column + _GAP, column))
    down = _FOOT - lowest
    paper.rules.append(round(down - 6, 2))
    paper.lines += [replace(each, y=round(each.y + down, 2)) for each in foot.lines]


def _compare(foot: PosterDrawing, poster: Poster, room: float) -> float:
    words = poster.words
    y = foot.add_text(_LEFT, 0, words["compare_title"], 3.7, room=room, fill=_BLUE, is_bold=True)
    y = foot.add_text(_LEFT, y, words["compare_note"], 2.9, room=room, fill=_FAINT)
    for name, groups in (
        (words["desk_key"], poster.key_groups),
        (words["openpgp_key"], poster.openpgp_groups),
    ):
        if groups:
            y = foot.add_text(_LEFT, y + 1.2, name, 2.9, room=room, is_bold=True)
            y = foot.add_text(_LEFT, y, " ".join(groups), 2.68, room=room, is_mono=True)
    return y - 2.68 * 1.42


def _other(foot: PosterDrawing, poster: Poster, x: float, room: float) -> float:
    words, facts = poster.words, poster.facts
    y = 0.0
    if facts.telephone:
        y = foot.add_text(x, y, words["talk_title"], 3.7, room=room, leading=1.6, fill=_BLUE, is_bold=True)
        y = foot.add_text(x, y, facts.telephone, 4.9, room=room, leading=1.2, is_bold=True)
        y = foot.add_text(x, y, words["talk_days"], 2.9, room=room, fill=_FAINT) + 2.5
    if facts.clear_origin:
        y = foot.add_text(x, y, words["clear_title"], 3.7, room=room, leading=1.5, fill=_BLUE, is_bold=True)
        size = min(3.4, room / (len(facts.clear_origin) * _BOLD_LETTER))
        y = foot.add_text(x, y, facts.clear_origin, size, room=room, is_bold=True)
        y = foot.add_text(x, y, words["clear_note"], 2.9, room=room, fill=_FAINT)
    return y - 2.9 * 1.42
