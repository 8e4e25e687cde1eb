"""Typed text of the current request, kept so that an error page can show it to the adviser again."""

from flask import g


def keep_typed_text(*texts: str) -> None:
    """Keep the texts that the adviser typed, in case this request ends with an error page."""
    g.typed = "\n\n".join(each for each in texts if each)


def typed_text() -> str:
    """Return the text that `keep_typed_text` kept in this request, or an empty string."""
    text: str = g.get("typed", "")
    return text
