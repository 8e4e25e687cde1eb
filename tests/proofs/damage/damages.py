"""Damages of a store: a wrong value in one column of one row, for every column of every table.

The columns come from the metadata of the tables, so a new column is tested without a change here.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Column, Table

from store.database.schema import SEALED_TABLES, Base, Blob, Day, Word

# Each kind of value, as SQL.
VALUES = {
    "text": "'a text'",
    "not_utf8": "CAST(x'ff41' AS TEXT)",
    "blob": "x'00ff'",
    "number": "-12345",
    "real": "1.5",
    "null": "NULL",
}
# Rows of proposals and of what followed them. Each of their columns gets fewer kinds of values.
OF_PROPOSALS = ("proposal_standing", "agreement_standing", "taken_back", "passing_on", "passed_on")
_FEW_KINDS = {"blob", "number"}  # of a column, one of these has the right type at most
_OF_QUESTION = "entry_id IN (SELECT entry_id FROM entry WHERE author = 0 AND number = 1)"
# The rows of a table that get the damages, as SQL. Of another table, the mailbox's first row gets them.
ROWS = {
    "entry": {
        "question": "author = 0 AND number = 1",
        "removed": "author = 0 AND number = 2",
        "removal": "author = 0 AND number = 3",
        "answer": "author = 1 AND epoch > 0",
        "receipt": "author = 0 AND epoch = 0 AND number > 3",
        **{name: f"entry_id = :{name}" for name in OF_PROPOSALS},
    },
    "attachment": {
        "whole": _OF_QUESTION,
        "pending": "pending_half_hour IS NOT NULL",
        "proposed": "entry_id = :proposal_standing",
    },
    "chunk": {"": f"attachment_row IN (SELECT id FROM attachment WHERE address = :a AND {_OF_QUESTION})"},
    "letterhead": {"newest": "serial = (SELECT max(serial) FROM letterhead)"},
    "outbox": {"entry": "kind = 'entry'", "record": "kind = 'record'"},
    "record": {"casefile": "kind = 'casefile'", "draft": "kind = 'draft'"},
}
SEALED = Base.metadata.tables["sealed"]


@dataclass(frozen=True, slots=True)
class Damage:
    """One value to write in a column.

    `of` is the table whose row is chosen, and `row` the choice. A row of `sealed` is chosen by the row of the
    other table that it belongs to.
    """

    table: str
    column: str
    kind: str
    of: str = ""
    row: str = ""

    @property
    def is_wrong_type(self) -> bool:
        """Return True if our code never stores a value of this kind in the column."""
        column = Base.metadata.tables[self.table].c[self.column]
        if self.kind == "null":
            return not column.nullable
        if isinstance(column.type, Word):  # SQLite stores numbers as text there
            return self.kind in {"not_utf8", "blob"}
        if isinstance(column.type, Day):
            return True
        return self.kind != ("blob" if isinstance(column.type, Blob) else "number")

    def __str__(self) -> str:
        of = "" if self.of == self.table else self.of
        return "-".join(filter(None, (self.table, of, self.row, self.column, self.kind)))


def all_damages(kinds: tuple[str, ...] = tuple(VALUES)) -> list[Damage]:
    return [
        Damage(table.name, column.name, kind, of, row)
        for table in Base.metadata.sorted_tables
        for of in (_with_ciphertext() if table is SEALED else [table.name])
        for row in ROWS.get(of, {"": ""})
        for column in table.columns
        for kind in kinds
        if not (column.primary_key and kind != "number")  # SQLite stores nothing but whole numbers there
        and (kind in _FEW_KINDS or row not in {*OF_PROPOSALS, "proposed"})
    ]


def _with_ciphertext() -> list[str]:
    """Return the tables whose rows have a row in `sealed` under the same id."""
    return ["entry", *sorted(table.__tablename__ for table in SEALED_TABLES)]


def write(path: Path, damage: Damage, names: Mapping[str, bytes]) -> bool:
    """Damage a row of the mailbox, or the first row of its table. Return False if there is no row.

    `names` has the mailbox's address under "a", and entry ids.
    """
    with closing(sqlite3.connect(path)) as connection, connection:
        for pragma in ("ignore_check_constraints", "writable_schema"):
            connection.execute(f"PRAGMA {pragma}=ON")
        found = _row(connection, damage, names)
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
        changed = connection.execute(
            f"UPDATE {damage.table} SET {damage.column} = {VALUES[damage.kind]} WHERE rowid = ?", found
        ).rowcount
        if damage.kind == "null":  # no program opens a store whose tables someone changed
            connection.executemany("UPDATE sqlite_schema SET sql = ? WHERE name = ?", sql)
    return changed == 1


def _row(connection: sqlite3.Connection, damage: Damage, names: Mapping[str, bytes]) -> tuple[int] | None:
    wanted = ROWS.get(damage.of, {"": ""})[damage.row] or "1"
    for where in _wheres(Base.metadata.tables[damage.of]):
        found: tuple[int] | None = connection.execute(
            f"SELECT rowid FROM {damage.of} WHERE {where} AND {wanted} ORDER BY rowid LIMIT 1", names
        ).fetchone()
        if found is not None:
            return found
    return None


def _wheres(table: Table) -> Iterator[str]:
    if "address" in table.c:
        yield "address = :a"
    elif "name" in table.c and isinstance(table.c.name, Column):
        yield "substr(name, 1, 20) = :a"
    yield "1"
