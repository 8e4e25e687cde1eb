"""Stories of `stories.toml`: for each invented mailbox, who does what on which day."""

import tomllib
from importlib.resources import files

import msgspec

from crypto.canonical_json import StrictStruct


class Event(StrictStruct, frozen=True):
    """Act of a source or an adviser in a demo mailbox, `day` days before the demo is made.

    `what` names the act. `step`, `next` and `by` (a number of working days) are fields of the adviser's form.
    `file` is the name of a photograph that the source sends.
    """

    day: int
    what: str
    text: str = ""
    file: str = ""
    step: str = ""
    next: str = ""
    by: int = 0


class Story(StrictStruct, frozen=True):
    """Story of one invented mailbox, or of several equal mailboxes if `copies` is more than 1.

    `state` says in which state the mailbox is at the end. `casefile` has fields of the casefile.
    """

    state: str
    language: str
    events: tuple[Event, ...] = ()
    casefile: dict[str, str] = msgspec.field(default_factory=dict)
    reminder: int | None = None  # days until the reminder
    note: str = ""
    copies: int = 1


def load_stories() -> tuple[Story, ...]:
    """Return the stories of `stories.toml`."""
    raw = files(__package__).joinpath("stories.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(raw)["stories"], tuple[Story, ...])
