"""What was typed, kept for the page that says that the store failed."""

from flask import g


def keep_typed_text(*texts: str) -> None:
    """Keep what was typed in this request: should the store be gone, its page gives it back."""
    g.typed = "\n\n".join(each for each in texts if each)


def typed_text() -> str:
    """Return what was kept; empty where nothing was typed."""
    text: str = g.get("typed", "")
    return text
