"""Days on which long tasks last ended, each in a small file beside the store, such as `last-rewrite`."""

from contextlib import suppress
from datetime import date
from pathlib import Path

from store.database.atomic_files import replace_file

REWRITTEN = "last-rewrite"  # the clean-up rewrote the whole store
VERIFIED = "last-verified"  # `steunpunt store verify` verified the whole store
REHEARSED = "last-rehearsal"  # the operator restored a backup on another machine, to see that it can be done
SOUND, UNSOUND = "sound", "unsound"


def note_day(store_path: Path, task: str, today: date, result: str = SOUND) -> None:
    """Note that a task ended today. If the file cannot be written, it keeps its old day."""
    with suppress(OSError):
        replace_file(store_path.with_name(task), [f"{today} {result}\n".encode("ascii")])


def noted_day(store_path: Path, task: str) -> tuple[date, str]:
    """Return the day on which a task last ended, and its result. Without a note, the day is `date.min`."""
    with suppress(OSError, ValueError):
        day, result = store_path.with_name(task).read_text("ascii").split()
        return date.fromisoformat(day), result
    return date.min, SOUND


def last_time(day: date, age: int) -> str:
    """Return words such as "last, 3 days ago on 2030-01-05,", or "never" if a task never ended.

    A verb must follow the words, such as "made". `day` is the day on which the task last ended, and `age` is
    the number of days since then.
    """
    return "never" if day == date.min else f"last, {age} days ago on {day},"
