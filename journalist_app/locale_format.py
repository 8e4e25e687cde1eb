"""Localisation: the adviser's language, and numbers, file sizes and dates written in that language."""

import functools
from datetime import date

from babel import Locale, dates
from flask import g, request
from flask_babel import format_decimal, get_locale, gettext

from crypto.passphrase import DUTCH, ENGLISH, LANGUAGES, Language
from web.languages import known_languages, read_language

LANGUAGE_COOKIE = "language"
_SIZE_UNITS = ("B", "kB", "MB", "GB", "TB")


def chosen_language() -> Language:
    """Return the language of the pages: from the cookie, else the browser's preference, else Dutch."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen not in LANGUAGES:
        chosen = request.accept_languages.best_match(LANGUAGES)
    return ENGLISH if chosen == ENGLISH else DUTCH


@functools.cache
def own_names() -> tuple[tuple[str, str], ...]:
    """Return the code of each language of the source's site, and its name in the language itself."""
    return tuple((code, read_language(code).name) for code in known_languages())


def format_long_day(day: date) -> str:
    """Format a date in words, with the day of the week, in the adviser's language.

    A page that shows such a date also says at what hour each day begins.
    """
    g.shows_days = True
    return _long_day(day, get_locale())


@functools.lru_cache(maxsize=1024)
def _long_day(day: date, locale: Locale | None) -> str:
    return dates.format_date(day, "full", locale)  # a page names the same few days many times


def format_whole_number(number: int) -> str:
    """Format a whole number with the thousands separators of the adviser's language."""
    return str(format_decimal(number))


def format_file_size(size: int) -> str:
    """Format a number of bytes as B, kB, MB, GB or TB, in steps of 1,000."""
    if size == 0:
        return str(gettext("0 B (empty)"))
    power = min((len(str(size)) - 1) // 3, len(_SIZE_UNITS) - 1)
    return f"{format_decimal(size / 1000**power, '#,##0.#')} {_SIZE_UNITS[power]}"
