"""Repeats a transaction that PostgreSQL ended, because it and another one waited for each other (deadlock).

A repeated transaction executes all its statements again. If each statement finds what it found before, the
caller can continue: it cannot tell the new transaction from the old one. If not, the transaction stays ended.
"""

from collections.abc import Callable
from typing import Any, Final

import psycopg

CONFLICTS: Final = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
REPEATS: Final = 3
# A transaction with more statements, or with more values in one result, is not repeated: it would fill the
# memory. The same is true if its values need more bytes.
_STATEMENTS, _VALUES, _BYTES = 100, 1_000, 4 * 1024 * 1024
_Parameters = dict[str, object] | None
_Cursor = psycopg.Cursor[tuple[Any, ...]]
_Result = tuple[str | None, list[bytes | None]]


class StatementLog:
    """Statements that a writing transaction has executed, and what each of them found."""

    def __init__(self) -> None:
        self._done: list[tuple[str, _Parameters, _Result]] = []
        self._bytes = 0

    def add(self, query: str, parameters: _Parameters, cursor: _Cursor) -> bool:
        """Add a statement. Return False if the transaction is now too long to be repeated."""
        found = _result(cursor)
        if found is None or len(self._done) == _STATEMENTS:
            return False
        values = (*found[1], *(parameters or {}).values())
        self._bytes += sum(len(value) for value in values if isinstance(value, bytes))
        self._done.append((query, parameters, found))
        return self._bytes <= _BYTES

    def finds_the_same(self, execute: Callable[[str, _Parameters], _Cursor]) -> bool:
        """Execute the statements again. Return True if each of them finds what it found before."""
        return all(_result(execute(query, parameters)) == found for query, parameters, found in self._done)


def _result(cursor: _Cursor) -> _Result | None:
    """Return the status and all values of a result, or None if it has many values."""
    result = cursor.pgresult
    rows, columns = (0, 0) if result is None else (result.ntuples, result.nfields)
    if result is None or rows * columns > _VALUES:
        return None
    return cursor.statusmessage, [result.get_value(row, at) for row in range(rows) for at in range(columns)]
