"""Which tables a report has, and which lines each of them has.

The lines follow from the settings alone, never from what was counted: a line that appeared only once somebody
was in it would tell that somebody was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAILBOX: Final = "mailbox"
READ: Final = "read"
ENDED_UNREAD: Final = "ended_unread"
SPAM: Final = "spam"
MAILBOXES: Final = (READ, ENDED_UNREAD, SPAM)

FIRST_ANSWER: Final = "first_answer"
CAME_BACK: Final = "came_back"
PASSED_ON: Final = "passed_on"
NO_ANSWER: Final = "none"
CONSENT: Final = "with_consent"
WITHOUT_CONSENT: Final = "without_consent"

# Working days to the first answer: the last day of each band. Later ones are a band of their own.
ANSWER_BANDS: Final = ((2, "within_2"), (5, "within_5"), (10, "within_10"), (20, "within_20"))
LATER: Final = "later"

# In no table are these two ever shown, also not together: whatever a table hides can always be in them.
NOT_RECORDED: Final = "not_recorded"
OTHER_WORDS: Final = "other_words"
NEVER_SHOWN: Final = (NOT_RECORDED, OTHER_WORDS)


@dataclass(frozen=True, slots=True)
class TableLine:
    """One line of a table: the key that tallies carry, and its name in both languages."""

    key: str
    nl: str
    en: str

    def name(self, language: str) -> str:
        """Return its name in "nl" or "en"."""
        return self.nl if language == "nl" else self.en


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of the desk's settings that the report counts by."""

    theme: tuple[TableLine, ...]
    route: tuple[TableLine, ...]
    outcome: tuple[TableLine, ...]
    region: tuple[TableLine, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A table: its dimension and the keys of its lines, in the order in which they are printed."""

    dimension: str
    lines: tuple[str, ...]


def shapes(lists: Lists) -> tuple[Shape, ...]:
    """Return all tables whose counts add up to the mailboxes that were read.

    The line for "no answer" stands in the first answer's table alone, and "came back" has one line: the same
    count in two tables, one hiding and one showing it, would undo the disclosure control.
    """
    return (
        Shape("theme", _keys(lists.theme)),
        Shape("route", _keys(lists.route)),
        Shape("outcome", _keys(lists.outcome)),
        Shape("region", _keys(lists.region)),
        Shape(PASSED_ON, (CONSENT, WITHOUT_CONSENT)),
        Shape(CAME_BACK, ("yes",)),
        Shape(FIRST_ANSWER, (*(band for _, band in ANSWER_BANDS), LATER, NO_ANSWER)),
    )


def counted_line(shape: Shape, value: str) -> str:
    """Return the line, or the value never shown, under which a tally's value is counted."""
    if not value:
        return NOT_RECORDED
    if shape.dimension == FIRST_ANSWER:
        value = _band(value)
    if shape.dimension == PASSED_ON and value == "both":
        value = WITHOUT_CONSENT  # what was passed on without consent is never hidden behind what was not
    return value if value in shape.lines else OTHER_WORDS


def _band(value: str) -> str:
    if not (value.isascii() and value.isdigit()):
        return value
    return next((band for last, band in ANSWER_BANDS if int(value) <= last), LATER)


def _keys(choices: Sequence[TableLine]) -> tuple[str, ...]:
    return tuple(choice.key for choice in choices)
