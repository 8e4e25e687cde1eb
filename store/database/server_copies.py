"""Copies of a store in a new SQLite file: of a file, or of a database on a server.

The copy has the tables of the store's own version. So a copy can be made before an upgrade.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.database.engine import ServerPlace, create_file, inspect_place, open_server
from store.database.file_copies import OTHER_ROWS, refuse_other_rows, write_copy
from store.dialect.disk_room import free_on_disk
from store.dialect.sqlite_connections import connect
from store.dialect.sqlite_errors import translating
from store.dialect.sqlite_pages import SHIELD
from store.errors import StoreError, StoreFullError

if TYPE_CHECKING:
    from psycopg import Connection

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('alembic_version', 'usage')"
_TOTAL = "SELECT least(coalesce(sum(sealed_bytes), 0), 9223372036854775807)::bigint FROM usage"
_PAGE_ROWS = 16  # rows of `sealed` have 1 MiB, and a page is in memory


def write_copy_of(
    place: Path | ServerPlace, copy: Path, on_bytes: Callable[[int, int], object] = lambda _done, _total: None
) -> None:
    """Write the content of a store, as it is at one moment, to a new file. See `write_copy`.

    Raises:
        FileExistsError: there is a file at `copy`.
        StoreFullError: the disk of the copy has no room for it.
        StoreError: the store cannot be read.
    """
    if isinstance(place, Path):
        write_copy(place, copy, on_bytes)
        return
    create_file(copy, inspect_place(place).version)
    # Without a journal: after a crash, no one uses the file.
    settings = ("journal_mode=OFF", "synchronous=OFF")
    with (
        _reading(place) as (driver, total),
        translating(copy),
        closing(connect(copy, *settings, journal="off")) as copied,
    ):
        if free_on_disk(copy) < total:
            raise StoreFullError
        copied.execute("BEGIN")
        for table, columns in _tables(copied):
            # SQLite needs a shield before each ciphertext, which the server does not have.
            more = {"shield": SHIELD} if table == "sealed" else {}
            marks = ", ".join("?" * len([*columns, *more]))
            insert = f"INSERT INTO {table} ({', '.join([*columns, *more])}) VALUES ({marks})"  # noqa: S608  # our names
            for row in _rows(driver, _query(table, columns)):
                copied.execute(insert, (*row, *more.values()))
                on_bytes(min(copy.stat().st_size, total), total)
        (sealed_bytes,) = driver.execute(_TOTAL).fetchall()[0]
        copied.execute("UPDATE usage SET sealed_bytes = ?", (sealed_bytes,))
        copied.execute("COMMIT")
        copied.execute("PRAGMA journal_mode=WAL")
    on_bytes(total, total)


def refuse_other_rows_of(place: Path | ServerPlace, copy: Path) -> None:
    """Check that a copy has the same rows as its store. See `refuse_other_rows`.

    Raises:
        StoreError: a row differs, or one of the stores cannot be read.
    """
    if isinstance(place, Path):
        refuse_other_rows(place, copy)
        return
    with _reading(place) as (driver, _), translating(copy), closing(connect(copy)) as copied:
        for table, columns in _tables(copied):
            query = _query(table, columns)
            if any(row != other for row, other in zip_longest(_rows(driver, query), copied.execute(query))):
                raise StoreError(OTHER_ROWS)


@contextmanager
def _reading(place: ServerPlace) -> Iterator[tuple["Connection[Any]", int]]:
    """Yield a connection that sees one moment of a store on a server, and the size of its database."""
    with closing(open_server(place)) as store:
        size = store.rewrite_bytes()
        with store.inspecting() as driver:
            store.refuse_other_role(driver, of_source=False)
        with store.delaying_rewrite() as session:
            yield session.info["driver"], size


def _tables(copied: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each table of a copy, and the names of its columns, first that of the id."""
    for (table,) in copied.execute(_TABLES).fetchall():
        described = copied.execute(f"PRAGMA table_info({table})").fetchall()
        yield table, [each[1] for each in described if each[1] != "shield"]


def _query(table: str, columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1"  # noqa: S608  # our names


def _rows(driver: "Connection[Any]", query: str) -> Iterator[tuple[Any, ...]]:
    with driver.cursor("rows", binary=True) as cursor:
        cursor.itersize = _PAGE_ROWS
        yield from cursor.execute(query)
