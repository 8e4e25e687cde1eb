"""Deadlines of a mailbox, from the desk's response times, promised days and the adviser's reminder.

The desk's signed letterhead has the response times.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from journalist_app.inbox.mailbox_summary import MailboxSummary
from protocol.letterhead import Letterhead
from web.dates import add_months


class DeadlineKind(StrEnum):
    """Kind of deadline before which the desk must act in a mailbox."""

    CONFIRM = "confirm"  # the desk confirms a first message within a number of days
    ANSWER = "answer"  # the desk answers within a number of working days
    PROMISED = "promised"  # the day on which the desk's newest step promised the next one
    REMINDER = "reminder"  # the day that the adviser chose in the casefile
    SUBSTANCE = "substance"  # the desk advises, passes on or closes within some months


@dataclass(frozen=True, slots=True)
class Deadline:
    """One deadline of a mailbox, at the end of `day`. `is_late` is True from the next day on."""

    kind: DeadlineKind
    day: date
    is_late: bool


def deadlines_of(
    summary: MailboxSummary, reminder: date | None, letterhead: Letterhead, today: date
) -> tuple[Deadline, ...]:
    """Return the deadlines of a mailbox, soonest first. A closed mailbox has only the adviser's reminder."""
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


def days_after(day: date, count: int) -> date:
    """Return the day `count` days after `day`, at most 9999-12-31.

    Attack: a hostile source signs an entry with a day so late that the addition would overflow.
    """
    return date.fromordinal(min(day.toordinal() + count, date.max.toordinal()))
