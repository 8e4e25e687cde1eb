"""Damages of a store: a wrong value in one column of one row, for every column of every table.

The columns come from the metadata of the tables, so a new column is tested without a change here.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Column, Table

from store.database.schema import Base, Word

# Each kind of value, as SQL.
VALUES = {
    "text": "'a text'",
    "not_utf8": "CAST(x'ff41' AS TEXT)",
    "blob": "x'00ff'",
    "number": "-12345",
    "real": "1.5",
    "null": "NULL",
}
SEALED = Base.metadata.tables["sealed"]


@dataclass(frozen=True, slots=True)
class Damage:
    """One value to write. `row` selects one row of the table, and names that choice."""

    table: str
    column: str
    kind: str
    row: str = ""

    @property
    def is_right_type(self) -> bool:
        """Return True if SQLite stores the value as a value of the column's type."""
        is_text = isinstance(Base.metadata.tables[self.table].c[self.column].type, Word)
        return is_text and self.kind in {"text", "number", "real"}

    def __str__(self) -> str:
        return "-".join(filter(None, (self.table, self.row, self.column, self.kind)))


def all_damages(kinds: tuple[str, ...] = tuple(VALUES)) -> list[Damage]:
    return [
        Damage(table.name, column.name, kind, row)
        for table in Base.metadata.sorted_tables
        for row in rows_of(table)
        for column in table.columns
        for kind in kinds
        if not (column.primary_key and kind != "number")  # SQLite stores nothing but whole numbers there
    ]


def rows_of(table: Table) -> list[str]:
    """Return the choices of a row. Rows of `sealed` belong to rows of several other tables."""
    if table is SEALED:
        return sorted(
            other.name for other in Base.metadata.sorted_tables if other is not SEALED and _shares_ids(other)
        )
    return [""]


def _shares_ids(table: Table) -> bool:
    return (
        "sealed.id" in {key.target_fullname for key in table.c.id.foreign_keys} if "id" in table.c else False
    )


def write(path: Path, damage: Damage, address: bytes) -> bool:
    """Damage a row of the mailbox, or the first row of its table. Return False if there is no row."""
    table = Base.metadata.tables[damage.table]
    with closing(sqlite3.connect(path)) as connection, connection:
        for pragma in ("ignore_check_constraints", "writable_schema"):
            connection.execute(f"PRAGMA {pragma}=ON")
        found = _row(connection, table, damage, address)
        if found is None:
            return False
        sql = connection.execute("SELECT sql, name FROM sqlite_schema WHERE type = 'table'").fetchall()
        if damage.kind == "null":
            connection.execute(
                "UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'"
            )
            connection.commit()
    with closing(sqlite3.connect(path)) as connection, connection:
        for pragma in ("ignore_check_constraints", "writable_schema"):
            connection.execute(f"PRAGMA {pragma}=ON")
        connection.execute(
            f"UPDATE {table.name} SET {damage.column} = {VALUES[damage.kind]} WHERE rowid = ?", found
        )
        if damage.kind == "null":  # no program opens a store whose tables someone changed
            connection.executemany("UPDATE sqlite_schema SET sql = ? WHERE name = ?", sql)
    return True


def _row(connection: sqlite3.Connection, table: Table, damage: Damage, address: bytes) -> tuple[int] | None:
    chosen = Base.metadata.tables[damage.row] if damage.row else table
    for where in _wheres(chosen):
        found: tuple[int] | None = connection.execute(
            f"SELECT rowid FROM {chosen.name} {where} ORDER BY rowid LIMIT 1", {"a": address}
        ).fetchone()
        if found is not None:
            return found
    return None


def _wheres(table: Table) -> Iterator[str]:
    if "address" in table.c:
        yield "WHERE address = :a"
    elif "name" in table.c and isinstance(table.c.name, Column):
        yield "WHERE substr(name, 1, 20) = :a"
    yield ""
