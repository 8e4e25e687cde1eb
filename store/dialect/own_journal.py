"""Journal (WAL) of a store: recognise whether a journal belongs to the file beside it.

SQLite does not check this. With the journal of a newer file, a restored backup would be corrupt. So each
change gives the store a new random number, and notes the number before it. SQLite keeps both on the first
page of the file (`user_version`, `application_id`), and so also in the journal.
"""

import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

from store.dialect.sqlite_pages import PAGE_BYTES
from store.errors import StoreJournalError

# Source: sqlite.org/fileformat2.html, sections 1.3 and 4.1 to 4.3.
_HEADER = struct.Struct(">16x8s8s")  # salts, checksum
_FRAME = struct.Struct(">I4x8s8s")  # number of the page, salts, checksum; the page follows
_SUMMED = 8  # bytes of a frame's head that are in its checksum
_NUMBERS = struct.Struct(">60xi4xi")  # of the first page: the present number, and the number before it
_TRIES = 5


def journal_of(path: Path) -> Path:
    """Return the path of the journal of the store at `path`. The journal exists only while it is needed."""
    return path.with_name(f"{path.name}-wal")


def write_new_number(driver: sqlite3.Connection) -> None:
    """Give the store a new random number, in the current transaction."""
    (before,) = driver.execute("PRAGMA user_version").fetchone()
    driver.execute(f"PRAGMA application_id={before}")
    driver.execute(f"PRAGMA user_version={int.from_bytes(os.urandom(4), signed=True)}")


def refuse_foreign_journal(path: Path) -> None:
    """Check that the journal beside a store, if there is one, belongs to the store's present file.

    Raises:
        StoreJournalError: the journal belongs to another file, such as the store before its restore.
    """
    journal = journal_of(path)
    for _ in range(_TRIES):
        seen = _numbers_in(journal)
        (numbers, first_bytes) = seen
        if not numbers or _number_of(path) in numbers:
            return
        if seen == _numbers_in(journal):  # no other program wrote between the two readings
            if _is_complete(journal, first_bytes):
                raise StoreJournalError
            return  # a power cut tore the first transaction, so SQLite does not use the journal


def _number_of(path: Path) -> int:
    # An immutable file is read without its journal. SQLite opens it: if our own code opened and closed the
    # file, all connections of this process would lose their locks.
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as connection:
        # A file can be shorter than it says, if a program was killed while the journal moved into the file.
        connection.execute("PRAGMA writable_schema=ON")
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _numbers_in(journal: Path) -> tuple[set[int], int]:
    """Find the copies of the store's first page in a journal.

    Return the random numbers in these copies, which identify the store, and the byte position at which the
    first copy ends. If there is no copy, the position is 0.
    """
    numbers, first_bytes = set[int](), 0
    try:
        file = journal.open("rb")
    except FileNotFoundError:
        return numbers, 0
    with file:
        if len(header := file.read(_HEADER.size)) < _HEADER.size:
            return numbers, 0
        salts, _ = _HEADER.unpack(header)
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            page, salts_of_frame, _ = _FRAME.unpack(head)
            if salts_of_frame != salts:
                break  # the rest is from before SQLite began the journal again
            if page != 1:
                file.seek(PAGE_BYTES, os.SEEK_CUR)
            elif len(content := file.read(PAGE_BYTES)) == PAGE_BYTES:
                numbers.update(_NUMBERS.unpack_from(content))
                first_bytes = first_bytes or file.tell()
    return numbers, first_bytes


def _is_complete(journal: Path, size: int) -> bool:
    """Return True if the checksums of the journal's first `size` bytes are right."""
    with journal.open("rb") as file:
        raw = file.read(size)
    order = ">" if raw[3] & 1 else "<"
    _, checksum = _HEADER.unpack_from(raw)
    sums = _checksum(raw[: _HEADER.size - len(checksum)], order, (0, 0))
    pairs = [(sums, checksum)]
    for start in range(_HEADER.size, size, _FRAME.size + PAGE_BYTES):
        _, _, checksum = _FRAME.unpack_from(raw, start)
        page = start + _FRAME.size
        sums = _checksum(raw[start : start + _SUMMED] + raw[page : page + PAGE_BYTES], order, sums)
        pairs.append((sums, checksum))
    return all(struct.pack(">II", *computed) == stored for computed, stored in pairs)


def _checksum(content: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    for one, other in struct.iter_unpack(f"{order}II", content):
        first = first + one + second & 0xFFFFFFFF
        second = second + other + first & 0xFFFFFFFF
    return first, second
