"""Reader of the `data-` attributes by which a page names what it shows, whatever its sentences say."""

import html
import re


def marks(page: str, name: str) -> list[str]:
    """Return the values of every `data-name` attribute of a page, in the page's order."""
    return [html.unescape(value) for value in re.findall(rf'\bdata-{name}="([^"]*)"', page)]


def label_of(page: str, field: str) -> str:
    """Return the words of a field's own label, to find the same words elsewhere."""
    found = re.search(rf'<label for="{field}">(.*?)</label>', page)
    assert found is not None, f"the page has no field {field}"
    return found[1]
