"""Date and time: today's date, the current half hour, adding months to a day, and days that people type."""

import re
import time
from calendar import monthrange
from datetime import UTC, date, datetime

_HALF_HOUR_SECONDS = 1800
_MONTHS = 12
_DAY = re.compile("[0-9]{4}-?(?:[0-9]{2}-?[0-9]{2}|W[0-9]{2}-?[1-7])")


def utc_today() -> date:
    """Return today's date in UTC."""
    return datetime.now(UTC).date()


def half_hour_now() -> int:
    """Return the number of half hours since 1970 in UTC. The project stores no time with more precision."""
    return int(time.time()) // _HALF_HOUR_SECONDS


def half_hour_of(moment: datetime) -> int:
    """Return the number of half hours from 1970 in UTC until a moment."""
    return int(moment.timestamp()) // _HALF_HOUR_SECONDS


def next_half_hour() -> datetime:
    """Return the moment, in UTC, at which the next half hour begins."""
    return datetime.fromtimestamp((half_hour_now() + 1) * _HALF_HOUR_SECONDS, UTC)


def read_day(typed: str) -> date:
    """Read a day that a person typed as in ISO 8601, such as "2027-07-05". White space around it is left out.

    Raises:
        ValueError: any other text, such as a week, a range or two days.
    """
    # Python alone reads a week, such as "2027-W27", as the first day of the week.
    day = typed.strip()
    if not _DAY.fullmatch(day):
        raise ValueError
    return date.fromisoformat(day)


def add_months(day: date, months: int) -> date:
    """Return the date that is a number of months after `day`. A negative number counts back.

    If the target month is too short, the result is its last day. The result is limited to `date.min` and
    `date.max`.
    """
    year, month = divmod(day.year * _MONTHS + day.month - 1 + months, _MONTHS)
    if year < date.min.year:
        return date.min
    if year > date.max.year:
        return date.max
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
