"""Look at a file of a mailbox without opening it: the file is converted to pages, in the background."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from crypto.errors import ForgedError, UnreadableError
from journalist_app.conversion.conversion_limits import FILE_BYTES, FILE_SECONDS
from journalist_app.conversion.converter_run import memory_file
from journalist_app.conversion.file_pages import convert_file
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.shown_files import ShownFile
from journalist_app.errors import (
    AdviserError,
    ConversionRefusal,
    ConversionRefusedError,
    FileRefusal,
    FileRefusedError,
)
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.mailbox.file_downloads import Download
from protocol.identifiers import Address, AttachmentId, EntryId
from store.errors import StoreError

_WHICH = re.compile(r"([0-9a-f]{32})(?:-(\d{1,4})-(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file of a mailbox that the adviser can look at or save.

    `size` is in bytes. It is None for a part of an encrypted block.
    """

    name: str = field(repr=False)
    size: int | None
    open: Callable[[], Download] = field(repr=False)


def find_file(desk: OpenDesk, address: Address, which: str) -> NamedFile:
    """Find a file of a mailbox, without reading the file.

    `which` is the id of an attached file. For a part of an encrypted block, `which` joins three values with
    hyphens: the id of the entry, the number of the block from 1, and the number of the part from 0.

    Raises:
        FileRefusedError: no verified entry of the mailbox has such a file.
        MailboxNotFoundError: the store has no such mailbox.
    """
    found = _WHICH.fullmatch(which)
    if found is None:
        raise FileRefusedError(FileRefusal.MISSING)
    if found[2] is None:
        file_id = AttachmentId(bytes.fromhex(found[1]))
        note = file_downloads.find_note(desk, address, file_id)
        return NamedFile(
            note.name,
            note.size,
            lambda: file_downloads.open_download(desk, address, file_id, is_unsealed=True),
        )
    entry_id = EntryId(bytes.fromhex(found[1]))
    part = file_downloads.open_pasted(desk, address, entry_id, int(found[2]), int(found[3]))
    return NamedFile(part.name, None, lambda: part)


def look_at(desk: OpenDesk, address: Address, which: str) -> tuple[NamedFile, ShownFile]:
    """Return the pages of a file that are ready. The first time, begin to convert the file.

    `which` names the file, as in `find_file`.

    Raises:
        FileRefusedError: no verified entry of the mailbox has such a file, or the desk cannot decrypt it.
        MailboxNotFoundError: the store has no such mailbox.
    """
    try:
        named = find_file(desk, address, which)
    except AdviserError:
        desk.shown_files.drop((address, which))
        raise
    file, is_new = desk.shown_files.open((address, which))
    if is_new:
        threading.Thread(target=_convert, args=(desk, named, file), name="look", daemon=True).start()
    return named, file


def _convert(desk: OpenDesk, named: NamedFile, file: ShownFile) -> None:
    """Convert a file page by page, until the file ends, its time is over, or the desk locks."""
    file.refusal = ConversionRefusal.FAILED  # if an unexpected exception ends this thread
    try:
        with desk.shown_files.converting:
            if not desk.stopping.is_set():
                file.refusal = _convert_pages(desk, named, file)
    except (ConversionRefusedError, FileRefusedError) as why:
        file.refusal = why.reason
    except UnreadableError:
        file.refusal = FileRefusal.SEALED
    except (ForgedError, AdviserError, StoreError):
        file.refusal = FileRefusal.BROKEN
    finally:
        file.is_done = True


def _convert_pages(desk: OpenDesk, named: NamedFile, file: ShownFile) -> ConversionRefusal | None:
    converter = replace(desk.shown_files.converter, until=time.monotonic() + FILE_SECONDS)
    with memory_file() as memory:
        for piece in named.open().pieces:
            memory.write(piece)
            if memory.tell() > FILE_BYTES:
                return ConversionRefusal.TOO_LARGE
        memory.flush()
        pages = convert_file(converter, memory)
        file.programs, file.encoding, file.total = pages.programs, pages.encoding, pages.total
        file.count = pages.count
        for number in range(1, pages.count + 1):
            if desk.stopping.is_set() or time.monotonic() >= converter.until:
                return ConversionRefusal.LIMIT
            try:
                desk.shown_files.keep(file, number, pages.page(number))
            except ConversionRefusedError as why:
                file.refused_pages[number] = why.reason
    return None
