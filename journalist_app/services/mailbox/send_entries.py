"""Sending: what the adviser wrote becomes entries, together, and only upon what the adviser has read."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Final, Self

import msgspec
from sqlalchemy.orm import Session

from crypto.age import PQRecipient
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, OpenedEntry, conversation_of, open_all
from journalist_app.errors import MailboxNotFoundError, SendRefusal, SendRefusedError, UnsoundMailboxError
from journalist_app.services.mailbox import count_for_report, order_deletion
from protocol import attachment, entry
from protocol.chain import seen_by
from protocol.content import AttachmentNote, Content
from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.identifiers import ATTACHMENT_ID_BYTES, NO_DIGEST, SOURCE_STRAND, Address, AttachmentId, EntryId
from protocol.statements.heads import Heads
from protocol.thread_state import EntryContent
from store import attachments, entries
from store.attachments import ChunkWriter
from store.errors import EntryExistsError, HeadMovedError, NoSuchMailboxError, QuotaError, StoreError
from store.quota import Quota
from web.filenames import safe_name

_MEDIA_TYPE: Final = "application/octet-stream"
_MEDIA_TYPE_CHARS: Final = 127
_TRIES: Final = 5  # of an append that another tab's entry overtook


@dataclass(frozen=True, slots=True)
class AdviserFormContext:
    """What every form of a mailbox carries; `seen` is the digest of the source's newest utterance shown."""

    address: Address
    entry_id: EntryId
    seen: bytes


NewEntry = tuple[EntryId, Content]
Precondition = Callable[[Conversation, tuple[OpenedEntry, ...]], None]
TransactionHook = Callable[[Session, Heads, tuple[EntryContent, ...]], None]


def _no_rule(_conversation: Conversation, _opened: tuple[OpenedEntry, ...]) -> None:
    """Ask nothing more."""


