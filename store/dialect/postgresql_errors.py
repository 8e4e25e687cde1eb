"""Translation of PostgreSQL's errors to the store's exceptions, by SQLSTATE and never by message.

PostgreSQL puts values of rows into its messages, so no message and no exception of the driver goes further.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as QueueTimeoutError

from store import errors

# Source: postgresql.org/docs/15/errcodes-appendix.html. A code of two letters is a whole class.
_BY_SQLSTATE: dict[str, type[errors.StoreError]] = {
    "08": errors.StoreUnreachableError,  # the connection failed
    "55000": errors.StoreUnreachableError,  # the database accepts no connections
    "25P03": errors.StoreUnreachableError,  # the server ended a transaction that did nothing for too long
    "57P": errors.StoreUnreachableError,  # the server stops, starts, or ended this connection
    "53100": errors.StoreFullError,
    "53": errors.StoreBusyError,  # no more connections, or no memory
    "55P03": errors.StoreBusyError,  # a lock was not free within `lock_timeout`
    "40": errors.StoreConflictError,  # a deadlock, or transactions that cannot follow each other
    "57014": errors.StoreBusyError,  # a statement was cancelled
    "25006": errors.StoreReadOnlyError,  # a reading session, or a server that only follows another
    "42501": errors.StoreReadOnlyError,  # a missing right
    "42": errors.StoreOutdatedError,  # the database does not have the tables of the statement
    "3F": errors.StoreOutdatedError,
    "3D": errors.StoreMissingError,  # no such database
    "28": errors.StoreMissingError,  # no such user, or a wrong password
    "22": errors.StoreDamagedError,  # a value that no column can have
    "23": errors.StoreDamagedError,  # callers handle the rows that may exist already
    "XX": errors.StoreDamagedError,
    "58": errors.StoreDamagedError,  # the disk of the server fails
}


@contextmanager
def translating_postgresql() -> Iterator[None]:
    """Translate errors of the driver that occur inside the block to a `StoreError`.

    Raises:
        StoreError: PostgreSQL or the connection reported a failure.
    """
    try:
        yield
    except QueueTimeoutError:
        raise errors.StoreBusyError from None
    except (DBAPIError, psycopg.Error) as why:
        raise _kind(why.orig if isinstance(why, DBAPIError) else why) from None


def is_lost(why: psycopg.Error) -> bool:
    """Return True if the connection to the server was lost."""
    return _kind(why) is errors.StoreUnreachableError


def _kind(cause: BaseException | None) -> type[errors.StoreError]:
    code = getattr(cause, "sqlstate", None)
    if code is None:  # the driver itself reports: no server answers, or a value that it cannot send
        is_connection = isinstance(cause, psycopg.OperationalError)
        return errors.StoreUnreachableError if is_connection else errors.StoreDamagedError
    return (
        _BY_SQLSTATE.get(code) or _BY_SQLSTATE.get(code[:3]) or _BY_SQLSTATE.get(code[:2], errors.StoreError)
    )
