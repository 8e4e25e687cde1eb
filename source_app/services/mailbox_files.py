"""Files of a mailbox: names and sizes for the pages, and decrypted downloads."""

import hashlib
import hmac
import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from msgspec import UNSET

from crypto.errors import CryptoError, ForgedError
from protocol.attachment import AttachmentOpener
from protocol.content import AttachmentNote, Content, ProposedFile
from protocol.entry import SignedEntry, open_entry
from protocol.identifiers import Digest, EntryId
from protocol.mailbox_keys import MailboxKeys
from source_app.errors import DamagedFileError, NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.verified_mailbox import read_mailbox, read_sent_words
from store import attachments
from store.attachments import Attachment
from store.errors import AttachmentMissingError
from web.filenames import safe_name

# A file up to this size is verified before its first byte is sent. This takes as long as a page of a mailbox.
# With a limit of hundreds of megabytes, requests that cost an attacker nothing would occupy all threads.
VERIFIED_FIRST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ThreadFile:
    """Attached file of an entry, as a page shows it.

    `size` is in bytes, and `name` is safe to show. `is_cleaned` says whether a file in a proposal is a copy
    without metadata. For other files, `is_cleaned` is None.
    """

    id: str
    name: str = field(repr=False)
    size: int
    is_cleaned: bool | None = None
    about: str = field(default="", repr=False)

    @property
    def is_large(self) -> bool:
        """Return True if the file is too large to be verified completely before its download begins.

        If such a file is damaged, the download ends too early, and no error page is shown.
        """
        return self.size > VERIFIED_FIRST_BYTES


def shown_files(content: Content) -> tuple[ThreadFile, ...]:
    """Return the attached files of an entry as the pages show them."""
    return tuple(_shown_file(note, proposed) for note, proposed in _files(content))


def open_file(
    desk: PublicDesk, keys: MailboxKeys, attachment_id: bytes
) -> tuple[ThreadFile, Iterator[bytes]]:
    """Return a file of this mailbox, and an iterator that decrypts the file's bytes.

    If a large file is damaged, the iterator raises CryptoError or AttachmentMissingError before the last
    piece. Other files are verified before this function returns.

    Raises:
        NotFoundError: no entry of this mailbox names such a file.
        DamagedFileError: the file is missing, or differs from the one that its entry names.
    """
    with desk.store.reading(mailbox=keys.address) as reading:
        attachment = attachments.find(reading, keys.address, attachment_id)
    entry_id, note, proposed = _named_file(desk, keys, attachment_id, attachment)
    about = _shown_file(note, proposed)
    _verify(_pieces(desk, keys, entry_id, note, proposed), is_whole=not about.is_large)
    return about, _pieces(desk, keys, entry_id, note, proposed)


def damaged_files(
    desk: PublicDesk, keys: MailboxKeys, signed: SignedEntry, *, is_whole: bool = False
) -> frozenset[str]:
    """Return the ids of the files of a readable entry that are missing, or differ from what the entry names.

    With `is_whole`, all files are read to their ends. Without it, this function takes as long as a page, and
    reads only the beginnings of files for which no time is left.
    """
    damaged = set()
    left = VERIFIED_FIRST_BYTES
    for note, proposed in _files(open_entry(signed, [keys.identity])):
        left -= note.size
        try:
            pieces = _pieces(desk, keys, signed.envelope.entry_id, note, proposed)
            _verify(pieces, is_whole=is_whole or left >= 0)
        except DamagedFileError:
            damaged.add(note.id.hex())
    return frozenset(damaged)


def _pieces(
    desk: PublicDesk,
    keys: MailboxKeys,
    entry_id: EntryId,
    note: AttachmentNote,
    proposed: ProposedFile | None,
) -> Iterator[bytes]:
    """Decrypt a file that a verified entry names. The last piece is yielded after all checks."""
    with desk.store.reading(mailbox=keys.address) as reading:
        attachment = attachments.find(reading, keys.address, note.id)
    if attachment is None or attachment.header is None:
        raise AttachmentMissingError("the file or its header is missing")
    chunks = attachments.read_chunks(desk.store, keys.address, note.id)
    opener = iter(AttachmentOpener(attachment.header, chunks, note, [keys.identity], keys.address, entry_id))
    yield from opener if proposed is None else _only_if(opener, proposed.sha256)


def _verify(pieces: Iterator[bytes], *, is_whole: bool) -> None:
    """Read a file to its end, or only its first piece.

    Raises:
        DamagedFileError: the file is missing or damaged.
    """
    try:
        for _ in itertools.islice(pieces, None if is_whole else 1):
            pass
    except (CryptoError, AttachmentMissingError) as why:
        raise DamagedFileError from why


def _named_file(
    desk: PublicDesk, keys: MailboxKeys, attachment_id: bytes, attachment: Attachment | None
) -> tuple[EntryId, AttachmentNote, ProposedFile | None]:
    """Return the id of the verified entry that names a file, and what the entry says about the file.

    Raises:
        NotFoundError: no entry of this mailbox names such a file.
    """
    for signed, content in _entries(desk, keys, attachment):
        for note, proposed in _files(content) if isinstance(content, Content) else ():
            if note.id == attachment_id:
                return signed.envelope.entry_id, note, proposed
    raise NotFoundError


def _entries(
    desk: PublicDesk, keys: MailboxKeys, attachment: Attachment | None
) -> Iterator[tuple[SignedEntry, object]]:
    """Yield the verified entries that may name a file, with their content. The likeliest comes first."""
    if attachment is not None:
        with suppress(NotFoundError):
            yield from read_sent_words(desk, keys, attachment.entry_id)
    yield from read_mailbox(desk, keys).opened


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
