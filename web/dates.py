"""The only two clocks of the house: the day, and the half hour."""

import time
from datetime import UTC, date, datetime

_HALF_HOUR_SECONDS = 1800


def utc_today() -> date:
    """Return today's date in UTC: no time of day is ever kept."""
    return datetime.now(UTC).date()


def half_hour_now() -> int:
    """Return the number of half hours since 1970, the finest clock that is written anywhere."""
    return int(time.time()) // _HALF_HOUR_SECONDS
