"""Deadlines of a mailbox: the letterhead's norms, promised days, and the adviser's own reminder."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from journalist_app.inbox.mailbox_summary import MailboxSummary
from protocol.letterhead import Letterhead
from web.dates import add_months


class DeadlineKind(StrEnum):
    """Reason for a deadline."""

    CONFIRM = "confirm"  # the desk confirms a first message within a number of days
    ANSWER = "answer"  # the desk answers within a number of working days
    PROMISED = "promised"  # the day that the newest step names
    REMINDER = "reminder"  # the day that the adviser chose
    SUBSTANCE = "substance"  # the desk gives advice within a number of months


@dataclass(frozen=True, slots=True)
class Deadline:
    """One deadline, at the end of a day."""

    kind: DeadlineKind
    day: date
    is_late: bool


def deadlines_of(
    summary: MailboxSummary, reminder: date | None, letterhead: Letterhead, today: date
) -> tuple[Deadline, ...]:
    """Return the deadlines of a mailbox, soonest first. A closed mailbox has only its reminder."""
    found: list[tuple[date, DeadlineKind]] = []
    if reminder is not None:
        found.append((reminder, DeadlineKind.REMINDER))
    if not summary.is_closed:
        if summary.promised is not None:
            found.append((summary.promised, DeadlineKind.PROMISED))
        if summary.waiting is not None:
            found.append((letterhead.expect_by(summary.waiting), DeadlineKind.ANSWER))
        if summary.asked is not None and not summary.is_confirmed:
            confirm_by = days_after(summary.asked, letterhead.confirm_days)
            found.append((confirm_by, DeadlineKind.CONFIRM))
        if summary.asked is not None and not summary.has_substance:
            found.append((add_months(summary.asked, letterhead.substance_months), DeadlineKind.SUBSTANCE))
    return tuple(Deadline(kind, day, day < today) for day, kind in sorted(found))


def first_deadline_day(found: Sequence[Deadline]) -> date:
    """Return the day of the first of sorted deadlines, or the last day of the calendar."""
    return found[0].day if found else date.max


def days_after(day: date, count: int) -> date:
    """Return the day `count` days later, or the last day of the calendar: a source chooses an entry's day."""
    return date.fromordinal(min(day.toordinal() + count, date.max.toordinal()))
