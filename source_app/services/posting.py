"""Posting of a message: receive the message and its files, and append it to the mailbox as an entry."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from crypto.errors import CryptoError
from crypto.passphrase import contains_passphrase
from protocol.attachment import AttachmentSealer
from protocol.content import MEDIA_TYPE_CHARS, TEXT_CHARS, AttachmentNote, Content, Kind
from protocol.entry import SignedEntry, open_entry, sign_again
from protocol.identifiers import ATTACHMENT_ID_BYTES, DIGEST_BYTES, AttachmentId, Digest, EntryId
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import SourceWriter
from source_app.errors import DamagedFileError, MessageRefusal, MessageRefusedError, NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.login import MailboxSession, sent_mark
from source_app.services.mailbox_files import open_file
from source_app.services.new_entry import EntryDraft, draft_entry
from source_app.services.verified_mailbox import read_sent_words
from store import attachments
from store.attachments import ChunkWriter
from store.errors import AttachmentMissingError
from stored_mailbox.appending import PreparedAppend, append_entries
from stored_mailbox.entry_form import FormContext
from web.filenames import safe_name
from web.normal_text import trim

ACTION = "write"  # of the form of a message
_ESCAPED_BYTES = 5  # of the longest character in HTML: "&amp;"


def check_message_form(
    desk: PublicDesk, opened: MailboxSession, fields: Mapping[str, str], language: str, *, now: int
) -> "Posting":
    """Check the text fields of a message form, and return a `Posting` that accepts the files of the form.

    `language` is the language of the form's page.

    Raises:
        MessageRefusedError: the form is from another session, or the text is too long. A text that looks like
            a passphrase is refused until the source was warned.
    """
    form_context = FormContext.of_form(fields, opened.token, ACTION, opened.keys.address)
    if form_context is None:
        raise MessageRefusedError(MessageRefusal.FORM_EXPIRED)
    text = form_text(fields)
    if len(text) > desk.limits.text_chars:
        raise MessageRefusedError(MessageRefusal.TEXT_TOO_LONG)
    if not fields.get("warned") and contains_passphrase(text):
        raise MessageRefusedError(MessageRefusal.SEVEN_WORDS)
    return Posting(desk, opened.keys, form_context, text, language, now, opened.state.sent)


@dataclass
class Posting:
    """Message that is arriving from a form whose text fields `check_message_form` has checked.

    If the message is refused or cut off, call `abandon`. After `commit`, `sent_as` has the id of the entry
    with the message. `written` has this entry, or is empty if the message was sent before.
    """

    desk: PublicDesk
    keys: MailboxKeys
    form_context: FormContext
    text: str = field(repr=False)
    language: str
    now: int  # half hours since 1970
    sent_in_session: bytes = field(default=b"", repr=False)
    written: Sequence[SignedEntry] = field(default=(), repr=False)
    sent_as: EntryId = field(init=False)
    _received_bytes: int = 0
    _name_and_type: tuple[str, str] = field(default=("", ""), repr=False)
    _incoming: "_IncomingFile | None" = None
    _sealed: SignedEntry | None = None
    _begun: list[AttachmentId] = field(default_factory=list)
    _complete: list[tuple[AttachmentNote, bytes]] = field(default_factory=list)  # with digests of the plain

    def begin_file(self, filename: str, media_type: str) -> None:
        """Start to receive one file of the message.

        A file without a name and without bytes is ignored.

        Raises:
            MessageRefusedError: the message has too many files.
            NoSuchMailboxError: the mailbox has ended.
        """
        # If a visitor chose no file, the browser sends a file without a name and without bytes.
        self._name_and_type = (filename, media_type)
        if filename:
            self._incoming = self._begin()

    def add(self, piece: bytes) -> None:
        """Encrypt more bytes of the file that is arriving, and store the encrypted bytes.

        Raises:
            MessageRefusedError: the message has too many files, or the files exceed the limit of a message.
            QuotaError: the store has no room for more bytes.
            NoSuchMailboxError: the mailbox has ended.
        """
        self._received_bytes += len(piece)
        if self._received_bytes > self.desk.limits.files_bytes:
            raise MessageRefusedError(MessageRefusal.FILES_TOO_LARGE)
        if self._incoming is None:
            self._incoming = self._begin()
        self._incoming.add(piece)

    def end_file(self) -> None:
        """Encrypt and store the last bytes of the file that is arriving.

        Raises:
            QuotaError: the store has no room for the file's last bytes.
        """
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            self._complete.append(incoming.finish(*self._name_and_type))

    def commit(self, *, today: date) -> None:
        """Append the message with its files to the mailbox as an entry.

        No entry is appended if this form sent the message before, or if the source's newest entry is the same
        message. Browsers show a sent text again after the button Back, and the source cannot see whether the
        text was sent.

        Raises:
            MessageRefusedError: the message is empty, the mailbox is full, or the form was used for another
                message.
            NoSuchMailboxError: the mailbox has ended.
        """
        if not self.text and not self._complete:
            raise MessageRefusedError(MessageRefusal.EMPTY)
        self.written = append_entries(self.desk.store, lambda: self._prepare(today))
        if not self.written:
            self.abandon()  # the same message was sent before

    def abandon(self) -> None:
        """Queue the files of this message for deletion, because the message was refused or cut off."""
        if self._begun:
            entry_id = self.form_context.entry_id
            with self.desk.store.writing(durable=False, mailbox=self.keys.address, alone=True) as writing:
                attachments.abandon_uploads(
                    writing, self.keys.address, entry_id, attachment_ids=tuple(self._begun)
                )

    def _begin(self) -> "_IncomingFile":
        if len(self._begun) >= self.desk.limits.files:
            raise MessageRefusedError(MessageRefusal.TOO_MANY_FILES)
        entry_id = self.form_context.entry_id
        attachment_id = AttachmentId(secrets.token_bytes(ATTACHMENT_ID_BYTES))
        recipients = [self.desk.letterhead.current_epoch[1], self.keys.identity.recipient]
        sealer = AttachmentSealer(recipients, self.keys.address, entry_id, attachment_id)
        with self.desk.store.writing(durable=False, mailbox=self.keys.address, alone=True) as writing:
            attachments.begin_upload(
                writing,
                address=self.keys.address,
                entry_id=entry_id,
                attachment_id=attachment_id,
                header=sealer.header,
                half_hour=self.now,
            )
        self._begun.append(attachment_id)
        chunks = ChunkWriter(self.desk.store, self.keys.address, attachment_id, self.desk.quota)
        return _IncomingFile(sealer, chunks)

    def _prepare(self, today: date) -> PreparedAppend | None:
        """Sign the message, so that it follows the source's newest entry.

        Return None if the message was sent before.
        """
        draft = draft_entry(self.desk, self.keys, self.form_context, today)
        before = self._sent_before(draft)
        self.sent_as = before or self.form_context.entry_id
        if before is not None:
            return None
        if not draft.has_room():
            raise MessageRefusedError(MessageRefusal.MAILBOX_FULL)
        notes = tuple(note for note, _ in self._complete)
        if self._sealed is None:
            self._sealed = draft.seal(
                Content(kind=Kind.MESSAGE, language=self.language, text=self.text, attachments=notes)
            )
        else:  # another tab was faster: only the signature changes
            writer = SourceWriter(self.keys)
            self._sealed = sign_again(
                self._sealed, by=writer, heads=draft.heads, unseen=draft.unseen, day=today
            )
        return draft.append(self._sealed, [note.id for note in notes])

    def _sent_before(self, draft: EntryDraft) -> EntryId | None:
        """Return the id of the entry with which this message was sent before, or None for a new message."""
        if draft.sent:
            if not self._was_sent():
                raise MessageRefusedError(MessageRefusal.CHANGED)
            return self.form_context.entry_id
        # The session knows the text of its newest message. Decrypting the message takes longer.
        last = Digest(self.sent_in_session[:DIGEST_BYTES])
        if (
            last in {head.digest for head in draft.heads}
            and sent_mark(last, self.text) != self.sent_in_session
        ):
            return None
        newest = draft.find_newest()
        with suppress(CryptoError):
            if newest is not None and self._is_same(open_entry(newest, [self.keys.identity])):
                return newest.envelope.entry_id
        return None

    def _was_sent(self) -> bool:
        """Return True if the entry that this form added before has this message's text and files.

        An entry that was removed, or that cannot be read, counts as another message.
        """
        with suppress(NotFoundError):
            found = read_sent_words(self.desk, self.keys, self.form_context.entry_id)
            return any(isinstance(content, Content) and self._is_same(content) for _, content in found)
        return False

    def _is_same(self, before: Content) -> bool:
        return (
            before.kind is Kind.MESSAGE
            and before.text == self.text
            and len(before.attachments) == len(self._complete)
            and all(map(self._is_same_file, before.attachments, self._complete))
        )

    def _is_same_file(self, old: AttachmentNote, new: tuple[AttachmentNote, bytes]) -> bool:
        if (old.name, old.size) != (new[0].name, new[0].size):
            return False
        plain = hashlib.sha256()
        try:
            for piece in open_file(self.desk, self.keys, old.id)[1]:
                plain.update(piece)
        except (DamagedFileError, CryptoError, AttachmentMissingError):
            return False
        return plain.digest() == new[1]


def form_text(fields: Mapping[str, str]) -> str:
    """Return the text field of a form, with a line feed at the end of each line.

    A text without visible characters becomes empty. A text far over the limit of a message is cut just above
    the limit.
    """
    # Browsers end lines with a carriage return and a line feed. A text that is cut is still refused, and the
    # page that shows it again stays small.
    text = fields.get("text", "").replace("\r\n", "\n")
    escaped_bytes = len(text.encode()) + 4 * sum(map(text.count, "&<>\"'"))  # at most
    text = text if trim(text) else ""
    return text[: TEXT_CHARS + 1] if escaped_bytes > _ESCAPED_BYTES * TEXT_CHARS else text


class _IncomingFile:
    """One file of a message while the file arrives. Its bytes are encrypted and stored in chunks."""

    def __init__(self, sealer: AttachmentSealer, chunks: ChunkWriter) -> None:
        self._sealer, self._chunks, self._plain = sealer, chunks, hashlib.sha256()

    def add(self, piece: bytes) -> None:
        self._plain.update(piece)
        self._chunks.add(self._sealer.update(piece))

    def finish(self, filename: str, media_type: str) -> tuple[AttachmentNote, bytes]:
        for padding in self._sealer.pad():
            self._chunks.add(padding)
        last, note = self._sealer.finish(safe_name(filename), media_type[:MEDIA_TYPE_CHARS])
        self._chunks.add(last)
        self._chunks.finish()
        return note, self._plain.digest()
