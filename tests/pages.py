"""Reading of the `data-` attributes of a page, which tell tests what the page shows, in any language."""

import re
from html import unescape


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
