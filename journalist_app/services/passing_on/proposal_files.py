"""Files of a proposal: inspects each file, and encrypts the original and a safe copy."""

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from io import FileIO
from tempfile import TemporaryFile
from typing import Final

from flask_babel import LazyString

from crypto.errors import ForgedError, UnreadableError
from journalist_app.cleaning.copy_sentences import NO_ROOM
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import AdviserError, FileRefusal, FileRefusedError, SendRefusal, SendRefusedError
from journalist_app.files.file_examiner import CopyForm
from journalist_app.files.gpg_export import Exporter
from journalist_app.files.metadata import FileFindings, not_examined
from journalist_app.files.metadata_sentences import FAILED, TOO_LARGE
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.mailbox.pending_files import PendingFiles
from protocol.content import ATTACHMENTS, AttachmentNote
from protocol.identifiers import Address, AttachmentId, Digest
from store.errors import StoreError
from web.filenames import safe_name

INSPECTED_BYTES: Final = 50_000_000  # a larger file is not copied into memory to be inspected
EXAMINE_SECONDS: Final = 120  # for all files of a proposal; while they are examined, the app stays unlocked

UploadedFile = tuple[str, Iterator[bytes]]  # name, pieces


@dataclass(frozen=True, slots=True)
class PendingCopy:
    """Encrypted copy of a file that the desk proposes to pass on, kept until the proposal is sent.

    `sha256` is the digest of the plaintext.
    """

    note: AttachmentNote
    sha256: Digest


@dataclass(slots=True)
class PreparedFile:
    """A file that the desk proposes to pass on: the original, and a safe copy if one could be made.

    `findings` has the metadata and hidden parts of the original, or says why it was not examined. `remarks`
    describes the copy. If no cleaned copy was made, `remarks` says why. `pages` is the copy's number of
    pictures.
    """

    name: str = field(repr=False)
    original: PendingCopy
    memory: FileIO = field(repr=False)  # temporary copy for the examination
    findings: FileFindings = field(default=not_examined(FAILED), repr=False)
    remarks: tuple[LazyString, ...] = field(default=(), repr=False)
    copy: PendingCopy | None = None
    form: CopyForm | None = None
    pages: int = 0


def chosen_files(
    desk: OpenDesk, address: Address, chosen: tuple[AttachmentId, ...], uploads: Iterable[UploadedFile]
) -> Iterator[UploadedFile]:
    """Yield the files of a proposal: first those chosen from the mailbox, then those uploaded with the form.

    Raises:
        SendRefusedError: there are too many files.
        FileRefusedError: a file that was chosen from the mailbox cannot be opened or decrypted.
    """
    if len(chosen) > ATTACHMENTS:
        raise SendRefusedError(SendRefusal.TOO_MANY_FILES)
    for attachment_id in chosen:
        try:
            file = file_downloads.open_download(desk, address, attachment_id, is_unsealed=True)
        except ForgedError as why:
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


def prepare_file(
    exporter: Exporter, pending: PendingFiles, file: UploadedFile, on_failure: ExitStack
) -> PreparedFile:
    """Encrypt a file of a proposal while it arrives, and keep a copy in memory for the examination.

    If this file or a later file cannot be prepared, `on_failure` closes the copy.
    """
    name = safe_name(file[0])
    # A file without a name: nothing is left of it, however this process ends. It has no buffer, because a
    # full disk would then be noticed too late.
    memory = TemporaryFile(dir=exporter.home.folder, buffering=0)  # noqa: SIM115  # `examine_files` closes it
    on_failure.enter_context(memory)
    return PreparedFile(name, _encrypt(pending, name, _copied(file[1], memory)), memory)


def _copied(pieces: Iterator[bytes], memory: FileIO) -> Iterator[bytes]:
    """Yield the pieces of a file, and copy them to a file in memory. Close a copy that is too large."""
    for piece in pieces:
        is_kept = False
        with suppress(OSError, ValueError):  # a full disk, or the copy was closed before
            is_kept = memory.tell() + len(piece) <= INSPECTED_BYTES and memory.write(piece) == len(piece)
        if not is_kept:
            memory.close()
        yield piece


def examine_files(
    exporter: Exporter, pending: PendingFiles, files: Sequence[PreparedFile], stopping: threading.Event
) -> None:
    """Examine the files of a proposal one by one, and make safe copies.

    All files together get two minutes. The function ends early if the desk is locked.
    """
    # Each file gets an equal share of the time left, so a hostile file cannot use the time of the others.
    until = time.monotonic() + EXAMINE_SECONDS
    try:
        for place, file in enumerate(files):
            now = time.monotonic()
            try:
                if file.memory.closed:
                    file.findings = not_examined(TOO_LARGE)
                elif not stopping.is_set():
                    _examine(exporter, pending, file, now + (until - now) / (len(files) - place))
            except (AdviserError, StoreError):
                file.remarks = (NO_ROOM,)
            file.memory.close()
    finally:
        for file in files:
            file.memory.close()


def _examine(exporter: Exporter, pending: PendingFiles, file: PreparedFile, until: float) -> None:
    file.findings = exporter.examiner.inspect(file.memory, file.name, until)
    made = exporter.examiner.make_copy(file.memory, file.name, until)
    if made.copy is not None:
        file.copy = _encrypt(pending, made.copy.name, iter([made.copy.content]))
        file.form, file.pages = made.copy.form, made.copy.pages
    file.remarks = made.remarks


def _encrypt(pending: PendingFiles, name: str, pieces: Iterator[bytes]) -> PendingCopy:
    digest = hashlib.sha256()

    def digested() -> Iterator[bytes]:
        for piece in pieces:
            digest.update(piece)
            yield piece

    note = pending.add(name, digested())
    return PendingCopy(note, Digest(digest.digest()))
