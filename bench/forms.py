"""Find a form in a page and fill it in, as a browser would."""

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
    """The page is not the one that was expected; the message is its status and title, never its text."""


@dataclass(frozen=True, slots=True)
class Form:
    """Where a form goes, and the hidden fields that go with it."""

    action: str
    hidden: Mapping[str, str]

    def filled(self, fields: Mapping[str, str]) -> bytes:
        """Return the URL-encoded body."""
        return urlencode({**self.hidden, **fields}).encode()

    def upload(self, fields: Mapping[str, str], file_bytes: int = 0, file_field: str = "files") -> Upload:
        """Return the multipart body, with one file of `file_bytes` made on the fly."""
        return Upload({**self.hidden, **fields}, file_field, file_bytes)


def form_to(page: Answer, path: str, *, ending: str) -> Form:
    """Return the form of a page whose action ends so; `path` is where the page came from.

    Raises:
        NoFormError: there is none.
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