class EntrySender:
    """One or more entries under way. Files are sealed as they arrive; only `send` makes it all entries.

    Use as a context: what was not sent when it ends is given up. Where `is_sent` is set from the start, these
    very entries were sent before (a double click) and nothing more is to be done.
    """

    def __init__(  # noqa: PLR0913  # what is sent, upon what, and when
        self,
        desk: OpenDesk,
        form_context: AdviserFormContext,
        wanted: Sequence[NewEntry],
        *,
        today: date,
        half_hour: int,
        rule: Precondition = _no_rule,
        alongside: TransactionHook | None = None,
    ) -> None:
        """Check everything that can be checked before a file arrives.

        Files that arrive hang on the first of `wanted`. `rule` is asked again before every attempt, of what
        was just verified; `alongside` writes more in the same transaction, and is told the heads and the
        entries that stand after it. Without it, an order that stands is brought up to what is said.

        Raises:
            MailboxMissingError: there is no such mailbox.
            UnsoundMailboxError: something in it fails verification.
            AnotherTextError: the form was used for something else.
            SourceWroteError: the source's newest utterance is not the one that the adviser saw.
        """
        self.is_sent = False
        self._desk = desk
        self._sheet = form_context
        self._wanted = tuple(wanted)
        self._today = today
        self._rule = rule
        self._alongside = alongside or self._keep_order_right
        self._opened: tuple[OpenedEntry, ...] = ()
        self._notes: list[AttachmentNote] = []
        conversation = self._look()
        self.pending = PendingFiles(
            desk,
            form_context.address,
            conversation.mailbox.recipient,
            form_context.entry_id,
            half_hour=half_hour,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.is_sent:
            self.pending.give_up()

    def add_file(self, name: str, media_type: str, pieces: Iterator[bytes]) -> None:
        """Seal a file while it arrives, and store it as pending.

        Raises:
            TooManyFilesError: there are as many as an answer may carry.
            FileOverRoomError: the mailbox or the store has no room for it.
        """
        if len(self._notes) >= self._desk.config.upload_files:
            raise SendRefusedError(SendRefusal.TOO_MANY_FILES)
        self._notes.append(self.pending.add(name, media_type, pieces))

    def send(self) -> None:
        """Seal everything, sign it into its place, and append it with its files in one transaction.

        Raises:
            SourceWroteError: the source wrote while this was typed or sent.
            AnotherTextError: the form was used for something else meanwhile.
            MailboxMissingError: the source ended the mailbox meanwhile.
            UnsoundMailboxError: something in the mailbox does not fit any more.
        """
        if self._notes:
            (first, content), *rest = self._wanted
            self._wanted = (
                (first, msgspec.structs.replace(content, attachments=tuple(self._notes))),
                *rest,
            )
        placed: list[SignedEntry] = []
        for _ in range(_TRIES):
            conversation = self._look()
            if self.is_sent:
                return
            placed = self._placed(conversation, placed)
            try:
                self._append(placed, conversation)
            except (HeadMovedError, EntryExistsError):
                continue  # another tab was first, or the source wrote: look again
            self.is_sent = True
            count_for_report.save_counts(self._desk, self._sheet.address, self._after(placed))
            self._desk.remember(self._sheet.address, _with(conversation.heads, placed), is_answered=True)
            self._desk.save()
            return
        raise HeadMovedError("other entries kept coming first")

    def _look(self) -> Conversation:
        conversation = conversation_of(self._desk, self._sheet.address)
        if conversation.faults:
            raise UnsoundMailboxError
        opened = open_all(self._desk, conversation)
        if self._was_sent(opened):
            self.is_sent = True
            return conversation
        if conversation.source_said != self._sheet.seen:
            raise SendRefusedError(SendRefusal.SOURCE_WROTE)
        self._rule(conversation, opened)
        self._opened = opened
        return conversation

    def _keep_order_right(self, session: Session, heads: Heads, opened: tuple[EntryContent, ...]) -> None:
        order_deletion.update_order(
            self._desk, session, self._sheet.address, heads, opened, today=self._today
        )

    def _was_sent(self, opened: tuple[OpenedEntry, ...]) -> bool:
        """Say whether this form's entries are there already, as they are meant now.

        Raises:
            AnotherTextError: one of them is there with something else in it.
        """
        wanted = dict(self._wanted)
        there = [each for each in opened if each.signed.envelope.entry_id in wanted]
        if any(not _says(each, wanted[each.signed.envelope.entry_id]) for each in there):
            raise SendRefusedError(SendRefusal.FORM_REUSED)
        if there and len(there) < len(wanted):
            raise SendRefusedError(SendRefusal.FORM_REUSED)
        return bool(there)

    def _placed(self, conversation: Conversation, before: list[SignedEntry]) -> list[SignedEntry]:
        """Sign everything into the next places of this workstation's strand; what was sealed before stays."""
        writer = self._desk.keyring.desk_writer
        number, previous = conversation.heads.get(writer.strand, (0, NO_DIGEST))
        seen = seen_by(Author.DESK, conversation.heads)
        placed: list[SignedEntry] = []
        for at, (entry_id, content) in enumerate(self._wanted):
            number += 1
            if before:
                sealed = entry.renumber(
                    before[at], by=writer, number=number, previous=previous, seen=seen, day=self._today
                )
            else:
                sealed = entry.seal_entry(
                    content,
                    address=self._sheet.address,
                    mailbox_recipient=conversation.mailbox.recipient,
                    letterhead=self._desk.letterhead,
                    by=writer,
                    entry_id=entry_id,
                    number=number,
                    previous=previous,
                    seen=seen,
                    day=self._today,
                )
            placed.append(sealed)
            previous = sealed.digest
        return placed

    def _append(self, placed: list[SignedEntry], conversation: Conversation) -> None:
        files = {entry_id: [note.id for note in content.attachments] for entry_id, content in self._wanted}
        try:
            with self._desk.store.writing() as session:
                heads = {
                    head.strand: head.digest for head in entries.strand_heads(session, self._sheet.address)
                }
                if heads.get(SOURCE_STRAND, b"") != conversation.source_head:
                    raise HeadMovedError("the source was here between our look and this transaction")
                for sealed in placed:
                    entries.append(
                        session, **sealed.to_stored(), attachment_ids=files[sealed.envelope.entry_id]
                    )
                self._alongside(session, _with(conversation.heads, placed), self._after(placed))
        except NoSuchMailboxError as why:
            raise MailboxNotFoundError from why

    def _after(self, placed: list[SignedEntry]) -> tuple[EntryContent, ...]:
        before = [(each.signed, each.content) for each in self._opened]
        new = [(sealed, content) for sealed, (_, content) in zip(placed, self._wanted, strict=True)]
        return (*before, *new)


def _with(heads: Heads, placed: Sequence[SignedEntry]) -> Heads:
    newest = placed[-1]
    return {**heads, newest.envelope.strand: (newest.envelope.number, newest.digest)}


def _says(opened: OpenedEntry, wanted: Content) -> bool:
    """Say whether an entry says what is meant now. Files are left out: they are read after this is asked."""
    return opened.content is not None and msgspec.structs.replace(
        opened.content, attachments=()
    ) == msgspec.structs.replace(wanted, attachments=())


class PendingFiles:
    """Files that are sealed for one entry to come, and stored as pending until it adopts them."""

    def __init__(
        self, desk: OpenDesk, address: Address, mailbox_recipient: bytes, entry_id: EntryId, *, half_hour: int
    ) -> None:
        """Prepare for files; `mailbox_recipient` must have passed verification."""
        self._desk = desk
        self._address = address
        self._recipients = [
            desk.letterhead.current_epoch[1],
            PQRecipient.from_bytes(mailbox_recipient),
        ]
        self._entry_id = entry_id
        self._half_hour = half_hour
        self._begun: list[AttachmentId] = []

    def add(self, name: str, media_type: str, pieces: Iterator[bytes]) -> AttachmentNote:
        """Seal a file while it arrives, and return the note on it.

        Raises:
            FileOverRoomError: the mailbox or the store has no room for it.
            MailboxMissingError: the mailbox ended meanwhile.
        """
        attachment_id = AttachmentId(secrets.token_bytes(ATTACHMENT_ID_BYTES))
        sealer = attachment.AttachmentSealer(self._recipients, self._address, self._entry_id, attachment_id)
        config = self._desk.config
        chunks = ChunkWriter(
            self._desk.store,
            attachment_id,
            Quota(config.mailbox_bytes, config.store_bytes, config.reserve_bytes),
        )
        self._begun.append(attachment_id)
        try:
            with self._desk.store.writing(durable=False) as session:
                attachments.begin_upload(
                    session,
                    address=self._address,
                    entry_id=self._entry_id,
                    attachment_id=attachment_id,
                    header=sealer.header,
                    half_hour=self._half_hour,
                )
            for piece in pieces:
                chunks.add(sealer.update(piece))
            for padding in sealer.pad():
                chunks.add(padding)
            last, note = sealer.finish(safe_name(name), _media_type(media_type))
            chunks.add(last)
            chunks.finish()
        except QuotaError as why:
            raise SendRefusedError(SendRefusal.NO_ROOM) from why
        except NoSuchMailboxError as why:
            raise MailboxNotFoundError from why
        return note

    def give_up(self, *, keep: Sequence[AttachmentId] = ()) -> None:
        """Leave what was sealed here to be swept. Should the store refuse, it is swept a day later."""
        given_up = [each for each in self._begun if each not in keep]
        if given_up:
            with suppress(StoreError), self._desk.store.writing() as session:
                attachments.abandon_uploads(session, self._address, self._entry_id, attachment_ids=given_up)


def _media_type(claimed: str) -> str:
    """Return what the browser claims a file is, if it looks like a media type at all."""
    is_plain = claimed.isascii() and claimed.isprintable() and len(claimed) <= _MEDIA_TYPE_CHARS
    return claimed if claimed and is_plain else _MEDIA_TYPE
