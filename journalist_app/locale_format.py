"""How numbers, sizes and days are written in the adviser's language, and which language that is."""

from datetime import date

from flask import request
from flask_babel import format_date, format_decimal

LANGUAGES = ("nl", "en")  # Dutch first: the adviser's
LANGUAGE_COOKIE = "language"
_STEP = 1000


def chosen_language() -> str:
    """Return the language that the adviser chose, or the browser asks for, or Dutch."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def format_long_day(day: date) -> str:
    """Write a day out, with its weekday."""
    return str(format_date(day, "full"))


def format_whole_number(number: int) -> str:
    """Write a whole number with the separators of the language."""
    return str(format_decimal(number))


def format_file_size(size: int) -> str:
    """Write a number of bytes as people say it, in steps of a thousand."""
    amount = float(size)
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < _STEP:
            break
        amount /= _STEP
        unit = larger
    return f"{format_decimal(amount, '#,##0.#')} {unit}"
