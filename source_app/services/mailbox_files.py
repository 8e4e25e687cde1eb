"""Files of a mailbox: what the pages show about them, and their decrypted download."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from msgspec import UNSET

from crypto.errors import ForgedError
from protocol.attachment import AttachmentOpener
from protocol.content import AttachmentNote, Content, ProposedFile
from protocol.entry import open_entry
from protocol.identifiers import Digest
from protocol.mailbox_keys import MailboxKeys
from source_app.errors import NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.verified_mailbox import find_entry
from store import attachments
from web.filenames import safe_name


@dataclass(frozen=True, slots=True)
class ThreadFile:
    """File of an entry. `id` is hexadecimal, `size` in bytes, and `name` safe to show and to save.

    For a file of a proposal, `is_cleaned` says which copy it is, and `about` what hidden details it has.
    """

    id: str
    name: str = field(repr=False)
    size: int
    is_cleaned: bool | None = None
    about: str = field(default="", repr=False)


def shown_files(content: Content) -> tuple[ThreadFile, ...]:
    """Return the files of an entry as the pages show them."""
    return tuple(_shown_file(note, proposed) for note, proposed in _files(content))


def open_file(
    desk: PublicDesk, keys: MailboxKeys, attachment_id: bytes
) -> tuple[ThreadFile, Iterator[bytes]]:
    """Return a file of this mailbox, and an iterator that decrypts its bytes. Verifies the file's entry.

    The last bytes of a file in a proposal are returned only if the file is the one that the proposal names.

    Raises:
        NotFoundError: this mailbox has no such file.
        CryptoError: the file is not the one that its entry names. Also raised while the bytes are read.
    """
    with desk.store.reading() as reading:
        attachment = attachments.find(reading, keys.address, attachment_id)
    if attachment is None or attachment.header is None:
        raise NotFoundError
    signed = find_entry(desk, keys, attachment.entry_id)
    content = open_entry(signed, [keys.identity])
    for note, proposed in _files(content):
        if note.id == attachment_id:
            chunks = attachments.read_chunks(desk.store, keys.address, attachment_id)
            opener = AttachmentOpener(
                attachment.header, chunks, note, [keys.identity], keys.address, signed.envelope.entry_id
            )
            pieces = iter(opener) if proposed is None else _only_if(iter(opener), proposed.sha256)
            return _shown_file(note, proposed), pieces
    raise NotFoundError


def _files(content: Content) -> Iterator[tuple[AttachmentNote, ProposedFile | None]]:
    """Yield each file of an entry, and the proposal's statement about the file if it is a proposal."""
    for place, note in enumerate(content.attachments):
        yield note, None if content.proposal is UNSET else content.proposal.files[place]


def _shown_file(note: AttachmentNote, proposed: ProposedFile | None) -> ThreadFile:
    shown = ThreadFile(note.id.hex(), safe_name(note.name), note.size)
    if proposed is None:
        return shown
    return replace(shown, is_cleaned=proposed.is_cleaned, about=proposed.about)


def _only_if(pieces: Iterator[bytes], sha256: Digest) -> Iterator[bytes]:
    """Yield pieces, and the last one only if all together have this digest.

    Raises:
        ForgedError: they have another digest. The download ends too short.
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
