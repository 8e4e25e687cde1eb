"""Typed text of the current request, kept so that an error page can return it to the adviser."""

from flask import g


def keep_typed_text(*texts: str) -> None:
    """Keep the texts of this request for an error page."""
    g.typed = "\n\n".join(each for each in texts if each)


def typed_text() -> str:
    """Return the kept text, or an empty string."""
    text: str = g.get("typed", "")
    return text
