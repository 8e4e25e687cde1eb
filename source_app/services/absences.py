"""When somebody is there: the desk's absences, as its letterhead tells them to the public. No Flask here."""

from dataclasses import dataclass
from datetime import date, timedelta

from protocol.letterhead import Letterhead

_AHEAD = timedelta(days=21)  # an absence that is further away tells nobody anything yet


@dataclass(frozen=True, slots=True)
class Away:
    """Days, both included, on which nobody answers, and the working day on which somebody is back."""

    since: date
    until: date
    back_on: date
    is_now: bool


def away(letterhead: Letterhead, today: date) -> tuple[Away, ...]:
    """Return the absences of now and of the next three weeks, in order of their first day."""
    near = [
        absence
        for absence in letterhead.absences
        if today <= absence.until and absence.since <= today + _AHEAD
    ]
    return tuple(
        Away(
            absence.since,
            absence.until,
            letterhead.working_days_after(absence.until, 1),
            absence.since <= today,
        )
        for absence in sorted(near, key=lambda absence: (absence.since, absence.until))
    )
