"""Program that reads an e-mail message in the sandbox: writes its headers, its text and a list of its files.

It needs only Python's standard library, and is given to the sandbox as a text. The output is JSON.
"""

import email
import json
import re
import sys
from email import policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import cast

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_LONGEST = 2000  # characters of one header that are shown
_HIDDEN = frozenset({"script", "style", "head", "title", "template"})
_SPACE = re.compile(r"\s+")  # a search for two line breaks in it would take the square of its length
_BLOCKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "table", "blockquote"})


class _Words(HTMLParser):
    """Text of a message in HTML, without its layout."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        if tag in _BLOCKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(_SPACE.sub(" ", data))


def _clean(text: str) -> str:
    """Return a text in which bytes that Python could not decode are replaced."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _text(part: EmailMessage | None) -> str:
    if part is None:
        return ""
    raw = cast("bytes", part.get_payload(decode=True)) or b""
    try:
        text = raw.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        text = raw.decode("utf-8", "replace")
    if part.get_content_subtype() != "html":
        return text
    words = _Words()
    words.feed(text)
    return _SPACE.sub(_without_blank_lines, "".join(words.words)).strip()


def _without_blank_lines(space: re.Match[str]) -> str:
    return "\n\n" if space[0].count("\n") > 1 else space[0]


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(each) for each in message.get_all(name, []))[:_LONGEST]
    except (ValueError, IndexError, AttributeError):  # some hostile headers stop Python's parser
        return ""


def _read(raw: bytes) -> dict[str, object]:
    message = email.message_from_bytes(raw, policy=policy.default)
    body = message.get_body(("plain", "html"))
    files = [
        (each.get_filename() or each.get_content_type(), len(each.get_payload(decode=True) or b""))
        for each in message.walk()
        if each is not body and not each.is_multipart() and (each.get_filename() or body is not None)
    ]
    headers = [(name, _header(message, name)) for name in _HEADERS]
    return {
        "headers": [(name, _clean(value)) for name, value in headers if value],
        "text": _clean(_text(cast("EmailMessage | None", body))),
        "files": [(_clean(name), size) for name, size in files],
    }


if __name__ == "__main__":
    print(json.dumps(_read(Path(sys.argv[1]).read_bytes())))  # noqa: T201  # the sandbox's output
