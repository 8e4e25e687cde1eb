"""Snapshots of SQLite files and of stores, to see what a request wrote."""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from store.database.engine import Store
from store.database.schema import Base

Row = tuple[Any, ...]
Snapshot = Mapping[str, Counter[Row]]


def snapshot(place: Path | Store) -> Snapshot:
    """Return all rows of each table of a SQLite file or of a store, each row as pairs of column and value."""
    if isinstance(place, Store):
        with place.reading() as session:
            return {
                name: Counter(tuple(row.items()) for row in session.execute(table.select()).mappings())
                for name, table in Base.metadata.tables.items()
            }
    with closing(sqlite3.connect(place)) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {name: Counter(_rows(connection, name)) for name in tables}


def written(before: Snapshot, after: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """Return the new and changed rows of each table, and each row that is gone, as dictionaries."""
    changed = {name: (after[name] - before[name]) or (before[name] - after[name]) for name in before}
    return {name: [dict(row) for row in rows.elements()] for name, rows in changed.items() if rows}


def _rows(connection: sqlite3.Connection, table: str) -> list[Row]:
    found = connection.execute(f"SELECT * FROM {table}")  # noqa: S608  # a name from the schema
    columns = [column for column, *_ in found.description]
    return [tuple(zip(columns, row, strict=True)) for row in found]
