"""Localisation: the adviser's language, and the format of numbers, file sizes and dates in that language."""

from datetime import date

from flask import request
from flask_babel import format_date, format_decimal

LANGUAGES = ("nl", "en")  # the first is the default
LANGUAGE_COOKIE = "language"
_STEP = 1000


def chosen_language() -> str:
    """Return the language of the cookie, or that the browser prefers, or Dutch."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def format_long_day(day: date) -> str:
    """Format a date in words, with the day of the week."""
    return str(format_date(day, "full"))


def format_whole_number(number: int) -> str:
    """Format a whole number with the separators of the language."""
    return str(format_decimal(number))


def format_file_size(size: int) -> str:
    """Format a number of bytes as B, kB, MB, GB or TB, in steps of 1,000."""
    amount = float(size)
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < _STEP:
            break
        amount /= _STEP
        unit = larger
    return f"{format_decimal(amount, '#,##0.#')} {unit}"
