"""Append loop of the desk: signs new entries and appends them by compare-and-set.

The append is refused if the source wrote a message that the adviser has not read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec
from protocol.chain import seen_by
from protocol.statements.heads import Heads
from sqlalchemy.orm import Session

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import (
    Conversation,
    OpenedEntry,
    conversation_of,
    entry_contents,
    open_all,
)
from journalist_app.errors import MailboxNotFoundError, SendRefusal, SendRefusedError, UnsoundMailboxError
from journalist_app.services.mailbox import count_for_report, order_deletion
from protocol import entry
from protocol.content import TEXT_CHARS, Content
from protocol.entry import EntryContent, SignedEntry
from protocol.envelope import Author
from protocol.identifiers import NO_DIGEST, SOURCE_STRAND, Address, EntryId
from store import entries
from store.errors import EntryExistsError, HeadMovedError, NoSuchMailboxError

_TRIES: Final = 5  # attempts to append, while another tab or the source appends first


@dataclass(frozen=True, slots=True)
class AdviserFormContext:
    """Context of an adviser's form: the mailbox, and the id of the entry that the form appends.

    `seen` is the digest of the source's newest message that the form showed.
    """

    address: Address
    entry_id: EntryId
    seen: bytes


NewEntry = tuple[EntryId, Content]
Precondition = Callable[[Conversation, tuple[OpenedEntry, ...]], None]
TransactionHook = Callable[[Session, Heads, tuple[EntryContent, ...]], None]


def message_text(typed: str, *, is_required: bool = True) -> str:
    """Return a typed text without the line ends before and after it.

    Raises:
        SendRefusedError: the text is longer than 50,000 characters, or a required text is missing.
    """
    text = typed.replace("\r\n", "\n").strip("\n")
    if len(text) > TEXT_CHARS:
        raise SendRefusedError(SendRefusal.TEXT_TOO_LONG)
    if is_required and not text.strip():
        raise SendRefusedError(SendRefusal.TEXT_MISSING)
    return text


class EntrySender:
    """Sender of one or more new entries of the desk. All are appended together, or none.

    `is_sent` is True from the start if the same entries were sent before, for example by a double click.
    """

    def __init__(  # noqa: PLR0913  # two callbacks, besides the entries
        self,
        desk: OpenDesk,
        form_context: AdviserFormContext,
        new: Sequence[NewEntry],
        *,
        today: date,
        precondition: Precondition | None = None,
        hook: TransactionHook | None = None,
    ) -> None:
        """Verify the mailbox, and check that the adviser has seen the source's newest message.

        `precondition` is called before every attempt to append, and raises an exception to refuse. `hook`
        runs in the transaction of the append, with the mailbox's new heads and entries. Without a hook, the
        mailbox's deletion order is updated.

        Raises:
            MailboxNotFoundError: the store has no such mailbox.
            UnsoundMailboxError: the mailbox failed verification.
            SendRefusedError: FORM_REUSED: the form was used before for another entry. SOURCE_WROTE: the
                source wrote after the page with the form was shown.
        """
        self.is_sent = False
        self._desk = desk
        self._form_context = form_context
        self._new = tuple(new)
        self._today = today
        self._precondition = precondition
        self._hook = hook or self._update_order
        self._opened: tuple[OpenedEntry, ...] = ()
        self._mailbox_recipient = self._verify().mailbox.recipient

    def send(self) -> None:
        """Encrypt and sign the entries, and append them with their files in one transaction.

        Raises:
            MailboxNotFoundError: the source has ended the mailbox since the form was shown.
            UnsoundMailboxError: the mailbox failed verification.
            SendRefusedError: FORM_REUSED: the form was used before for another entry. SOURCE_WROTE: the
                source wrote while the adviser was typing or sending.
        """
        signed: list[SignedEntry] = []
        for _ in range(_TRIES):
            conversation = self._verify()
            if self.is_sent:
                return
            signed = self._sign(conversation, signed)
            try:
                self._append(signed, conversation)
            except (HeadMovedError, EntryExistsError):
                continue  # another tab or the source appended first: try again
            self.is_sent = True
            count_for_report.save_counts(self._desk, self._form_context.address, self._thread_with(signed))
            self._desk.remember(
                self._form_context.address, _new_heads(conversation.heads, signed), is_answered=True
            )
            self._desk.save()
            return
        raise HeadMovedError("other entries kept coming first")

    def _verify(self) -> Conversation:
        conversation = conversation_of(self._desk, self._form_context.address)
        if conversation.faults:
            raise UnsoundMailboxError
        opened = open_all(self._desk, conversation)
        if self._was_sent(opened):
            self.is_sent = True
            return conversation
        if conversation.source_said != self._form_context.seen:
            raise SendRefusedError(SendRefusal.SOURCE_WROTE)
        if self._precondition is not None:
            self._precondition(conversation, opened)
        self._opened = opened
        return conversation

    def _update_order(self, session: Session, heads: Heads, opened: tuple[EntryContent, ...]) -> None:
        order_deletion.update_order(
            self._desk, session, self._form_context.address, heads, opened, today=self._today
        )

    def _was_sent(self, opened: tuple[OpenedEntry, ...]) -> bool:
        """Return True if this form's entries are in the mailbox already, with the same content.

        Raises:
            SendRefusedError: FORM_REUSED: the mailbox has an entry of this form with other content, or has
                only some of the form's entries.
        """
        new = dict(self._new)
        there = [each for each in opened if each.signed.envelope.entry_id in new]
        if any(not _has_content(each, new[each.signed.envelope.entry_id]) for each in there):
            raise SendRefusedError(SendRefusal.FORM_REUSED)
        if there and len(there) < len(new):
            raise SendRefusedError(SendRefusal.FORM_REUSED)
        return bool(there)

    def _sign(self, conversation: Conversation, before: list[SignedEntry]) -> list[SignedEntry]:
        """Sign the entries as the next entries of this workstation's strand (signed chain).

        In a retry, `before` has the entries that the first attempt signed. Only their numbers and signatures
        are renewed, so the content is not encrypted again.
        """
        writer = self._desk.keyring.desk_writer
        number, previous = conversation.heads.get(writer.strand, (0, NO_DIGEST))
        seen = seen_by(Author.DESK, conversation.heads)
        signed: list[SignedEntry] = []
        for place, (entry_id, content) in enumerate(self._new):
            number += 1
            if before:
                each = entry.renumber(
                    before[place], by=writer, number=number, previous=previous, seen=seen, day=self._today
                )
            else:
                each = entry.seal_entry(
                    content,
                    address=self._form_context.address,
                    mailbox_recipient=conversation.mailbox.recipient,
                    letterhead=self._desk.letterhead,
                    by=writer,
                    entry_id=entry_id,
                    number=number,
                    previous=previous,
                    seen=seen,
                    day=self._today,
                )
            signed.append(each)
            previous = each.digest
        return signed

    def _append(self, signed: list[SignedEntry], conversation: Conversation) -> None:
        address = self._form_context.address
        files = {entry_id: [note.id for note in content.attachments] for entry_id, content in self._new}
        try:
            with self._desk.store.writing() as session:
                heads = {head.strand: head.digest for head in entries.strand_heads(session, address)}
                if heads.get(SOURCE_STRAND, b"") != conversation.source_head:
                    raise HeadMovedError("the source wrote between the verification and this transaction")
                for each in signed:
                    entries.append(session, **each.to_stored(), attachment_ids=files[each.envelope.entry_id])
                self._hook(session, _new_heads(conversation.heads, signed), self._thread_with(signed))
        except NoSuchMailboxError as why:
            raise MailboxNotFoundError from why

    def _thread_with(self, signed: list[SignedEntry]) -> tuple[EntryContent, ...]:
        new = [(each, content) for each, (_, content) in zip(signed, self._new, strict=True)]
        return (*entry_contents(self._opened), *new)


def _new_heads(heads: Heads, signed: Sequence[SignedEntry]) -> Heads:
    newest = signed[-1]
    return {**heads, newest.envelope.strand: (newest.envelope.number, newest.digest)}


def _has_content(opened: OpenedEntry, content: Content) -> bool:
    """Return True if an entry has this content. Files are ignored, because they arrive after this check."""
    return opened.content is not None and msgspec.structs.replace(
        opened.content, attachments=()
    ) == msgspec.structs.replace(content, attachments=())
