"""Files of a proposal: inspects each file, and encrypts the original and a cleaned copy."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import FileIO
from tempfile import TemporaryFile
from typing import Final

from crypto.errors import ForgedError, UnreadableError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import FileRefusal, FileRefusedError, SendRefusal, SendRefusedError
from journalist_app.files.gpg_export import Exporter
from journalist_app.files.metadata import FileFindings
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.mailbox.pending_files import PendingFiles
from protocol.content import ATTACHMENTS, AttachmentNote
from protocol.identifiers import Address, AttachmentId, Digest
from web.filenames import safe_name

INSPECTED_BYTES: Final = 200_000_000  # a larger file is not copied into memory to be inspected

UploadedFile = tuple[str, Iterator[bytes]]  # name, pieces


@dataclass(frozen=True, slots=True)
class PendingCopy:
    """Encrypted copy of a file that the desk proposes to pass on, kept until the proposal is sent.

    `sha256` is the digest of the plaintext.
    """

    note: AttachmentNote
    sha256: Digest


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file that the desk proposes to pass on: the original, and a cleaned copy if one could be made.

    `findings` has the metadata and hidden parts of the original. `findings` is None if the file is too large
    to be inspected.
    """

    name: str = field(repr=False)
    original: PendingCopy
    cleaned: PendingCopy | None
    findings: FileFindings | None = field(repr=False)

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the metadata and hidden parts of the original file, one sentence for each."""
        return self.findings.lines if self.findings is not None else ()


def chosen_files(
    desk: OpenDesk, address: Address, chosen: tuple[AttachmentId, ...], uploads: Iterable[UploadedFile]
) -> Iterator[UploadedFile]:
    """Yield the files of a proposal: first those chosen from the mailbox, then those uploaded with the form.

    Raises:
        SendRefusedError: TOO_MANY_FILES.
        FileRefusedError: a file that was chosen from the mailbox cannot be opened or decrypted.
    """
    if len(chosen) > ATTACHMENTS:
        raise SendRefusedError(SendRefusal.TOO_MANY_FILES)
    for attachment_id in chosen:
        try:
            file = file_downloads.open_download(desk, address, attachment_id, is_unsealed=True)
        except (ForgedError, UnreadableError) as why:
            raise FileRefusedError(FileRefusal.BROKEN) from why
        yield file.name, _decrypted(file.pieces)
    allowed = min(desk.config.upload_files, ATTACHMENTS - len(chosen))
    for count, upload in enumerate(uploads):
        if count >= allowed:
            raise SendRefusedError(SendRefusal.TOO_MANY_FILES)
        yield upload


def _decrypted(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except ForgedError as why:
        raise FileRefusedError(FileRefusal.BROKEN) from why
    except UnreadableError as why:
        raise FileRefusedError(FileRefusal.SEALED) from why


def prepare_file(exporter: Exporter, pending: PendingFiles, file: UploadedFile) -> PreparedFile:
    """Encrypt a file of a proposal while it arrives.

    Then inspect the file, and make a cleaned copy if possible. The inspection and the cleaning use a
    temporary copy in memory.
    """
    name, pieces = file
    name = safe_name(name)
    # A file without a name: nothing is left of it, however this process ends.
    with TemporaryFile(dir=exporter.home.folder, buffering=0) as memory:
        original = _encrypt(pending, name, _copied(pieces, memory))
        if memory.closed:
            return PreparedFile(name, original, None, None)
        findings = exporter.mat2.inspect(memory, name)
        made = exporter.mat2.clean(memory, name) if findings.can_clean else None
    cleaned = None if made is None else _encrypt(pending, name, iter([made]))
    return PreparedFile(name, original, cleaned, findings)


def _copied(pieces: Iterator[bytes], memory: FileIO) -> Iterator[bytes]:
    """Yield the pieces of a file, and copy them to a file in memory. Close the copy if the file is too large.

    The copy has no write buffer, because a full disk would then be noticed too late.
    """
    for piece in pieces:
        if not memory.closed and (memory.tell() + len(piece) > INSPECTED_BYTES or not _write(memory, piece)):
            memory.close()
        yield piece


def _write(copy: FileIO, piece: bytes) -> bool:
    """Write a piece of a file to the copy in memory. Return False if there is no room for the whole piece."""
    try:
        return copy.write(piece) == len(piece)
    except OSError:
        return False


def _encrypt(pending: PendingFiles, name: str, pieces: Iterator[bytes]) -> PendingCopy:
    digest = hashlib.sha256()

    def digested() -> Iterator[bytes]:
        for piece in pieces:
            digest.update(piece)
            yield piece

    note = pending.add(name, digested())
    return PendingCopy(note, Digest(digest.digest()))
