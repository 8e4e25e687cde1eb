"""Tables of the yearly report, and the lines of each table.

The lines depend only on the settings, never on the counts. If a line appeared together with its first
mailbox, the line would reveal that mailbox.
"""

from collections.abc import Mapping
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

# Bands of working days until the first answer: last day and key. Later answers are in the band `LATER`.
ANSWER_BANDS: Final = ((2, "within_2"), (5, "within_5"), (10, "within_10"), (20, "within_20"))
LATER: Final = "later"

# The counts of these two lines are never shown, not even as one sum. So a mailbox that a table hides may
# always be in one of these lines.
NOT_RECORDED: Final = "not_recorded"
OTHER_WORDS: Final = "other_words"
NEVER_SHOWN: Final = (NOT_RECORDED, OTHER_WORDS)


@dataclass(frozen=True, slots=True)
class TableLine:
    """Line of a table in the report: the key of the count, and the line's name in each language."""

    key: str
    names: Mapping[str, str]

    def named(self, *languages: str) -> tuple[str, str]:
        """Return the code of a language, and the name of this line in that language.

        The first of `languages` in which the line has a name is used. If the line has a name in none of them,
        any other language is used.
        """
        code = next(each for each in (*languages, *self.names) if each in self.names)
        return code, self.names[code]


@dataclass(frozen=True, slots=True)
class Lists:
    """Four lists in the desk's settings: themes, routes, outcomes and regions.

    Each list is a table of the yearly report, which counts the mailboxes for each line.
    """

    theme: tuple[TableLine, ...]
    route: tuple[TableLine, ...]
    outcome: tuple[TableLine, ...]
    region: tuple[TableLine, ...]


Shapes = Mapping[str, tuple[str, ...]]
"""Structure of tables without counts: the keys of the lines of each dimension, in printing order."""


def shapes(lists: Lists) -> Shapes:
    """Return, for each table of the report, the keys of its lines.

    Each table counts mailboxes by one fact, such as the theme. All tables count only mailboxes that the desk
    has read.
    """
    # Each fact is in only one table. Otherwise one table could show a count that another table hides.
    listed = ("theme", "route", "outcome", "region")
    return {
        **{dimension: tuple(line.key for line in getattr(lists, dimension)) for dimension in listed},
        PASSED_ON: (CONSENT, WITHOUT_CONSENT),
        CAME_BACK: ("yes",),
        FIRST_ANSWER: (*(band for _, band in ANSWER_BANDS), LATER, NO_ANSWER),
    }


def counted_line(tables: Shapes, dimension: str, value: str) -> str:
    """Return the key of the table's line in which the report counts one fact about a mailbox.

    An empty `value` gives the line "not recorded". A value without a line of its own gives the line "other
    words".
    """
    if not value:
        return NOT_RECORDED
    if dimension == FIRST_ANSWER:
        value = _band(value)
    if dimension == PASSED_ON and value == "both":
        value = WITHOUT_CONSENT  # passing on without consent always counts, also if something had consent
    return value if value in tables[dimension] else OTHER_WORDS


def _band(value: str) -> str:
    if not (value.isascii() and value.isdigit()):
        return value
    return next((band for last, band in ANSWER_BANDS if int(value) <= last), LATER)
