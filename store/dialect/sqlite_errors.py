"""Translation of SQLite's errors to the store's exceptions, by error code and never by message."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as QueueTimeoutError

from store import errors

_FULL_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_BY_PRIMARY_CODE: dict[int, type[errors.StoreError]] = {
    sqlite3.SQLITE_BUSY: errors.StoreBusyError,
    sqlite3.SQLITE_LOCKED: errors.StoreBusyError,
    sqlite3.SQLITE_PROTOCOL: errors.StoreBusyError,
    sqlite3.SQLITE_READONLY: errors.StoreReadOnlyError,
    sqlite3.SQLITE_PERM: errors.StoreReadOnlyError,
    sqlite3.SQLITE_CONSTRAINT: errors.StoreDamagedError,  # callers handle the rows that may exist already
    sqlite3.SQLITE_MISMATCH: errors.StoreDamagedError,
    sqlite3.SQLITE_CORRUPT: errors.StoreDamagedError,
    sqlite3.SQLITE_NOTADB: errors.StoreDamagedError,
    sqlite3.SQLITE_IOERR: errors.StoreDamagedError,
}


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """Translate database errors that occur inside the block to a `StoreError`. `path` is the store's file.

    Raises:
        StoreError: SQLite reported a failure for which `StoreError` has a subclass.
    """
    try:
        yield
    except QueueTimeoutError as why:
        raise errors.StoreBusyError from why
    except (DBAPIError, sqlite3.Error) as why:
        cause = why.orig if isinstance(why, DBAPIError) else why
        kind = _kind(cause, path)
        if kind is None:
            raise
        raise kind from why


def _kind(cause: BaseException | None, path: Path) -> type[errors.StoreError] | None:
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:
        return None
    if code in _FULL_CODES:
        return errors.StoreFullError
    if code == sqlite3.SQLITE_ERROR:  # the file does not have the tables of the statement
        return errors.StoreOutdatedError
    if code & 0xFF == sqlite3.SQLITE_CANTOPEN:  # on a read-only disk, only the journal cannot be opened
        present = path.is_file()
        writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        return errors.StoreReadOnlyError if present and not writable else errors.StoreMissingError
    return _BY_PRIMARY_CODE.get(code & 0xFF)
