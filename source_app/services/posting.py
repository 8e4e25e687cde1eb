"""Posting: receive a message and its files, and append the message to the mailbox as an entry."""

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
from source_app.errors import (
    MailboxFullError,
    MailboxGoneError,
    MessageRefusal,
    MessageRefusedError,
    NotFoundError,
)
from source_app.public_desk import PublicDesk
from source_app.services.append_entry import append_with_retry, desk_heads
from source_app.services.login import MailboxSession
from source_app.services.mailbox_files import open_file
from source_app.services.verified_mailbox import read_content
from store import attachments, entries, mailboxes
from store.attachments import ChunkWriter
from store.errors import EntryExistsError, NoSuchMailboxError, QuotaError
from web.filenames import safe_name


@dataclass(frozen=True, slots=True)
class FormContext:
    """Hidden fields of a form in a mailbox: the new entry's id, and the desk's entries that the source saw.

    `entry_id` is hexadecimal. `seen` has the digests of the desk's newest entries when the form was made, in
    hexadecimal, joined. The form's CSRF token covers both fields, so that no one can forge them.
    """

    entry_id: str
    seen: str

    @property
    def purpose(self) -> str:
        """Return the purpose of the CSRF token of this message form.

        The purpose contains the form's hidden fields, so the token is valid only together with these values.
        """
        return f"write {self.entry_id} {self.seen}"

    @property
    def heads(self) -> tuple[Digest, ...]:
        """Return the digests of the desk's newest entries, split from `seen`.

        Before calling this function, check the form's CSRF token: an attacker could otherwise choose the
        digests.
        """
        raw = bytes.fromhex(self.seen)
        return tuple(Digest(raw[at : at + DIGEST_BYTES]) for at in range(0, len(raw), DIGEST_BYTES))


def new_form_context(desk: PublicDesk, keys: MailboxKeys) -> FormContext:
    """Return the hidden fields for a new form in a mailbox.

    Raises:
        MailboxGoneError: the mailbox has ended.
    """
    with desk.store.reading() as reading:
        if mailboxes.find(reading, keys.address) is None:
            raise MailboxGoneError
        heads = entries.strand_heads(reading, keys.address)
    seen = sorted(digest.hex() for digest in desk_heads(heads))
    return FormContext(secrets.token_bytes(ENTRY_ID_BYTES).hex(), "".join(seen))


def form_text(fields: Mapping[str, str]) -> str:
    r"""Return the text field of a form. Lines end in "\n" instead of the "\r\n" that browsers send."""
    return fields.get("text", "").replace("\r\n", "\n")


def check_message_form(
    desk: PublicDesk, opened: MailboxSession, keys: MailboxKeys, fields: Mapping[str, str], *, now: int
) -> "Posting":
    """Check the fields of a message form, and return a `Posting` that accepts the files of the form.

    All fields arrive before the files, so a wrong form is refused before a file is read.

    Raises:
        MessageRefusedError: the form was not made in this session, or its text is too long.
    """
    form_context = FormContext(fields.get("entry_id", ""), fields.get("seen", ""))
    if not session.check_form_token(fields.get("token", ""), opened.token, form_context.purpose):
        raise MessageRefusedError(MessageRefusal.FORM_EXPIRED)
    text = form_text(fields)
    if len(text) > desk.limits.text_chars:
        raise MessageRefusedError(MessageRefusal.TEXT_TOO_LONG)
    return Posting(desk, keys, form_context, text, now=now)


