"""The desk's calendar and response times, which a new signed letterhead publishes."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from crypto.errors import MalformedError
from crypto.passphrase import LANGUAGES, Language
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import CalendarRefusal, CalendarRefusedError, LetterheadMovedError
from journalist_app.public_holidays import dutch_holidays
from journalist_app.services.whole_desk.publish_letterhead import sign_next_letterhead, use_letterhead
from protocol.letterhead import Absence, Letterhead
from web.dates import read_day

_NORM_DAYS: Final = range(1, 61)  # the same limits as in the letterhead
_NORM_MONTHS: Final = range(1, 121)
# The letterhead allows ten years of retention; a last message can be read within one.
NUMBERS: Final = {
    "answer_working_days": _NORM_DAYS,
    "confirm_days": _NORM_DAYS,
    "substance_months": _NORM_MONTHS,
    "retention_days": range(1, 366),
    "abandoned_months": _NORM_MONTHS,
}
_ABSENCE_DAYS: Final = 366
ABSENCES_MAX: Final = 50  # half of the letterhead's limit; past absences use the other half
_CLOSED_MAX: Final = 500  # half of the letterhead's limit; past closed days use the other half
_AHEAD: Final = timedelta(days=60)  # warn two months before the last closed day that was entered
_YEARS_KEPT: Final = 2  # past years to keep: a report is made a year later, an answer may be a year late


@dataclass(frozen=True, slots=True)
class Calendar:
    """Calendar and response times of the desk, as the adviser sets them.

    Closed days and absences that are over can be left out. `publish_calendar` adds them again.
    """

    working_days: tuple[int, ...]  # 0 is Monday
    closed_days: tuple[date, ...]
    absences: tuple[tuple[date, date], ...]  # pairs of first and last day
    answer_working_days: int
    confirm_days: int
    substance_months: int
    retention_days: int  # from closing a mailbox to deleting it
    abandoned_months: int  # without any message, until a mailbox is deleted


def current_calendar(desk: OpenDesk, today: date) -> Calendar:
    """Return the calendar in the desk's signed public statement, without past closed days and absences."""
    letterhead = desk.letterhead
    return Calendar(
        letterhead.working_days,
        tuple(sorted(day for day in letterhead.closed_days if day >= today)),
        tuple((each.since, each.until) for each in letterhead.absences if each.until >= today),
        **{name: getattr(letterhead, name) for name in NUMBERS if name != "retention_days"},
        retention_days=letterhead.deletes_after_days,
    )


def publish_calendar(desk: OpenDesk, serial: int, calendar: Calendar, today: date) -> None:
    """Publish this calendar in a new letterhead, the desk's signed public statement, and use it from now on.

    `serial` is the serial of the letterhead whose calendar the adviser changed.

    Raises:
        CalendarRefusedError: the calendar is invalid, and was not published.
        LetterheadMovedError: a newer letterhead was published, so this calendar was not.
        StoreError: the letterhead could not be stored.
    """
    _require_valid(calendar)
    if serial != desk.letterhead.serial:
        raise LetterheadMovedError
    past_days, past_absences = _past_days(desk.letterhead, today)
    absences = {*calendar.absences, *past_absences}
    try:
        with desk.store.writing() as session:
            following = sign_next_letterhead(
                desk,
                session,
                issued=max(today, desk.letterhead.issued),
                working_days=tuple(sorted(set(calendar.working_days))),
                closed_days=tuple(sorted({*calendar.closed_days, *past_days})),
                absences=tuple(Absence(since=since, until=until) for since, until in sorted(absences)),
                **{name: getattr(calendar, name) for name in NUMBERS},
            )
    except MalformedError as why:
        # `_require_valid` has checked everything else.
        raise CalendarRefusedError(CalendarRefusal.NO_WORKING_DAY) from why
    use_letterhead(desk, following)


def holidays_ahead(today: date, language: Language) -> dict[date, str]:
    """Return the public holidays from today to the end of next year, with their names."""
    found = dutch_holidays((today.year, today.year + 1), language)
    return {day: name for day, name in found.items() if day >= today}


def last_closed_day(desk: OpenDesk, today: date) -> date | None:
    """Return the last closed day in the calendar if this day is past, or less than 60 days ahead.

    If the last closed day is later, or the calendar has no closed day, return None.
    """
    # Advisers enter holidays one year at a time. After a forgotten year, sources come back on a holiday.
    last = max(desk.letterhead.closed_days, default=None)
    return last if last is not None and last < today + _AHEAD else None


def holiday_name(day: date, language: Language) -> str:
    """Return the name of the public holiday on this day, or an empty text."""
    return dutch_holidays((day.year,), language).get(day, "")


def parse_days(typed: str) -> tuple[date, ...]:
    """Parse typed days, one on each line or separated by commas.

    Raises:
        CalendarRefusedError: the reason is DAYS: `parse_day` cannot read one of the typed days.
    """
    return tuple(parse_day(line) for line in typed.replace(",", "\n").splitlines() if line.strip())


def parse_day(typed: str) -> date:
    """Parse one typed day such as "2026-12-25", with or without the name of its public holiday.

    Raises:
        CalendarRefusedError: DAYS: the text has no day, a day that does not exist, or something else after
            the day, such as the end of a range.
    """
    day, *name = typed.split(maxsplit=1) or [""]
    try:
        found = read_day(day)
    except ValueError as why:
        raise CalendarRefusedError(CalendarRefusal.DAYS) from why
    if name and " ".join(name[0].split()) not in {holiday_name(found, language) for language in LANGUAGES}:
        raise CalendarRefusedError(CalendarRefusal.DAYS)
    return found


def _past_days(letterhead: Letterhead, today: date) -> tuple[tuple[date, ...], tuple[tuple[date, date], ...]]:
    """Return the past closed days and absences that the desk's next signed letterhead must keep.

    If there are too many, only the newest are kept.
    """
    # The yearly report needs these days, to count the working days until an answer.
    kept = range(date(max(today.year - _YEARS_KEPT, 1), 1, 1).toordinal(), today.toordinal())
    closed = sorted(day for day in letterhead.closed_days if day.toordinal() in kept)
    past = (each for each in letterhead.absences if each.until.toordinal() in kept)
    absences = sorted((each.since, each.until) for each in past)
    return tuple(closed[-_CLOSED_MAX:]), tuple(absences[-ABSENCES_MAX:])


def _require_valid(calendar: Calendar) -> None:
    if not calendar.working_days or not set(calendar.working_days) <= set(range(7)):
        raise CalendarRefusedError(CalendarRefusal.NO_WORKING_DAY)
    if any(getattr(calendar, name) not in allowed for name, allowed in NUMBERS.items()):
        raise CalendarRefusedError(CalendarRefusal.NUMBERS)
    if len(calendar.absences) > ABSENCES_MAX or len(calendar.closed_days) > _CLOSED_MAX:
        raise CalendarRefusedError(CalendarRefusal.TOO_MANY)
    lengths = [until - since for since, until in calendar.absences]
    if any(not timedelta(0) <= length < timedelta(_ABSENCE_DAYS) for length in lengths):
        raise CalendarRefusedError(CalendarRefusal.ABSENCE)
