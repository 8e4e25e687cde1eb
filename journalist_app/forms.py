"""What the adviser's forms carry, checked for shape; whether it is allowed is for `services`."""

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
# Every character of a text may take four bytes. Twice as long as allowed still comes back to its writer.
FIELDS_BYTES = 2 * 4 * TEXT_CHARS + 16 * 1024
# How many times the limit of a form is read away once it is refused: many browsers hear nothing before they
# have sent everything, and then a text that came back is lost after all.
DRAIN_TIMES = 2
_OTHER_FIELDS = 60  # token, ids, a step's four, and the files of the mailbox that are ticked
_HEX = re.compile(r"[0-9a-f]*")


@dataclass(slots=True)
class AnswerParts:
    """The fields of a form with files as they arrived, and the files that are still to be read."""

    token: str = ""
    entry_id: EntryId | None = None
    seen: bytes | None = None
    text: str = field(default="", repr=False)
    others: dict[str, list[str]] = field(default_factory=dict, repr=False)
    events: Iterator[Event] = field(default=iter(()), repr=False)

    def other(self, name: str) -> str:
        """Return another field by its name; empty where there was none."""
        return self.others.get(name, [""])[0]

    def step(self) -> StepForm:
        """Return the step that was typed beside the text."""
        return StepForm(self.other("step"), self.other("step_text"), self.other("next"), self.other("by"))

    def typed(self) -> tuple[str, ...]:
        """Return all that was typed in sentences."""
        return self.text, self.other("step_text"), self.other("next")

    def files(self) -> Iterator[tuple[str, str, Iterator[bytes]]]:
        """Yield name, media type and pieces of each file; each must be read to its end before the next.

        A browser whose form had no file chosen sends one without a name: it is passed over.
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
    """Read the fields that stand before the files; `into` keeps what arrived when the body breaks off.

    Raises:
        BodyError: the body cannot be used.
    """
    # One part more than fits, so that one file too many is told from a body that is no form of ours.
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
    """Return `size` bytes written in small hexadecimal digits; None for anything else."""
    return bytes.fromhex(text) if len(text) == 2 * size and _HEX.fullmatch(text) else None
