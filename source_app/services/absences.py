"""Absences of the desk (days without an adviser) that the public pages announce."""

from dataclasses import dataclass
from datetime import date, timedelta

from protocol.letterhead import Letterhead

_AHEAD = timedelta(days=21)  # an absence after that does not matter yet to someone who writes today


@dataclass(frozen=True, slots=True)
class ShownAbsence:
    """Absence of the desk: its first day, its last day, and the first working day after it."""

    since: date
    until: date
    back_on: date
    is_now: bool


def shown_absences(letterhead: Letterhead, today: date) -> tuple[ShownAbsence, ...]:
    """Return the desk's absences that public pages show: those of today and of the next three weeks.

    The absences are sorted by their first day.
    """
    near = [each for each in letterhead.absences if today <= each.until and each.since <= today + _AHEAD]
    return tuple(
        ShownAbsence(
            each.since, each.until, letterhead.working_days_after(each.until, 1), each.since <= today
        )
        for each in sorted(near, key=lambda each: (each.since, each.until))
    )
