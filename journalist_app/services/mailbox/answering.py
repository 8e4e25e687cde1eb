"""Sending of an adviser's answer: a text with files, a step, or both together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from types import TracebackType
from typing import Self

import msgspec

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import SendRefusal, SendRefusedError
from journalist_app.services.mailbox import steps
from journalist_app.services.mailbox.pending_files import PendingFiles
from journalist_app.services.mailbox.send_entries import EntrySender, NewWords, message_text
from journalist_app.services.mailbox.steps import StepForm
from protocol.content import AttachmentNote, Content, Kind
from protocol.identifiers import EntryId
from stored_mailbox.entry_form import FormContext


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """Text fields of the adviser's answer form, which arrive before its files.

    If the adviser also filled in a step, the step becomes a separate entry, with the id `step_id`.
    """

    context: FormContext
    text: str
    step: StepForm | None = None
    step_id: EntryId | None = None


class AnswerSender(EntrySender):
    """Sender of one answer of an adviser. The answer's files are encrypted while they arrive.

    Use the sender in a `with` block. If the answer was not sent, its files are deleted at the end of the
    block.
    """

    def __init__(self, desk: OpenDesk, form: ReplyForm, *, today: date, half_hour: int) -> None:
        """Verify the mailbox, and check the answer's text and step before its files arrive.

        Raises:
            SendRefusedError: the text or step is invalid, the form was used for another entry, or the source
                wrote in the meantime.
            MailboxNotFoundError: the store has no such mailbox.
            UnsoundMailboxError: the mailbox failed verification.
        """
        new: list[NewWords] = []
        text = message_text(form.text, is_required=False)
        self._has_text = bool(text)
        if self._has_text:
            new.append(NewWords(form.context.entry_id, Content(kind=Kind.MESSAGE, text=text)))
        if form.step is not None and form.step_id is not None and form.step.is_filled:
            new.append(NewWords(form.step_id, steps.build_manual_step(form.step, desk.letterhead, today)))
        if not new:
            raise SendRefusedError(SendRefusal.TEXT_MISSING)
        super().__init__(desk, form.context, new, today=today)
        self._notes: list[AttachmentNote] = []
        self.pending = PendingFiles(
            desk, form.context.address, self._mailbox_recipient, new[0].entry_id, half_hour=half_hour
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.is_sent:
            self.pending.give_up()

    def add_file(self, name: str, pieces: Iterator[bytes]) -> None:
        """Encrypt and store a file of this answer while it arrives.

        Raises:
            SendRefusedError: TEXT_MISSING (a file needs a text that explains it), TOO_MANY_FILES, or NO_ROOM.
        """
        if not self._has_text:
            raise SendRefusedError(SendRefusal.TEXT_MISSING)
        if len(self._notes) >= self._desk.config.upload_files:
            raise SendRefusedError(SendRefusal.TOO_MANY_FILES)
        self._notes.append(self.pending.add(name, pieces))

    def send(self) -> None:
        """Append the answer's text, files and step to the mailbox in one transaction.

        Raises:
            MailboxNotFoundError: the source has ended the mailbox since the form was shown.
            UnsoundMailboxError: the mailbox failed verification.
            SendRefusedError: the form was used for another entry, or the source wrote in the meantime.
        """
        if self._notes:
            first, *rest = self._new
            content = msgspec.structs.replace(first.content, attachments=tuple(self._notes))
            self._new = (replace(first, content=content), *rest)
        super().send()
