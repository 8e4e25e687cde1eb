"""Localisation: the adviser's language, and numbers, file sizes and dates written in that language."""

from datetime import date

from flask import request
from flask_babel import format_date, format_decimal

LANGUAGES = ("nl", "en")  # Dutch, the first, is the default
LANGUAGE_COOKIE = "language"
_SIZE_UNITS = ("B", "kB", "MB", "GB", "TB")


def chosen_language() -> str:
    """Return the language of the pages: from the cookie, else the browser's preference, else Dutch."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def format_long_day(day: date) -> str:
    """Format a date in words, with the day of the week, in the adviser's language."""
    return str(format_date(day, "full"))


def format_whole_number(number: int) -> str:
    """Format a whole number with the thousands separators of the adviser's language."""
    return str(format_decimal(number))


def format_file_size(size: int) -> str:
    """Format a number of bytes as B, kB, MB, GB or TB, in steps of 1,000."""
    power = min((len(str(size)) - 1) // 3, len(_SIZE_UNITS) - 1)
    return f"{format_decimal(size / 1000**power, '#,##0.#')} {_SIZE_UNITS[power]}"
