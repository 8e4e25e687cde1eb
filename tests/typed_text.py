"""Reading of a page, to find texts that a person typed and that could turn the text around them."""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

from flask import Flask, Response

MARK = "\u0645\u0631\u062d\u0628\u0627"  # Arabic for hello: written from right to left
_VOID = {"br", "hr", "img", "input", "link", "meta"}


def typed(kind: str) -> str:
    """Return a text as a person types it, of which a test can find the kind in a page."""
    return f"{MARK}-{kind}"


def kinds_of(page: str) -> set[str]:
    """Return the kinds of typed texts that a page shows."""
    return set(re.findall(rf"{MARK}-(\w+)", unescape(page)))


def not_isolated(page: str) -> list[str]:
    """Return the typed texts of a page that are in no element with a direction of its own."""
    reader = _Reader()
    reader.feed(page)
    return reader.found


def keep_pages(app: Flask) -> list[str]:
    """Return a list to which the app adds each page that it makes from now on."""
    shown: list[str] = []

    def keep(answer: Response) -> Response:
        if answer.mimetype == "text/html" and answer.location is None:
            shown.append(answer.get_data(as_text=True))
        return answer

    app.after_request_funcs.setdefault(None, []).append(keep)
    return shown


def check_lines_have_directions(folder: Path) -> None:
    """Check that in all texts and fields of the app in this folder, each line has its own direction."""
    for template in (folder / "templates").rglob("*.html"):
        for field in re.findall(r"<textarea\b[^>]*>", template.read_text("utf-8")):
            assert 'dir="auto"' in field, template.name
    assert "[dir=auto] { unicode-bidi: plaintext; }" in (folder / "static" / "style.css").read_text("utf-8")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        has_direction = tag == "bdi" or given.get("dir") == "auto"
        if not has_direction and given.get("type") != "hidden":
            self.found += [f"{tag} {name}={value}" for name, value in attrs if MARK in (value or "")]
        if tag not in _VOID:
            self._open.append((tag, has_direction))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if MARK in data and not any(has_direction for _, has_direction in self._open):
            self.found.append(" ".join(data.split()))
