"""What is due in a mailbox, and when: the norms, what was promised, the adviser's own reminder. Pure."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from journalist_app.inbox.mailbox_summary import MailboxSummary
from protocol.letterhead import Letterhead

_MONTHS = 12


class DeadlineKind(StrEnum):
    """Why something is due."""

    CONFIRM = "confirm"  # a first message is confirmed within so many days
    ANSWER = "answer"  # a source may expect an answer by so many working days
    PROMISED = "promised"  # the newest step names a day
    REMINDER = "reminder"  # the adviser's own
    SUBSTANCE = "substance"  # advice within so many months


@dataclass(frozen=True, slots=True)
class Deadline:
    """One thing that is due by the end of a day."""

    kind: DeadlineKind
    day: date
    is_late: bool


def deadlines_of(
    summary: MailboxSummary, reminder: date | None, letterhead: Letterhead, today: date
) -> tuple[Deadline, ...]:
    """Return what is due in a mailbox, the soonest first. In a closed one only the reminder is."""
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
            found.append((months_after(summary.asked, letterhead.substance_months), DeadlineKind.SUBSTANCE))
    return tuple(Deadline(kind, day, day < today) for day, kind in sorted(found))


def first_deadline_day(found: Sequence[Deadline]) -> date:
    """Return the day of the first thing that is due; the end of time when nothing is."""
    return found[0].day if found else date.max


def days_after(day: date, count: int) -> date:
    """Return the day so many days on, or the last of the calendar: a day in an entry is its writer's word."""
    return date.fromordinal(min(day.toordinal() + count, date.max.toordinal()))


def months_after(day: date, months: int) -> date:
    """Return the same day so many months on, or the last of that month where it is shorter.

    It is the last day of the calendar at most: see `days_after`.
    """
    years, month = divmod(day.month - 1 + months, _MONTHS)
    year, month = day.year + years, month + 1
    if year > date.max.year:
        return date.max
    return date(year, month, min(day.day, monthrange(year, month)[1]))
