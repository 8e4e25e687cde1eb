"""Copies of a store's file: write one while programs use the store, and replace a store by one."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

from store.database.atomic_files import sync_folder
from store.dialect.disk_room import bytes_in_use, free_on_disk
from store.dialect.own_journal import journal_of, write_new_number
from store.dialect.sqlite_connections import connect
from store.dialect.sqlite_errors import translating
from store.errors import StoreBusyError, StoreError, StoreFullError

OTHER_ROWS = "the copy of the store differs from the store: check the disk, and run the same command again"


_STEPS = 1000  # of SQLite's virtual machine: some hundred rows


def write_copy(
    path: Path, copy: Path, on_bytes: Callable[[int, int], object] = lambda _done, _total: None
) -> None:
    """Write the content of a store, as it is at one moment, to a new file that only this user can read.

    The copy has no free pages, and no remnants of deleted rows. Content that a program deletes during the
    copying stays in the store's file until the copy is complete.

    `on_bytes` receives the number of copied bytes, and the number of all bytes.

    Raises:
        FileExistsError: there is a file at `copy`.
        StoreFullError: the disk of the copy has no room for it.
        StoreError: the store cannot be read.
    """
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with translating(path):
        with closing(connect(path, "journal_mode=WAL")) as store:
            total = bytes_in_use(store)
            if free_on_disk(copy) < total:
                raise StoreFullError
            _write_showing(store, copy, lambda done: on_bytes(min(done, total), total))
        on_bytes(total, total)
        with closing(connect(copy, "journal_mode=WAL")) as copied:
            copied.execute("BEGIN")
            write_new_number(copied)  # so that no journal of the store fits the copy
            copied.execute("COMMIT")


def _write_showing(store: sqlite3.Connection, copy: Path, on_size: Callable[[int], object]) -> None:
    """Write a copy, and show its size so far. An exception in `on_size`, such as Ctrl-C, stops SQLite."""
    stopped: list[BaseException] = []

    def show() -> bool:
        try:
            on_size(copy.stat().st_size)
        except BaseException as why:  # noqa: BLE001  # SQLite would hide the exception
            stopped.append(why)
        return bool(stopped)  # True stops SQLite

    store.set_progress_handler(show, _STEPS)
    try:
        store.execute("VACUUM INTO ?", (str(copy),))
    finally:
        if stopped:
            raise stopped[0]


def refuse_other_rows(path: Path, copy: Path) -> None:
    """Check that a copy has the same rows as the store at `path`, which can be of any version.

    No program may use the store during the check.

    Raises:
        StoreError: a row differs, or one of the files cannot be read.
    """
    with translating(copy), closing(connect(path)) as store, closing(connect(copy)) as copied:
        for (table,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            query = f"SELECT * FROM {table} ORDER BY rowid"  # noqa: S608  # a name of our own
            pair = (each.execute(query) for each in (store, copied))
            if any(row != other for row, other in zip_longest(*pair)):
                raise StoreError(OTHER_ROWS)


def put_in_place(copy: Path, path: Path) -> None:
    """Rename a complete store to `path`. An old store at `path` is deleted, with its journal.

    After a crash, `path` has the old or the new store. No program opens the new store while the old journal
    is beside it.
    """
    copy.replace(path)
    journal_of(path).unlink(missing_ok=True)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    sync_folder(path.parent)


def refuse_store_in_use(path: Path) -> None:
    """Check that no program has the store open. A store that is damaged or missing counts as not in use.

    Raises:
        StoreBusyError: a program has the store open.
    """
    try:
        with translating(path), closing(connect(path, "busy_timeout=0", "locking_mode=EXCLUSIVE")) as store:
            store.execute("BEGIN EXCLUSIVE")
            store.execute("ROLLBACK")
    except StoreBusyError:
        raise
    except StoreError:
        return
