"""Factories of option lists, tallies and synthetic years, from a seed. They contain no real mailbox."""

import random
from collections.abc import Iterator

from report.counts import YearCounts
from report.document import ReportLanguage
from report.tables import NEVER_SHOWN, Lists, TableLine, shapes
from web.languages import known_languages, languages_with, read_language, read_words

LISTS = Lists(
    theme=(
        TableLine("conflict_of_interest", {"nl": "Belangenverstrengeling", "en": "Conflict of interest"}),
        TableLine("bullying", {"nl": "Pesten", "en": "Bullying"}),
        TableLine("abuse_of_power", {"nl": "Misbruik van macht", "en": "Abuse of power"}),
    ),
    route=(
        TableLine("talk", {"nl": "Alleen praten", "en": "Only talk"}),
        TableLine("complaint", {"nl": "Klacht", "en": "Complaint"}),
    ),
    outcome=(TableLine("advice", {"nl": "Advies", "en": "Advice"}),),
    region=(
        TableLine("africa", {"nl": "Afrika", "en": "Africa"}),
        TableLine("europe", {"nl": "Europa", "en": "Europe"}),
    ),
)
TABLES = shapes(LISTS)
LANGUAGES = languages_with("report", known_languages())


def a_language(code: str) -> ReportLanguage:
    return ReportLanguage(code, read_language(code).locale, read_words(code, "report"), fallback="en")


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
