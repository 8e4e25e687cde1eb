"""Public holidays of the Netherlands, from the `holidays` library."""

from collections.abc import Iterable
from datetime import date

from crypto.passphrase import DUTCH, Language


def dutch_holidays(years: Iterable[int], language: Language = DUTCH) -> dict[date, str]:
    """Map each public holiday of these years to its name in the adviser's language."""
    from holidays import country_holidays  # noqa: PLC0415  # slow to import, and only the calendar page needs it

    codes = country_holidays("NL").supported_languages
    in_library = next(code for code in codes if code.startswith(language))
    found = country_holidays("NL", years=list(years), language=in_library)
    return dict(sorted(found.items()))
