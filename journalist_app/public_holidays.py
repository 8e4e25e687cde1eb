"""Public holidays of the Netherlands, from the `holidays` library."""

from collections.abc import Iterable
from datetime import date

_LIBRARY_LANGUAGES = {"nl": "nl", "en": "en_US"}


def dutch_holidays(years: Iterable[int], language: str = "nl") -> dict[date, str]:
    """Map each public holiday of these years to its name in `language` ("nl" or "en")."""
    from holidays import country_holidays  # noqa: PLC0415  # slow to import, and only the calendar page needs it

    found = country_holidays("NL", years=list(years), language=_LIBRARY_LANGUAGES[language])
    return dict(sorted(found.items()))
