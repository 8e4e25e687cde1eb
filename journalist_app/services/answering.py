"""Answering: files are sealed while they arrive, and become an entry together with the text."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Final, Self

from crypto import attachment, entry
from crypto.age import PQRecipient
from crypto.chain import seen_by
from crypto.entry import TEXT_CHARS, AttachmentNote, Author, Content, Kind, SignedEntry
from crypto.names import (
    ATTACHMENT_ID_BYTES,
    NO_DIGEST,
    SOURCE_STRAND,
    Address,
    AttachmentId,
    EntryId,
)
from journalist_app.desk import OpenDesk
from journalist_app.errors import (
    AnotherTextError,
    FileOverRoomError,
    MailboxMissingError,
    SourceWroteError,
    TextMissingError,
    TextOverLimitError,
    TooManyFilesError,
    UnsoundMailboxError,
)
from journalist_app.services.reading import conversation_of
from journalist_app.verification import Conversation, open_all
from store import attachments, entries
from store.attachments import ChunkWriter
from store.errors import (
    EntryExistsError,
    HeadMovedError,
    QuotaError,
    StoreError,
)
from store.errors import MailboxMissingError as NoSuchMailboxError
from store.quota import Quota
from web.filenames import safe_name

_MEDIA_TYPE: Final = "application/octet-stream"
_MEDIA_TYPE_CHARS: Final = 127
_TRIES: Final = 5  # of an append that another tab's answer overtook


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What the answer form carried before its files.

    `seen` is the digest of the newest thing the source said that was shown; a mark of theirs that came
    meanwhile changes nothing.
    """

    address: Address
    entry_id: EntryId
    seen: bytes
    text: str


