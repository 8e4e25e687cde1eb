"""Reading of the `data-` attributes of a page, which tell tests what the page shows, in any language."""

import re
from html import unescape

from babel.dates import get_month_names


def hooks(page: str, name: str) -> list[str]:
    """Return the values of every `data-` attribute of this name, in the order of the page."""
    return [unescape(value) for value in re.findall(rf'\sdata-{re.escape(name)}="([^"]*)"', page)]


def hook(name: str, value: str) -> str:
    """Return a `data-` attribute as it is written in a page, to find its place in the page."""
    return f'data-{name}="{value}"'


def label_of(page: str, field: str) -> str:
    """Return the words of a field's own label, to find the same words elsewhere."""
    found = re.search(rf'<label for="{field}">(.*?)</label>', page)
    assert found is not None, f"the page has no field {field}"
    return found[1]


_LEAVES_OPEN = re.compile(r"\b(?:or|whether|if|until|cannot see)\b", re.IGNORECASE)


def certain_sentences(page: str, words: re.Pattern[str]) -> list[str]:
    """Return the English sentences of a page that contain these words and leave nothing open."""
    main = page[page.index("<main") : page.index("</main>")]
    text = re.sub(r"<[^>]*>", "", re.sub(r"</(?:p|li|h\d|a|dd|dt|summary)>", ".\n", main))
    sentences = [each.strip() for each in re.split(r"(?<=[.?!])\s", unescape(text))]
    return [each for each in sentences if words.search(each) and not _LEAVES_OPEN.search(each)]


_MONTHS = "|".join(get_month_names("wide", locale=each)[at] for each in ("en", "nl") for at in range(1, 13))
_DAY = re.compile(rf"\d (?:{_MONTHS})\b|\b(?:{_MONTHS}) \d")


def shows_a_day(page: str) -> bool:
    """Return True if a page shows a date in words, in English or Dutch."""
    return _DAY.search(page) is not None
