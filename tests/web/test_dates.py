"""Clocks count days and half hours, and nothing more precise. Months are added by the calendar."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import web
from web.dates import add_months, half_hour_now, read_day, utc_today


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


@pytest.mark.parametrize(
    "typed", ["2027-07-05", " 2027-07-05\r\n", "\u00a02027-07-05\t", "20270705", "2027-W27-1"]
)
def test_a_typed_day_is_read_in_each_iso_form_with_or_without_white_space(typed: str) -> None:
    assert date(2027, 7, 5) == read_day(typed)


@pytest.mark.parametrize(
    "typed",
    ["", " ", "2027-07", "2027-W27", "2027W27", "2027-W27-8", "2027-W54-1",
     "2027-07-05 2027-07-06", "2027-07-05/09",
     "2027-07-05 t/m 2027-07-09", "2027-07-05T00:00", "2027-07-05.", "2027-02-30", "27-07-05", "5-7-2027",
     "2027-7-5", "\u0662\u0660\u0662\u0667-\u0660\u0667-\u0660\u0665", "\uff12027-07-05", "2027-07-05\0"],
)  # fmt: skip
def test_a_text_that_is_not_one_day_is_refused_whole(typed: str) -> None:
    """Attack: Python reads the week 2027-W27 as its Monday, so one day of the week would be closed."""
    with pytest.raises(ValueError):  # noqa: PT011  # Python's own exceptions have no better name
        read_day(typed)


def test_days_that_people_type_are_read_in_one_place() -> None:
    """These modules read only days that a program wrote."""
    written = {
        "deploy/backup/backup_folder.py",
        "deploy/checking/store_checks.py",
        "deploy/noted_days.py",
        "journalist_app/files/metadata_sentences.py",
        "store/database/schema.py",
        "web/dates.py",
    }
    root = Path(web.__file__).parents[1]
    files = (file for folder in ("deploy", "journalist_app", "report", "source_app", "store", "sync", "web")
             for file in (root / folder).rglob("*.py"))  # fmt: skip

    found = {str(file.relative_to(root)) for file in files if "fromisoformat(" in file.read_text("utf-8")}

    assert written == found