class Answering:
    """An answer under way. Files are sealed as they arrive; only `send` makes them and the text an entry.

    Use as a context: what was not sent when it ends is given up. Where `is_sent` is set from the start, this
    very answer was sent before (a double click) and nothing more is to be done.
    """

    def __init__(self, desk: OpenDesk, form: AnswerForm, *, today: date, half_hour: int) -> None:
        """Check everything that can be checked before a file arrives.

        Raises:
            TextMissingError, TextOverLimitError: the text cannot be sent.
            MailboxMissingError: there is no such mailbox.
            UnsoundMailboxError: something in it fails verification.
            AnotherTextError: the form was used for another text.
            SourceWroteError: the source's newest entry is not the one that the adviser saw.
        """
        self.is_sent = False
        self._desk = desk
        self._form = form
        self._text = form.text.replace("\r\n", "\n").strip("\n")
        self._today = today
        self._half_hour = half_hour
        self._notes: list[AttachmentNote] = []
        self._has_pieces = False
        if not self._text.strip():
            raise TextMissingError
        if len(self._text) > TEXT_CHARS:
            raise TextOverLimitError
        conversation = conversation_of(desk, form.address)
        self._recipient = conversation.mailbox.recipient
        self._require_sound(conversation)
        if self._was_sent(conversation):
            self.is_sent = True
        elif conversation.source_said != form.seen:
            raise SourceWroteError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_sent or not self._has_pieces:
            return
        # Should the store refuse, what is left pending is swept a day later.
        with suppress(StoreError), self._desk.store.writing() as session:
            attachments.abandon(session, self._form.address, self._form.entry_id)

    def add_file(self, name: str, media_type: str, pieces: Iterator[bytes]) -> None:
        """Seal a file while it arrives, and store it as pending.

        Raises:
            TooManyFilesError: there are as many as an answer may carry.
            FileOverRoomError: the mailbox or the store has no room for it.
        """
        if len(self._notes) >= self._desk.config.upload_files:
            raise TooManyFilesError
        attachment_id = AttachmentId(secrets.token_bytes(ATTACHMENT_ID_BYTES))
        _, desk_recipient = self._desk.letterhead.current_epoch
        sealer = attachment.Sealer(
            [desk_recipient, PQRecipient.from_bytes(self._recipient)],
            self._form.address,
            self._form.entry_id,
            attachment_id,
        )
        self._has_pieces = True
        config = self._desk.config
        chunks = ChunkWriter(
            self._desk.store,
            attachment_id,
            Quota(config.mailbox_bytes, config.store_bytes, config.reserve_bytes),
        )
        try:
            with self._desk.store.writing(durable=False) as session:
                attachments.begin(
                    session,
                    address=self._form.address,
                    entry_id=self._form.entry_id,
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
            raise FileOverRoomError from why
        except NoSuchMailboxError as why:
            raise MailboxMissingError from why
        self._notes.append(note)

    def send(self) -> None:
        """Seal the text, sign it into its place, and append it with its files in one transaction.

        Raises:
            SourceWroteError: the source wrote while this was typed or sent.
            AnotherTextError: the form was used for another text meanwhile.
            MailboxMissingError: the source ended the mailbox meanwhile.
            UnsoundMailboxError: something in the mailbox does not fit any more.
        """
        content = Content(kind=Kind.MESSAGE, text=self._text, attachments=tuple(self._notes))
        sealed: SignedEntry | None = None
        for _ in range(_TRIES):
            conversation = conversation_of(self._desk, self._form.address)
            self._require_sound(conversation)
            if self._was_sent(conversation):
                self.is_sent = True
                return
            if conversation.source_said != self._form.seen:
                raise SourceWroteError
            sealed = self._placed(content, conversation, sealed)
            try:
                self._append(sealed, conversation.source_head)
            except (HeadMovedError, EntryExistsError):
                continue  # another tab was first, or the source, perhaps with a mark alone: look again
            self.is_sent = True
            heads = {**conversation.heads, sealed.open_part.strand: (sealed.open_part.number, sealed.digest)}
            self._desk.remember(self._form.address, heads, is_answered=True)
            self._desk.save()
            return
        raise HeadMovedError("other answers kept coming first")

    def _placed(
        self, content: Content, conversation: Conversation, sealed: SignedEntry | None
    ) -> SignedEntry:
        writer = self._desk.keyring.desk_writer
        number, previous = conversation.heads.get(writer.strand, (0, NO_DIGEST))
        seen = seen_by(Author.DESK, conversation.heads)
        if sealed is not None:
            return entry.renumber(
                sealed, by=writer, number=number + 1, previous=previous, seen=seen, day=self._today
            )
        return entry.seal(
            content,
            address=self._form.address,
            mailbox_recipient=self._recipient,
            letterhead=self._desk.letterhead,
            by=writer,
            entry_id=self._form.entry_id,
            number=number + 1,
            previous=previous,
            seen=seen,
            day=self._today,
        )

    def _append(self, sealed: SignedEntry, source_head: bytes) -> None:
        try:
            with self._desk.store.writing() as session:
                heads = {head.strand: head.digest for head in entries.heads(session, self._form.address)}
                if heads.get(SOURCE_STRAND, b"") != source_head:
                    raise HeadMovedError("the source was here between our look and this transaction")
                entries.append(
                    session, **sealed.to_stored(), attachment_ids=[note.id for note in self._notes]
                )
        except NoSuchMailboxError as why:
            raise MailboxMissingError from why

    def _require_sound(self, conversation: Conversation) -> None:
        if conversation.faults:
            raise UnsoundMailboxError

    def _was_sent(self, conversation: Conversation) -> bool:
        """Say whether this form's entry is there already, with this text.

        Raises:
            AnotherTextError: it is there with another text.
        """
        for each in open_all(self._desk, conversation):
            if each.signed.open_part.entry_id == self._form.entry_id:
                if each.content is not None and each.content.text == self._text:
                    return True
                raise AnotherTextError
        return False


def _media_type(claimed: str) -> str:
    """Return what the browser claims a file is, if it looks like a media type at all."""
    is_plain = claimed.isascii() and claimed.isprintable() and len(claimed) <= _MEDIA_TYPE_CHARS
    return claimed if claimed and is_plain else _MEDIA_TYPE
