"""Forms of a page: find one and fill it in, as a browser would."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from bench.browser import Answer, Upload

URLENCODED = "application/x-www-form-urlencoded"
_FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL | re.IGNORECASE)
_INPUT = re.compile(r"<input\b([^>]*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"', re.IGNORECASE)


class NoFormError(Exception):
    """The page does not have the expected form.

    The message has the status and the title of the page, never its text.
    """


@dataclass(frozen=True, slots=True)
class Form:
    """Form of a page: its action and its hidden fields."""

    action: str
    hidden: Mapping[str, str]

    def filled(self, fields: Mapping[str, str]) -> bytes:
        """Return the URL-encoded body of the form with these fields filled in."""
        return urlencode({**self.hidden, **fields}).encode()

    def upload(self, fields: Mapping[str, str], file_bytes: int = 0, file_field: str = "files") -> Upload:
        """Return the multipart body, with one generated file of `file_bytes`."""
        return Upload({**self.hidden, **fields}, file_field, file_bytes)


def form_to(page: Answer, path: str, *, ending: str) -> Form:
    """Return the form whose action has this ending. `path` is the path of the page.

    Raises:
        NoFormError: the page has no such form.
    """
    text = page.body.decode()
    for found in _FORM.finditer(text):
        action = html.unescape(dict(_ATTRIBUTE.findall(found[1])).get("action", path))
        if action.endswith(ending):
            fields = [dict(_ATTRIBUTE.findall(field[1])) for field in _INPUT.finditer(found[2])]
            hidden = {
                field["name"]: html.unescape(field.get("value", ""))
                for field in fields
                if field.get("type") == "hidden"
            }
            return Form(action, hidden)
    title = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
    raise NoFormError(f"{path}: {page.status}, {title[1].strip() if title else 'no title'}")