class Posting:
    """Message that is arriving. No part of the message can be read before `commit`.

    If the message is refused or cut off, call `abandon`.
    """

    def __init__(
        self, desk: PublicDesk, keys: MailboxKeys, form_context: FormContext, text: str, *, now: int
    ) -> None:
        """Begin a message from the form fields that `check_message_form` has checked.

        `now` is the number of half hours since 1970.
        """
        self._desk = desk
        self._keys = keys
        self._form_context = form_context
        self._entry_id = EntryId(bytes.fromhex(form_context.entry_id))
        self._text = text
        self._now = now
        self._received_bytes = 0
        self._name_and_type = ("", "")
        self._incoming: _IncomingFile | None = None
        self._begun: list[AttachmentId] = []
        self._complete: list[_CompleteFile] = []

    def begin_file(self, filename: str, media_type: str) -> None:
        """Start to receive a file.

        If a visitor chose no file, the browser sends a file without a name and without bytes. Such a file is
        ignored.

        Raises:
            MessageRefusedError: the message has too many files.
            MailboxGoneError: the mailbox has ended.
        """
        self._name_and_type = (filename, media_type)
        if filename:
            self._incoming = self._begin()

    def add(self, piece: bytes) -> None:
        """Encrypt more bytes of the file that began last, and store them as a pending attachment.

        Raises:
            MessageRefusedError: the message has too many files, the files exceed the limit of a message, or
                the store has no room for more bytes.
            MailboxGoneError: the mailbox has ended.
        """
        self._received_bytes += len(piece)
        if self._received_bytes > self._desk.limits.files_bytes:
            raise MessageRefusedError(MessageRefusal.FILES_TOO_LARGE)
        if self._incoming is None:
            self._incoming = self._begin()
        try:
            self._incoming.add(piece)
        except QuotaError as why:
            raise MessageRefusedError(MessageRefusal.NO_ROOM) from why

    def end_file(self) -> None:
        """Finish the file that began last, and store its last bytes.

        Raises:
            MessageRefusedError: the store has no room for the file's last bytes.
        """
        incoming, self._incoming = self._incoming, None
        if incoming is None:
            return
        try:
            self._complete.append(incoming.finish(*self._name_and_type))
        except QuotaError as why:
            raise MessageRefusedError(MessageRefusal.NO_ROOM) from why

    def commit(self, *, today: date) -> str:
        """Append the message with its files to the mailbox as an entry. Return the entry's id in hexadecimal.

        If the same message is sent twice, only one entry is appended, and both calls return its id.

        Raises:
            MessageRefusedError: the message is empty, the mailbox is full, or the same form was used before
                to send another message.
            MailboxGoneError: the mailbox has ended.
        """
        if not self._text.strip() and not self._complete:
            raise MessageRefusedError(MessageRefusal.EMPTY)
        try:
            self._append(today)
        except EntryExistsError:
            if not self._is_sent_again():
                raise MessageRefusedError(MessageRefusal.CHANGED) from None
            self.abandon()
        except MailboxFullError as why:
            raise MessageRefusedError(MessageRefusal.MAILBOX_FULL) from why
        except NoSuchMailboxError as why:
            raise MailboxGoneError from why
        return self._form_context.entry_id

    def abandon(self) -> None:
        """Queue the files of this message for deletion, because the message was refused or cut off."""
        if self._begun:
            with self._desk.store.writing(durable=False) as writing:
                attachments.abandon_uploads(
                    writing, self._keys.address, self._entry_id, attachment_ids=tuple(self._begun)
                )

    def _begin(self) -> "_IncomingFile":
        if len(self._begun) >= self._desk.limits.files:
            raise MessageRefusedError(MessageRefusal.TOO_MANY_FILES)
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
        return _IncomingFile(sealer, ChunkWriter(self._desk.store, attachment_id, self._desk.quota))

    def _append(self, today: date) -> None:
        notes = tuple(file.note for file in self._complete)
        append_with_retry(
            self._desk,
            self._keys,
            Content(kind=Kind.MESSAGE, text=self._text, attachments=notes),
            entry_id=self._entry_id,
            seen=self._form_context.heads,
            today=today,
            attachment_ids=[note.id for note in notes],
        )

    def _is_sent_again(self) -> bool:
        """Return True if the mailbox already has this message: an entry with its id, text and files.

        An entry that was removed, or that cannot be read, counts as another message.
        """
        try:
            before = read_content(self._desk, self._keys, self._entry_id)
        except NotFoundError:
            return False
        files = zip(before.attachments, self._complete, strict=False)
        return (
            before.text == self._text
            and len(before.attachments) == len(self._complete)
            and all(self._is_same_file(old, new) for old, new in files)
        )

    def _is_same_file(self, old: AttachmentNote, new: "_CompleteFile") -> bool:
        if (old.name, old.size) != (new.note.name, new.note.size):
            return False
        _, pieces = open_file(self._desk, self._keys, old.id)
        plain = hashlib.sha256()
        for piece in pieces:
            plain.update(piece)
        return plain.digest() == new.plain_sha256


@dataclass(frozen=True, slots=True)
class _CompleteFile:
    """File that has arrived completely, and that is stored as a pending attachment."""

    note: AttachmentNote
    plain_sha256: bytes


class _IncomingFile:
    """File that is arriving. Its bytes are encrypted and written to the store in chunks."""

    def __init__(self, sealer: AttachmentSealer, chunks: ChunkWriter) -> None:
        self._sealer = sealer
        self._chunks = chunks
        self._plain = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        self._plain.update(piece)
        self._chunks.add(self._sealer.update(piece))

    def finish(self, filename: str, media_type: str) -> _CompleteFile:
        for padding in self._sealer.pad():
            self._chunks.add(padding)
        last, note = self._sealer.finish(safe_name(filename), media_type[:MEDIA_TYPE_CHARS])
        self._chunks.add(last)
        self._chunks.finish()
        return _CompleteFile(note, self._plain.digest())
