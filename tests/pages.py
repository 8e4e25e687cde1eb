"""Read the `data-` hooks by which a page tells tests what it says, whatever its words are."""

import re
from html import unescape


def hooks(page: str, name: str) -> list[str]:
    """Return the values of every `data-` attribute of this name, in the order of the page."""
    return [unescape(value) for value in re.findall(rf'\sdata-{re.escape(name)}="([^"]*)"', page)]


def hook(name: str, value: str) -> str:
    """Return the attribute as it is written in a page, to find its place."""
    return f'data-{name}="{value}"'


def label_of(page: str, field: str) -> str:
    """Return the words of a field's own label, to find the same words elsewhere."""
    found = re.search(rf'<label for="{field}">(.*?)</label>', page)
    assert found is not None, f"the page has no field {field}"
    return found[1]
