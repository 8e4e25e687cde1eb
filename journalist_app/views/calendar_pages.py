"""Page on which the adviser changes and publishes the desk's calendar and response times."""

from datetime import date
from itertools import zip_longest
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.forms import SHORT_BYTES
from journalist_app.locale_format import chosen_language
from journalist_app.requests import kept_text
from journalist_app.requests.access import require_our_form, unlocked
from journalist_app.requests.form_context import adviser_today
from journalist_app.requests.refusal_status import REFUSALS, reason_and_status
from journalist_app.services.whole_desk import desk_calendar
from journalist_app.services.whole_desk.desk_calendar import NUMBERS, Calendar
from web.form_limits import TOKEN_BYTES, takes

bp = Blueprint("calendar", __name__)
_ROWS_LEFT = 3  # empty rows below the absences, to fill in more
_ROWS_MAX = 60
_FIELDS_MAX = 2 * (_ROWS_MAX + _ROWS_LEFT) + 7 + len(NUMBERS)  # rows, working days and numbers


@bp.get("/calendar")
@unlocked
def show_calendar(desk: OpenDesk) -> ResponseReturnValue:
    """Show the form for the desk's calendar, filled with the calendar that sources see now."""
    return _page(desk, _typed_of(desk_calendar.current_calendar(desk, adviser_today())))


@bp.post("/calendar")
@takes(more=_FIELDS_MAX, token=TOKEN_BYTES, serial=TOKEN_BYTES, closed=SHORT_BYTES, holidays=TOKEN_BYTES)
@unlocked
def change_calendar(desk: OpenDesk) -> ResponseReturnValue:
    """Publish the desk's calendar, or add the public holidays to the form.

    The pressed button decides which of the two. If the calendar is refused, the form is shown again with the
    typed values.
    """
    typed = _typed()
    kept_text.keep_typed_text(typed["closed"], *map(" ".join, typed["absences"]))
    today = adviser_today()
    try:
        require_our_form("calendar")
        if "holidays" in request.form:
            filled = {**typed, "closed": _with_holidays(typed["closed"], today)}
            return _page(desk, filled, is_filled=True)
        desk_calendar.publish_calendar(desk, request.form.get("serial", 0, type=int), _calendar(typed), today)
    except REFUSALS as why:
        return _page(desk, typed, refused=why)
    return redirect(url_for("calendar.show_calendar", kept=1), code=303)


def _typed() -> dict[str, Any]:
    form = request.form
    return {
        "weekdays": form.getlist("weekday"),
        "closed": form.get("closed", ""),
        "absences": list(zip_longest(form.getlist("since"), form.getlist("until"), fillvalue="")),
        **{name: form.get(name, "") for name in NUMBERS},
    }


def _typed_of(kept: Calendar) -> dict[str, Any]:
    return {
        "weekdays": [str(day) for day in kept.working_days],
        "closed": "\n".join(_line(day) for day in kept.closed_days),
        "absences": [(since.isoformat(), until.isoformat()) for since, until in kept.absences],
        **{name: str(getattr(kept, name)) for name in NUMBERS},
    }


def _line(day: date) -> str:
    """Return one line of the calendar form: a date, and its name if the date is a public holiday."""
    return f"{day.isoformat()} {desk_calendar.holiday_name(day, chosen_language())}".strip()


def _with_holidays(typed: str, today: date) -> str:
    ahead = desk_calendar.holidays_ahead(today, chosen_language())
    new = [_line(day) for day in ahead if day.isoformat() not in typed]
    return "\n".join((typed.rstrip(), *new)).strip()


def _calendar(typed: dict[str, Any]) -> Calendar:
    absences = []
    for since, until in typed["absences"]:
        if since.strip() or until.strip():
            parse_day = desk_calendar.parse_day
            absences.append((parse_day(since or until), parse_day(until or since)))
    return Calendar(
        tuple(_number(day) for day in typed["weekdays"]),
        desk_calendar.parse_days(typed["closed"]),
        tuple(absences),
        *(_number(typed[name]) for name in NUMBERS),
    )


def _number(typed: str) -> int:
    """Parse a typed number of at most four digits. For any other text, return -1, which no field allows."""
    text = typed.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else -1  # noqa: PLR2004  # four digits


def _page(
    desk: OpenDesk, typed: dict[str, Any], *, refused: Exception | None = None, is_filled: bool = False
) -> ResponseReturnValue:
    refusal, status = reason_and_status(refused)
    page = render_template(
        "calendar/show.html",
        typed=typed,
        rows=[*typed["absences"], *[("", "")] * _ROWS_LEFT],
        serial=desk.letterhead.serial,
        refusal=refusal,
        is_filled=is_filled,
        is_kept="kept" in request.args,
        closed_until=desk_calendar.last_closed_day(desk, adviser_today()),
    )
    return page, status
