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
    """Write down today as the day on which a task ended. If this fails, the old day stays."""
    with suppress(OSError):
        replace_file(store_path.with_name(task), [f"{today} {result}\n".encode("ascii")])


def noted_day(store_path: Path, task: str) -> tuple[date, str]:
    """Return the day on which a task last ended, and its result.

    If nothing was noted, the day is `date.min`.
    """
    with suppress(OSError, ValueError):
        day, result = store_path.with_name(task).read_text("ascii").split()
        return date.fromisoformat(day), result
    return date.min, SOUND


def last_time(thing: str, done: str, day: date, age: int) -> str:
    """Return a sentence such as "The store was last verified on 2027-07-05 (3 days ago).".

    `day` is `date.min` if the task was never done. `age` is the number of days since `day`.
    """
    if day == date.min:
        return f"{thing} was never {done}."
    return f"{thing} was last {done} on {day} ({age} day{'' if age == 1 else 's'} ago)."
