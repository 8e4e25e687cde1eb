"""Room for files: free space of the disk, and free pages inside the store's file.

SQLite never gives freed pages back to the disk, except in the nightly rewrite. It uses them for new rows.
"""

import os
import sqlite3
from pathlib import Path

from store.dialect.sqlite_pages import PAGE_BYTES

# Files always leave this much of the disk, so that the clean-up can write its journal: about 9 MB for a step.
CLEANUP_BYTES = 16 * 1024 * 1024
# A chunk needs 1.1 MB in the journal first, also if it finds free pages. As much stays for giving it up.
_JOURNAL_BYTES = 3 * 1024 * 1024
# A page has a few bytes of SQLite, and each row has a shield: of 1 MiB, 259 pages are used.
_USABLE_BYTES = PAGE_BYTES * 15 // 16


def room_for_files(driver: sqlite3.Connection, path: Path, reserve_bytes: int) -> int:
    """Return how many more bytes of files fit in the store, with `reserve_bytes` of the disk kept free."""
    free = free_on_disk(path)
    if free < _JOURNAL_BYTES:
        return 0
    pages, free_pages = _pages(driver), _free_pages(driver)
    growth = max(0, pages * PAGE_BYTES - path.stat().st_size)  # of the file, for what is in the journal now
    on_disk = free - growth - max(reserve_bytes, CLEANUP_BYTES)
    return max(0, on_disk) + free_pages * _USABLE_BYTES


def bytes_in_use(driver: sqlite3.Connection) -> int:
    """Return the size of the store without its free pages."""
    return (_pages(driver) - _free_pages(driver)) * PAGE_BYTES


def free_on_disk(path: Path) -> int:
    """Return how many bytes this user may still write to the disk of a file or folder."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def _pages(driver: sqlite3.Connection) -> int:
    return int(driver.execute("PRAGMA page_count").fetchone()[0])


def _free_pages(driver: sqlite3.Connection) -> int:
    return int(driver.execute("PRAGMA freelist_count").fetchone()[0])
