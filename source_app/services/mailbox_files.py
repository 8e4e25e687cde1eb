"""Files of a mailbox: names and sizes for the pages, and decrypted downloads."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from msgspec import UNSET

from crypto.errors import ForgedError
from protocol.attachment import AttachmentOpener
from protocol.content import AttachmentNote, Content, ProposedFile
from protocol.identifiers import Digest
from protocol.mailbox_keys import MailboxKeys
from source_app.errors import NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.verified_mailbox import read_sent_words
from store import attachments
from web.filenames import safe_name


@dataclass(frozen=True, slots=True)
class ThreadFile:
    """Attached file of an entry, as a page shows it.

    `id` is hexadecimal, `size` is in bytes, `name` is safe to show. In a proposal, `is_cleaned` is True for a
    copy without metadata, and `about` describes the hidden details of the file. For other files, `is_cleaned`
    is None.
    """

    id: str
    name: str = field(repr=False)
    size: int
    is_cleaned: bool | None = None
    about: str = field(default="", repr=False)


def shown_files(content: Content) -> tuple[ThreadFile, ...]:
    """Return the attached files of an entry, in the form that the pages show."""
    return tuple(_shown_file(note, proposed) for note, proposed in _files(content))


def open_file(
    desk: PublicDesk, keys: MailboxKeys, attachment_id: bytes
) -> tuple[ThreadFile, Iterator[bytes]]:
    """Return a file of this mailbox, and an iterator that decrypts the file's bytes.

    The entry that contains the file is verified first. The last bytes of a proposal's file are returned only
    if the file has the digest that the proposal names.

    Raises:
        NotFoundError: this mailbox has no such file.
        CryptoError: the file differs from the one that its entry names. The iterator can raise this exception
            too.
    """
    with desk.store.reading() as reading:
        attachment = attachments.find(reading, keys.address, attachment_id)
    if attachment is None or attachment.header is None:
        raise NotFoundError
    for signed, content in read_sent_words(desk, keys, attachment.entry_id):
        for note, proposed in _files(content) if isinstance(content, Content) else ():
            if note.id == attachment_id:
                chunks = attachments.read_chunks(desk.store, keys.address, attachment_id)
                opener = AttachmentOpener(
                    attachment.header, chunks, note, [keys.identity], keys.address, signed.envelope.entry_id
                )
                pieces = iter(opener) if proposed is None else _only_if(iter(opener), proposed.sha256)
                return _shown_file(note, proposed), pieces
    raise NotFoundError


def _files(content: Content) -> Iterator[tuple[AttachmentNote, ProposedFile | None]]:
    """Yield each attached file of an entry, with the proposal's statement about the file.

    The statement is None if the entry is not a proposal.
    """
    for place, note in enumerate(content.attachments):
        yield note, None if content.proposal is UNSET else content.proposal.files[place]


def _shown_file(note: AttachmentNote, proposed: ProposedFile | None) -> ThreadFile:
    shown = ThreadFile(note.id.hex(), safe_name(note.name), note.size)
    if proposed is None:
        return shown
    return replace(shown, is_cleaned=proposed.is_cleaned, about=proposed.about)


def _only_if(pieces: Iterator[bytes], sha256: Digest) -> Iterator[bytes]:
    """Yield the pieces of a file, but the last piece only if the whole file has the digest `sha256`.

    Raises:
        ForgedError: the file has another digest. The visitor's download then ends too early.
    """
    whole = hashlib.sha256()
    held = b""
    for piece in pieces:
        if held:
            yield held
        held = piece
        whole.update(piece)
    if not hmac.compare_digest(whole.digest(), sha256):
        raise ForgedError
    yield held
