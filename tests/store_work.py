"""Counts what SQLite does for a piece of code, for tests that must not depend on the speed of a machine."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from store.database.engine import Store
from store.dialect import sqlite, sqlite_connections

_STEPS = 10  # instructions of SQLite between two counts


@dataclass(slots=True)
class StoreWork:
    """Statements, and steps of SQLite's virtual machine: each row that a statement reads takes some steps."""

    statements: int = 0
    steps: int = 0


def work_of(store: Store, monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> StoreWork:
    """Run an action, and return the work of all connections of this process to stores."""
    work = StoreWork()

    def connect(path: Path, *settings: str) -> sqlite3.Connection:
        connection = sqlite_connections.connect(path, *settings)
        connection.set_trace_callback(count_statement)
        connection.set_progress_handler(count_steps, _STEPS)
        return connection

    def count_statement(_: str) -> None:
        work.statements += 1

    def count_steps() -> int:
        work.steps += _STEPS
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "connect", connect)
        store.close()  # the next connections count
        action()
    store.close()
    return work
