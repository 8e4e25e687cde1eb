"""Writing: one message from its first file byte to the commit that makes it an entry. No Flask here."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from protocol import session
from protocol.attachment import AttachmentSealer
from protocol.content import MEDIA_TYPE_CHARS, AttachmentNote, Content, Kind
from protocol.identifiers import (
    ATTACHMENT_ID_BYTES,
    DIGEST_BYTES,
    ENTRY_ID_BYTES,
    AttachmentId,
    Digest,
    EntryId,
)
from protocol.mailbox_keys import MailboxKeys
from source_app.errors import MailboxFullError, MailboxGoneError, MessageRefusedError, NotFoundError, Refusal
from source_app.public_desk import PublicDesk
from source_app.services.append_entry import append_own, desk_heads
from source_app.services.login import MailboxSession
from source_app.services.reading import open_file, read_entry_of
from store import attachments, entries, mailboxes
from store.attachments import ChunkWriter
from store.errors import EntryExistsError, NoSuchMailboxError, QuotaError
from web.filenames import safe_name


@dataclass(frozen=True, slots=True)
class FormContext:
    """What the write form carries: a fresh entry id, and the desk's heads that its writer had before them.

    Both in hexadecimal; `purpose` ties them to the form's token, so that neither can be made up.
    """

    entry_id: str
    seen: str

    @property
    def purpose(self) -> str:
        """Return what the token of this form is good for."""
        return f"write {self.entry_id} {self.seen}"

    @property
    def heads(self) -> tuple[Digest, ...]:
        """Return the desk's heads, once the form's token has shown that they are ours."""
        raw = bytes.fromhex(self.seen)
        return tuple(Digest(raw[at : at + DIGEST_BYTES]) for at in range(0, len(raw), DIGEST_BYTES))


def new_sheet(desk: PublicDesk, keys: MailboxKeys) -> FormContext:
    """Return a sheet to write on.

    Raises:
        MailboxGoneError: the mailbox has ended.
    """
    with desk.store.reading() as reading:
        if mailboxes.find(reading, keys.address) is None:
            raise MailboxGoneError
        heads = entries.strand_heads(reading, keys.address)
    seen = sorted(digest.hex() for digest in desk_heads(heads))
    return FormContext(secrets.token_bytes(ENTRY_ID_BYTES).hex(), "".join(seen))


def text_of(fields: Mapping[str, str]) -> str:
    """Return the text of a form, with the line ends of a page rather than those of the wire."""
    return fields.get("text", "").replace("\r\n", "\n")


def check_message_form(
    desk: PublicDesk, opened: MailboxSession, keys: MailboxKeys, fields: Mapping[str, str], *, now: int
) -> "Posting":
    """Check everything that stands before the files in a form, and make ready for them.

    Raises:
        MessageRefusedError: the form is not of this session, or its text is too long.
    """
    form_context = FormContext(fields.get("entry_id", ""), fields.get("seen", ""))
    if not session.check_form_token(fields.get("token", ""), opened.token, form_context.purpose):
        raise MessageRefusedError(Refusal.FORM_EXPIRED)
    text = text_of(fields)
    if len(text) > desk.limits.text_chars:
        raise MessageRefusedError(Refusal.TEXT_TOO_LONG)
    return Posting(desk, keys, form_context, text, now=now)


class Posting:
    """One message while it arrives. Nothing of it is visible before `commit`; `abandon` when it fails."""

    def __init__(
        self, desk: PublicDesk, keys: MailboxKeys, form_context: FormContext, text: str, *, now: int
    ) -> None:
        """Take what `admit` has checked; `now` is the half hour since 1970."""
        self._desk = desk
        self._keys = keys
        self._sheet = form_context
        self._entry_id = EntryId(bytes.fromhex(form_context.entry_id))
        self._text = text
        self._now = now
        self._bytes = 0
        self._announced = ("", "")
        self._arriving: _File | None = None
        self._begun: list[AttachmentId] = []
        self._whole: list[_Whole] = []

    def begin_file(self, filename: str, media_type: str) -> None:
        """Make ready for a file. A browser sends one without name and bytes when none was chosen.

        Raises:
            MessageRefusedError: one file too many.
            MailboxGoneError: the mailbox has ended meanwhile.
        """
        self._announced = (filename, media_type)
        if filename:
            self._arriving = self._begin()

    def add(self, piece: bytes) -> None:
        """Seal more bytes of the file and store them as pending.

        Raises:
            MessageRefusedError: over the limit of a message, or no room.
        """
        self._bytes += len(piece)
        if self._bytes > self._desk.limits.files_bytes:
            raise MessageRefusedError(Refusal.FILES_TOO_LARGE)
        if self._arriving is None:
            self._arriving = self._begin()
        try:
            self._arriving.add(piece)
        except QuotaError as why:
            raise MessageRefusedError(Refusal.NO_ROOM) from why

    def end_file(self) -> None:
        """Store the rest of the file, which is whole now.

        Raises:
            MessageRefusedError: no room.
        """
        arriving, self._arriving = self._arriving, None
        if arriving is None:
            return
        try:
            self._whole.append(arriving.finish(*self._announced))
        except QuotaError as why:
            raise MessageRefusedError(Refusal.NO_ROOM) from why

    def commit(self, *, today: date) -> str:
        """Make the message an entry with all its files, and return its id in hexadecimal.

        The same message sent twice is one entry, and gives the same id.

        Raises:
            MessageRefusedError: empty, the mailbox is full, or this sheet was used for another message.
            MailboxGoneError: the mailbox has ended meanwhile.
        """
        if not self._text.strip() and not self._whole:
            raise MessageRefusedError(Refusal.EMPTY)
        try:
            self._append(today)
        except EntryExistsError:
            if not self._is_what_was_sent_before():
                raise MessageRefusedError(Refusal.CHANGED) from None
            self.abandon()
        except MailboxFullError as why:
            raise MessageRefusedError(Refusal.MAILBOX_FULL) from why
        except NoSuchMailboxError as why:
            raise MailboxGoneError from why
        return self._sheet.entry_id

    def abandon(self) -> None:
        """Give up the files of this very attempt; the sweeper destroys them."""
        if self._begun:
            with self._desk.store.writing(durable=False) as writing:
                attachments.abandon_uploads(
                    writing, self._keys.address, self._entry_id, attachment_ids=tuple(self._begun)
                )

    def _begin(self) -> "_File":
        if len(self._begun) >= self._desk.limits.files:
            raise MessageRefusedError(Refusal.TOO_MANY_FILES)
        attachment_id = AttachmentId(secrets.token_bytes(ATTACHMENT_ID_BYTES))
        _, desk_recipient = self._desk.letterhead.current_epoch
        recipients = [desk_recipient, self._keys.identity.recipient]
        sealer = AttachmentSealer(recipients, self._keys.address, self._entry_id, attachment_id)
        with self._desk.store.writing(durable=False) as writing:
            if mailboxes.find(writing, self._keys.address) is None:
                raise MailboxGoneError
            attachments.begin_upload(
                writing,
                address=self._keys.address,
                entry_id=self._entry_id,
                attachment_id=attachment_id,
                header=sealer.header,
                half_hour=self._now,
            )
        self._begun.append(attachment_id)
        return _File(sealer, ChunkWriter(self._desk.store, attachment_id, self._desk.quota))

    def _append(self, today: date) -> None:
        append_own(
            self._desk,
            self._keys,
            Content(
                kind=Kind.MESSAGE, text=self._text, attachments=tuple(whole.note for whole in self._whole)
            ),
            entry_id=self._entry_id,
            seen=self._sheet.heads,
            today=today,
            attachment_ids=[whole.note.id for whole in self._whole],
        )

    def _is_what_was_sent_before(self) -> bool:
        """Compare text and files with the entry of this id; an unreadable or removed one is another."""
        try:
            before = read_entry_of(self._desk, self._keys, self._entry_id)
        except NotFoundError:
            return False
        files = zip(before.attachments, self._whole, strict=False)
        return (
            before.text == self._text
            and len(before.attachments) == len(self._whole)
            and all(self._is_same_file(old, new) for old, new in files)
        )

    def _is_same_file(self, old: AttachmentNote, new: "_Whole") -> bool:
        if (old.name, old.size) != (new.note.name, new.note.size):
            return False
        _, pieces = open_file(self._desk, self._keys, old.id)
        plain = hashlib.sha256()
        for piece in pieces:
            plain.update(piece)
        return plain.digest() == new.plain_sha256


@dataclass(frozen=True, slots=True)
class _Whole:
    """A file that has arrived whole and is pending."""

    note: AttachmentNote
    plain_sha256: bytes


class _File:
    """One file on its way: sealed, and written in chunks."""

    def __init__(self, sealer: AttachmentSealer, chunks: ChunkWriter) -> None:
        self._sealer = sealer
        self._chunks = chunks
        self._plain = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        self._plain.update(piece)
        self._chunks.add(self._sealer.update(piece))

    def finish(self, filename: str, media_type: str) -> _Whole:
        for padding in self._sealer.pad():
            self._chunks.add(padding)
        last, note = self._sealer.finish(safe_name(filename), media_type[:MEDIA_TYPE_CHARS])
        self._chunks.add(last)
        self._chunks.finish()
        return _Whole(note, self._plain.digest())
