"""Text that the adviser typed in the current request, kept so that an error page can show the text again."""

from flask import g


def keep_typed_text(*texts: str) -> None:
    """Remember the texts that the adviser typed, so that an error page of this request can show them."""
    g.typed = "\n\n".join(each for each in texts if each)


def typed_text() -> str:
    """Return the text that the adviser typed in this request, or "" if `keep_typed_text` was not called."""
    text: str = g.get("typed", "")
    return text
