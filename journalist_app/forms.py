"""Reader of the adviser's multipart forms: text fields first, then files.

It checks only the shape of the fields. `journalist_app.services` checks whether the content of the fields and
files is allowed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from journalist_app.services.mailbox.steps import StepForm
from protocol.content import TEXT_CHARS
from web.errors import BodyError
from web.form_limits import HEADS_BYTES, TOKEN_BYTES
from web.multipart import Body, Event, Field, FileBegun, FileBytes, FileEnded, FormLimits, read_parts

PASSPHRASE_CHARS = 500
SHORT_BYTES = 16 * 1024  # of a text of some sentences
# A character takes up to four bytes. A text that is too long, up to twice the allowed length, is still read,
# so that the page can show it to the adviser again.
TEXT_BYTES = 2 * 4 * TEXT_CHARS
CONTEXT_FIELDS = {"token": TOKEN_BYTES, "entry_id": TOKEN_BYTES, "heads": HEADS_BYTES}
# Fields of a form with a text and a step. A step has short texts.
STEP_FIELDS = {
    **CONTEXT_FIELDS,
    "text": TEXT_BYTES,
    "step": TOKEN_BYTES,
    "step_text": SHORT_BYTES,
    "next": SHORT_BYTES,
    "by": TOKEN_BYTES,
}
ANSWER_FIELDS = {
    **STEP_FIELDS,
    "step_id": TOKEN_BYTES,
    "fingerprint": TOKEN_BYTES,
    "template": TOKEN_BYTES,
    "help": TOKEN_BYTES,
}
TICKED_FILES = 60  # fields of an answer form or a proposal form that name a file of the mailbox
# The rest of a refused form is read and discarded, up to this many times the upload limit. Many browsers show
# no response before they have sent the whole form, and the adviser would lose the typed text.
DRAIN_TIMES = 2
_HEX = re.compile(r"[0-9a-f]*")


@dataclass(slots=True)
class AnswerParts:
    """Text fields of a submitted form, and the form's files, which are read later."""

    fields: dict[str, list[str]] = field(default_factory=dict, repr=False)
    events: Iterator[Event] = field(default=iter(()), repr=False)

    def first(self, name: str) -> str:
        """Return the first value of a text field, or an empty string if the field was not sent."""
        return self.fields.get(name, [""])[0]

    def step(self) -> StepForm:
        """Return the typed fields of a step: its kind, a sentence, the next step and the day.

        A step tells the source what the desk has done and what happens next.
        """
        return StepForm(*map(self.first, ("step", "step_text", "next", "by")))

    def typed(self) -> tuple[str, ...]:
        """Return every text that the adviser typed in the form, so that an error page can show it again."""
        return self.first("text"), self.first("step_text"), self.first("next")

    def files(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield the name and the pieces of each file. The caller may leave pieces unread.

        When the adviser chose no file, the browser sends a file without a name and without bytes. Such a file
        is skipped.
        """
        for event in self.events:
            if isinstance(event, FileBegun):
                pieces = self._pieces()
                first = [*islice(pieces, 1)]
                if event.filename or first:
                    yield event.filename, chain(first, pieces)
                for _ in pieces:
                    pass

    def _pieces(self) -> Iterator[bytes]:
        for event in self.events:
            if isinstance(event, FileEnded):
                return
            if isinstance(event, FileBytes):
                yield event.piece


def read_answer(body: Body, content_type: str, files: int, into: AnswerParts) -> None:
    """Read the text fields of a submitted form into `into`, up to the first file.

    The files are read later, from `into.events`.

    Raises:
        BodyError: the body is malformed, too large or cut off, and `into` has the text before the fault.
    """
    # Allow one part more than the limit, so that the service can report "too many files".
    limits = FormLimits(len(ANSWER_FIELDS) + TICKED_FILES + 2 * files + 1, ANSWER_FIELDS)
    events = read_parts(body, content_type, limits)
    try:
        for event in events:
            if not isinstance(event, Field):
                into.events = chain((event,), events)
                return
            into.fields.setdefault(event.name, []).append(event.text)
    except BodyError as why:
        if why.unfinished is not None:
            name, text = why.unfinished
            into.fields.setdefault(name, []).append(text)
        raise


def bytes_of_hex(text: str, size: int) -> bytes | None:
    """Decode lower-case hexadecimal digits. Return None if the text is not exactly `size` bytes in hex."""
    return bytes.fromhex(text) if len(text) == 2 * size and _HEX.fullmatch(text) else None
