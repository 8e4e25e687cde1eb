"""Day on which the clean-up last rewrote the whole store, in a small file beside the store."""

from contextlib import suppress
from datetime import date
from pathlib import Path

from store.database.atomic_files import replace_file

_NAME = "last-rewrite"


def note_rewrite(store_path: Path, today: date) -> None:
    """Note that the clean-up rewrote the store today. If the file cannot be written, it keeps its old day."""
    with suppress(OSError):
        replace_file(store_path.with_name(_NAME), [f"{today}\n".encode("ascii")])


def last_rewrite(store_path: Path) -> date:
    """Return the day of the last rewrite, or the first of all days if no rewrite was noted."""
    with suppress(OSError, ValueError):
        return date.fromisoformat(store_path.with_name(_NAME).read_text("ascii").strip())
    return date.min
