"""Clocks count days and half hours, and nothing more precise. Months are added by the calendar."""

from datetime import UTC, date, datetime

import pytest

from web.dates import add_months, half_hour_now, utc_today


def test_today_is_a_day_in_utc() -> None:
    before = datetime.now(UTC).date()
    today = utc_today()

    assert before <= today <= datetime.now(UTC).date()


def test_the_most_precise_clock_counts_half_hours() -> None:
    before = int(datetime.now(UTC).timestamp()) // 1800

    assert before <= half_hour_now() <= int(datetime.now(UTC).timestamp()) // 1800


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2027, 11, 30), 3, date(2028, 2, 29)),
        (date(2026, 10, 31), 2, date(2026, 12, 31)),
        (date(2026, 1, 15), 12, date(2027, 1, 15)),
        (date(2026, 12, 1), 11, date(2027, 11, 1)),
        (date(2027, 3, 31), -12, date(2026, 3, 31)),
        (date(2027, 3, 31), -1, date(2027, 2, 28)),
        (date(2028, 3, 31), -1, date(2028, 2, 29)),
        (date(2027, 1, 15), -1, date(2026, 12, 15)),
        (date(2027, 12, 31), -13, date(2026, 11, 30)),
        (date(2027, 1, 1), -1200, date(1927, 1, 1)),
        (date(1, 1, 1), -1, date.min),
        (date(9999, 9, 30), 3, date(9999, 12, 30)),
        (date(9999, 10, 1), 3, date.max),
    ],
)
def test_months_are_counted_by_the_calendar(day: date, months: int, expected: date) -> None:
    assert expected == add_months(day, months)
