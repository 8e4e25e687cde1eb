"""Language of the current page: its code, its translations, and its dates."""

from datetime import date
from typing import cast

from babel import dates
from flask import current_app, g, request
from flask_babel import LazyString
from markupsafe import Markup

from web.languages import PageLanguage


def site_languages() -> dict[str, PageLanguage]:
    """Return a dict from codes to the languages of this site, in the order of the settings."""
    return cast("dict[str, PageLanguage]", current_app.extensions["languages"])


def language_of_request() -> str:
    """Return the language in the URL, or the browser's preferred language if the URL has no language."""
    if "lang" not in g:
        codes = list(site_languages())
        first = request.path.split("/")[1]  # an address without a view, such as /nl/x, has a language too
        g.lang = first if first in codes else request.accept_languages.best_match(codes, default=codes[0])
    return str(g.lang)


def page_language() -> PageLanguage:
    """Return the language of the current page."""
    # One page asks about fifty times.
    try:
        return cast("PageLanguage", g.page_language)
    except AttributeError:
        g.page_language = site_languages()[language_of_request()]
        return cast("PageLanguage", g.page_language)


def gettext(text: str) -> str:
    """Return HTML of a sentence in the page's language, or in English if there is no translation."""
    return page_language().translations.gettext(text)


def sentence(text: str, **values: object) -> Markup:
    """Return `gettext(text)` for a template, with these values in the sentence."""
    found = Markup(gettext(text))  # noqa: S704  # the sentence comes from a catalogue
    return found % values if values else found


def counted_sentence(one: str, many: str, num: int, **values: object) -> Markup:
    """Return HTML of a sentence with a number in the page's language, or in English, for a template."""
    found = page_language().translations.ngettext(one, many, num)
    return Markup(found) % {"num": num, **values}  # noqa: S704  # the sentence comes from a catalogue


def without_tags(sentence: str) -> str:
    """Return a translated sentence as plain text, for a response that is not HTML."""
    return Markup(sentence).striptags()  # noqa: S704  # the sentence comes from a catalogue


def lazy_gettext(text: str) -> LazyString:
    """Return an object that becomes the translated sentence when a page shows it."""
    return LazyString(gettext, text)


def day_text(day: date, form: str) -> str:
    """Return a date as text in the page's language.

    `form` is "full" (with the day of the week), "long", or "day" (without the year).
    """
    g.shows_days = True  # so the page says when its days begin
    locale = page_language().locale
    if form == "day":
        return dates.format_skeleton("MMMMd", day, locale=locale)
    return dates.format_date(day, form, locale)
