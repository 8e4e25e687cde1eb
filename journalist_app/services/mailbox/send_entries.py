"""Sending of the desk's new messages, steps and proposals, after the mailbox was verified again.

The append is refused if the source wrote or removed something that the adviser's page did not show.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from crypto.age import PQRecipient
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import (
    Conversation,
    OpenedEntry,
    conversation_of,
    heads_shown,
    is_from_source,
    require_answerable,
)
from journalist_app.errors import MailboxNotFoundError, SendRefusal, SendRefusedError
from journalist_app.services.mailbox import count_for_report
from protocol import entry
from protocol.content import TEXT_CHARS, Content
from protocol.entry import SignedEntry
from protocol.envelope import EntryClass
from protocol.heads import Head, Heads
from protocol.identifiers import Digest, EntryId
from protocol.transcript.check import head_of
from protocol.transcript.closing import closed_until
from store.errors import NoSuchMailboxError
from stored_mailbox.appending import NewEntry, PreparedAppend, append_entries
from stored_mailbox.entry_form import FormContext
from web.normal_text import trim


@dataclass(frozen=True, slots=True)
class NewWords:
    """Content of a new entry of the desk, such as a message, that is ready to be sent.

    If the entry closes the mailbox, `due` is the day from which the mailbox may be deleted.
    """

    entry_id: EntryId
    content: Content
    due: date | None = None


Precondition = Callable[[Conversation, tuple[OpenedEntry, ...]], None]


def message_text(typed: str, *, is_required: bool = True) -> str:
    """Check the length of a typed message, and return it without the line ends before and after it.

    Raises:
        SendRefusedError: the text is longer than 50,000 characters, or a required text is missing.
    """
    text = typed.replace("\r\n", "\n").strip("\n")
    if len(text) > TEXT_CHARS:
        raise SendRefusedError(SendRefusal.TEXT_TOO_LONG)
    if is_required and not trim(text):
        raise SendRefusedError(SendRefusal.TEXT_MISSING)
    return text if trim(text) else ""


class EntrySender:
    """Sender of one or more new entries of the desk, which are appended all together or not at all.

    If the same entries were sent before, for example by a double click, a new sender has `is_sent` True.
    """

    def __init__(
        self,
        desk: OpenDesk,
        form_context: FormContext,
        new: Sequence[NewWords],
        *,
        today: date,
        precondition: Precondition | None = None,
    ) -> None:
        """Verify the mailbox, and check that the form's page showed all that the source wrote or removed.

        `precondition` is called before every attempt to append. If it raises an exception, nothing is stored.

        Raises:
            MailboxNotFoundError: the store has no such mailbox.
            UnsoundMailboxError: the mailbox has a fault that forbids the desk to write.
            SendRefusedError: the form was used for another entry, or the source wrote or removed something in
                the meantime.
        """
        self.is_sent = False
        self._desk = desk
        self._form_context = form_context
        self._new = tuple(new)
        self._today = today
        self._precondition = precondition
        self._signed: tuple[SignedEntry, ...] = ()
        self._mailbox_recipient = self._verify().mailbox.recipient

    def send(self) -> None:
        """Encrypt and sign the new entries, and store them in the mailbox in one transaction.

        Their files were uploaded earlier. Nothing is stored if the same entries are in the mailbox already.

        Raises:
            MailboxNotFoundError: the mailbox has ended since the form was shown.
            UnsoundMailboxError: the mailbox has a fault that forbids the desk to write.
            SendRefusedError: the form was used for another entry, or the source wrote or removed something in
                the meantime.
        """
        try:
            append_entries(self._desk.store, self._prepare)
        except NoSuchMailboxError as why:
            raise MailboxNotFoundError from why
        self.is_sent = True
        # Verifies the mailbox, and remembers the new entries.
        count_for_report.save_counts(self._desk, conversation_of(self._desk, self._form_context.address))
        self._desk.save()

    def _prepare(self) -> PreparedAppend | None:
        conversation = self._verify()
        if self.is_sent:
            return None
        self._signed = self._sign(conversation)
        files = [[note.id for note in each.content.attachments] for each in self._new]
        new = [NewEntry(*each) for each in zip(self._signed, files, strict=True)]
        return PreparedAppend(conversation.mailbox, new)

    def _verify(self) -> Conversation:
        conversation, opened = require_answerable(self._desk, self._form_context.address)
        if self._was_sent(opened):
            self.is_sent = True
            return conversation
        refuse_if_source_wrote(self._desk, self._form_context, conversation, opened)
        if self._precondition is not None:
            self._precondition(conversation, opened)
        return conversation

    def _was_sent(self, opened: tuple[OpenedEntry, ...]) -> bool:
        """Return True if this form's entries are in the mailbox already, with the same content.

        Raises:
            SendRefusedError: the mailbox has an entry of this form with other content, or only some of its
                entries.
        """
        new = {each.entry_id: each.content for each in self._new}
        there = [each for each in opened if each.signed.envelope.entry_id in new]
        if any(not _has_content(each, new[each.signed.envelope.entry_id]) for each in there):
            raise SendRefusedError(SendRefusal.FORM_REUSED)
        if 0 < len(there) < len(new):
            raise SendRefusedError(SendRefusal.FORM_REUSED)
        return bool(there)

    def _sign(self, conversation: Conversation) -> tuple[SignedEntry, ...]:
        """Encrypt and sign the new entries with this workstation's keys, in order.

        Each entry names the entry before it. In a retry, the encrypted entries are only signed again.
        """
        writer = self._desk.keyring.desk_writer
        shown = [head for head in self._form_context.heads if head.strand != writer.strand]
        unseen = tuple(head for head in self._form_context.unseen if head.strand != writer.strand)
        own = own_tips(self._desk, conversation)
        signed: list[SignedEntry] = []
        for place, new in enumerate(self._new):
            heads = tuple(sorted({*shown, *own}))
            if self._signed:
                before = self._signed[place]
                each = entry.sign_again(before, by=writer, heads=heads, unseen=unseen, day=self._today)
            else:
                each = entry.seal_words(
                    new.content,
                    address=conversation.address,
                    mailbox_recipient=PQRecipient.from_bytes(conversation.mailbox.recipient),
                    letterhead=self._desk.letterhead,
                    by=writer,
                    entry_id=new.entry_id,
                    heads=heads,
                    unseen=unseen,
                    day=self._today,
                    due=new.due,
                )
            signed.append(each)
            own = [head_of(each)]
        return tuple(signed)


def refuse_if_source_wrote(
    desk: OpenDesk, form_context: FormContext, conversation: Conversation, opened: Sequence[OpenedEntry]
) -> None:
    """Refuse a form if the source wrote or removed something that the form's page did not show.

    Raises:
        SendRefusedError: SOURCE_WROTE.
    """

    def known(heads: Heads, unseen: Heads) -> set[Digest]:
        return conversation.transcript.knowledge.within(heads) | {head.digest for head in unseen}

    new = known(*heads_shown(desk, conversation, opened)) - known(form_context.heads, form_context.unseen)
    entries = [each.signed for each in opened if each.signed.digest in new]
    if any(is_from_source(each, EntryClass.WORDS, EntryClass.REMOVAL) for each in entries):
        raise SendRefusedError(SendRefusal.SOURCE_WROTE)


def due_of_step(conversation: Conversation, today: date) -> date | None:
    """Return the day of deletion to write in a new step, or None if the mailbox is open.

    For a closed mailbox, this is the day that the closing names, or today if that day has passed.
    """
    # An entry of the desk without such a day would open the mailbox again.
    until = closed_until(conversation.transcript)
    return None if until is None else max(until, today)


def own_tips(desk: OpenDesk, conversation: Conversation) -> list[Head]:
    """Return the newest entries that this workstation wrote in a mailbox, even if the store has lost them."""
    strand = desk.keyring.strand.id
    remembered = desk.trusted_state.seen(conversation.address).heads
    heads, _ = conversation.transcript.heads_for(strand, (), remembered)
    return [head for head in heads if head.strand == strand]


def _has_content(opened: OpenedEntry, content: Content) -> bool:
    """Return True if an entry that was sent before has this content, without comparing the files.

    The files arrive after this check.
    """
    return opened.content is not None and msgspec.structs.replace(
        opened.content, attachments=()
    ) == msgspec.structs.replace(content, attachments=())
