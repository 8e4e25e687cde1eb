"""Clocks: a day and a half hour, nothing more precise."""

from datetime import UTC, datetime

from web.dates import half_hour_now, utc_today


def test_today_is_a_day_in_utc() -> None:
    before = datetime.now(UTC).date()
    today = utc_today()

    assert before <= today <= datetime.now(UTC).date()


def test_the_most_precise_clock_counts_half_hours() -> None:
    before = int(datetime.now(UTC).timestamp()) // 1800

    assert before <= half_hour_now() <= int(datetime.now(UTC).timestamp()) // 1800
