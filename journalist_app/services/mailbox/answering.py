"""Answering: a text with its files, a step, or both together."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import SendRefusal, SendRefusedError
from journalist_app.services.mailbox import steps
from journalist_app.services.mailbox.send_entries import AdviserFormContext, EntrySender, NewEntry
from journalist_app.services.mailbox.steps import StepForm
from protocol.content import TEXT_CHARS, Content, Kind
from protocol.identifiers import Address, EntryId


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """What the answer form carried before its files.

    `seen` is the digest of the source's newest utterance shown. The step, an entry of its own, has an id of
    its own, `step_id`.
    """

    address: Address
    entry_id: EntryId
    seen: bytes
    text: str
    step: StepForm | None = None
    step_id: EntryId | None = None


class AnswerSender(EntrySender):
    """An answer under way; see `Sending`. Text and step reach the source together or not at all."""

    def __init__(self, desk: OpenDesk, form: ReplyForm, *, today: date, half_hour: int) -> None:
        """Check everything that can be checked before a file arrives.

        Raises:
            TextMissingError, TextOverLimitError: the text cannot be sent.
            StepMissingError, StepOverLimitError, DayUnreadableError, DayPastError, DayClosedError: nor the
                step.
            MailboxMissingError: there is no such mailbox.
            UnsoundMailboxError: something in it fails verification.
            AnotherTextError: the form was used for another text.
            SourceWroteError: the source's newest utterance is not the one that the adviser saw.
        """
        wanted: list[NewEntry] = []
        self._has_text = False
        text = form.text.replace("\r\n", "\n").strip("\n")
        if len(text) > TEXT_CHARS:
            raise SendRefusedError(SendRefusal.TEXT_TOO_LONG)
        if text.strip():
            self._has_text = True
            wanted.append((form.entry_id, Content(kind=Kind.MESSAGE, text=text)))
        if form.step is not None and form.step_id is not None and form.step.is_filled:
            wanted.append((form.step_id, steps.build_manual_step(form.step, desk.letterhead, today)))
        if not wanted:
            raise SendRefusedError(SendRefusal.TEXT_MISSING)
        super().__init__(
            desk,
            AdviserFormContext(form.address, wanted[0][0], form.seen),
            wanted,
            today=today,
            half_hour=half_hour,
        )

    def add_file(self, name: str, media_type: str, pieces: Iterator[bytes]) -> None:
        """Seal a file while it arrives, and store it as pending.

        Raises:
            TextMissingError: there is a step alone; a file needs a text that says what it is.
            TooManyFilesError: there are as many as an answer may carry.
            FileOverRoomError: the mailbox or the store has no room for it.
        """
        if not self._has_text:
            raise SendRefusedError(SendRefusal.TEXT_MISSING)
        super().add_file(name, media_type, pieces)
