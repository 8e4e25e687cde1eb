"""Clocks for stored times: today's date and the current half hour."""

import time
from datetime import UTC, date, datetime

_HALF_HOUR_SECONDS = 1800


def utc_today() -> date:
    """Return today's date in UTC. A time of day is never stored."""
    return datetime.now(UTC).date()


def half_hour_now() -> int:
    """Return the number of half hours since 1970, the most precise time that is stored."""
    return int(time.time()) // _HALF_HOUR_SECONDS
