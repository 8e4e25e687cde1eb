"""Fields and files of the adviser's multipart forms, checked for shape only.

`journalist_app.services` checks whether their content is allowed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from journalist_app.services.mailbox.steps import StepForm
from protocol.content import TEXT_CHARS
from protocol.identifiers import DIGEST_BYTES, ENTRY_ID_BYTES, EntryId
from web.errors import BodyError
from web.multipart import Body, Event, Field, FileBegun, FileBytes, FileEnded, FormLimits, read_parts

PASSPHRASE_CHARS = 500
# A character takes up to four bytes. A text of up to twice the allowed length is returned to the adviser.
FIELDS_BYTES = 2 * 4 * TEXT_CHARS + 16 * 1024
# The rest of a refused form is read and dropped, up to this many times the upload limit. Many browsers show
# no response before they have sent everything, and the returned text would be lost.
DRAIN_TIMES = 2
_OTHER_FIELDS = 60  # token, ids, the four of a step, and the mailbox's files that are ticked
_HEX = re.compile(r"[0-9a-f]*")


@dataclass(slots=True)
class AnswerParts:
    """Fields of a form as they arrived, and its files, which are not read yet."""

    token: str = ""
    entry_id: EntryId | None = None
    seen: bytes | None = None
    text: str = field(default="", repr=False)
    others: dict[str, list[str]] = field(default_factory=dict, repr=False)
    events: Iterator[Event] = field(default=iter(()), repr=False)

    def other(self, name: str) -> str:
        """Return the first value of another field, or an empty string."""
        return self.others.get(name, [""])[0]

    def step(self) -> StepForm:
        """Return the step that the adviser typed with the text."""
        return StepForm(self.other("step"), self.other("step_text"), self.other("next"), self.other("by"))

    def typed(self) -> tuple[str, ...]:
        """Return every text that the adviser typed."""
        return self.text, self.other("step_text"), self.other("next")

    def files(self) -> Iterator[tuple[str, str, Iterator[bytes]]]:
        """Yield the name, media type and pieces of each file. Read each file to its end before the next.

        A browser sends a file without a name when none was chosen. That file is skipped.
        """
        for event in self.events:
            if isinstance(event, FileBegun):
                pieces = self._pieces()
                if event.filename:
                    yield event.filename, event.media_type, pieces
                for _ in pieces:
                    pass

    def _pieces(self) -> Iterator[bytes]:
        for event in self.events:
            if isinstance(event, FileEnded):
                return
            if isinstance(event, FileBytes):
                yield event.piece


def read_answer(body: Body, content_type: str, files: int, into: AnswerParts) -> None:
    """Read the fields before the first file into `into`, which keeps them when the body breaks off.

    Raises:
        BodyError: the body cannot be used.
    """
    # One part more than the limit: the service then reports "too many files", not a malformed body.
    events = read_parts(
        body, content_type, FormLimits(parts=_OTHER_FIELDS + 1 + 2 * files + 1, fields_bytes=FIELDS_BYTES)
    )
    try:
        for event in events:
            if not isinstance(event, Field):
                into.events = chain((event,), events)
                return
            _fill(into, event)
    except BodyError as why:
        if why.unfinished is not None:
            _fill(into, Field(*why.unfinished))
        raise


def _fill(parts: AnswerParts, arrived: Field) -> None:
    match arrived.name:
        case "token":
            parts.token = arrived.text
        case "entry_id":
            raw = bytes_of_hex(arrived.text, ENTRY_ID_BYTES)
            parts.entry_id = None if raw is None else EntryId(raw)
        case "seen":
            parts.seen = b"" if not arrived.text else bytes_of_hex(arrived.text, DIGEST_BYTES)
        case "text":
            parts.text = arrived.text
        case _:
            parts.others.setdefault(arrived.name, []).append(arrived.text)


def bytes_of_hex(text: str, size: int) -> bytes | None:
    """Return the `size` bytes that are written in lower-case hexadecimal digits, or None."""
    return bytes.fromhex(text) if len(text) == 2 * size and _HEX.fullmatch(text) else None
