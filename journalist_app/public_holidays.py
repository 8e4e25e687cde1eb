"""The public holidays of the Netherlands."""

from collections.abc import Iterable
from datetime import date

_SPOKEN = {"nl": "nl", "en": "en_US"}


def dutch_holidays(years: Iterable[int], language: str = "nl") -> dict[date, str]:
    """Return the public holidays of some years with their names, in order."""
    from holidays import country_holidays  # noqa: PLC0415  # large, and for the calendar's page alone

    found = country_holidays("NL", years=list(years), language=_SPOKEN[language])
    return dict(sorted(found.items()))
