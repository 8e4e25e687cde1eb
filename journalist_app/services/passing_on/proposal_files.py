"""Files of a proposal: each is inspected, and encrypted as it is and as a cleaned copy."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Final

from crypto.errors import ForgedError, UnreadableError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import FileRefusal, FileRefusedError, SendRefusal, SendRefusedError
from journalist_app.files.export import Exporter, FileFindings
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.mailbox.pending_files import PendingFiles
from protocol.content import ATTACHMENTS, AttachmentNote
from protocol.identifiers import Address, AttachmentId, Digest
from web.filenames import safe_name

INSPECTED_BYTES: Final = 200_000_000  # a larger file is not copied into memory to be inspected

UploadedFile = tuple[str, str, Iterator[bytes]]  # name, media type, pieces


@dataclass(frozen=True, slots=True)
class PendingCopy:
    """One copy of a file, encrypted and pending. `sha256` is of its plaintext."""

    note: AttachmentNote
    sha256: Digest


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file as it would be passed on: as it is, or cleaned where that is possible.

    `findings` has what is hidden in the file. It is None if the file is too large to be inspected here.
    """

    name: str = field(repr=False)
    original: PendingCopy
    cleaned: PendingCopy | None
    findings: FileFindings | None = field(repr=False)

    @property
    def lines(self) -> tuple[str, ...]:
        """Return what is hidden in the original file, one line for each thing."""
        return self.findings.lines if self.findings is not None else ()


def chosen_files(
    desk: OpenDesk, address: Address, chosen: tuple[AttachmentId, ...], uploads: Iterable[UploadedFile]
) -> Iterator[UploadedFile]:
    """Yield every file of a proposal: first those chosen from the mailbox, then those uploaded with the form.

    Raises:
        SendRefusedError: TOO_MANY_FILES.
        FileRefusedError: a chosen file cannot be opened.
    """
    if len(chosen) > ATTACHMENTS:
        raise SendRefusedError(SendRefusal.TOO_MANY_FILES)
    for attachment_id in chosen:
        try:
            file = file_downloads.open_presealed_file(desk, address, attachment_id)
        except (ForgedError, UnreadableError) as why:
            raise FileRefusedError(FileRefusal.BROKEN) from why
        yield file.name, "", _decrypted(file.pieces)
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
    """Encrypt a file while it arrives, and inspect a copy in memory, which is gone when this returns."""
    name, media_type, pieces = file
    name = safe_name(name)
    with exporter.work_folder() as folder:
        path = folder / "file"
        copy = _MemoryCopy(path)
        original = _encrypt(pending, name, media_type, copy.pass_on(pieces))
        if not copy.is_whole:
            return PreparedFile(name, original, None, None)
        findings = exporter.inspect(path, name)
        made = exporter.clean(path, name) if findings.can_clean else None
    cleaned = None if made is None else _encrypt(pending, name, media_type, iter([made]))
    return PreparedFile(name, original, cleaned, findings)


class _MemoryCopy:
    """Copy of a file in memory while it is inspected. A file that is too large for it is not kept."""

    def __init__(self, path: Path) -> None:
        self.is_whole = True
        self._path = path

    def pass_on(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        with self._path.open("xb", buffering=0) as copy:  # a buffer would notice a full disk only at its end
            for piece in pieces:
                size += len(piece)
                if self.is_whole and (size > INSPECTED_BYTES or not _write(copy, piece)):
                    self.is_whole = False
                    copy.truncate(0)
                yield piece


def _write(copy: FileIO, piece: bytes) -> bool:
    """Write a piece, and return whether there was room. A full disk cuts the piece short or refuses it."""
    try:
        return copy.write(piece) == len(piece)
    except OSError:
        return False


def _encrypt(pending: PendingFiles, name: str, media_type: str, pieces: Iterator[bytes]) -> PendingCopy:
    digest = hashlib.sha256()

    def digested() -> Iterator[bytes]:
        for piece in pieces:
            digest.update(piece)
            yield piece

    note = pending.add(name, media_type, digested())
    return PendingCopy(note, Digest(digest.digest()))
