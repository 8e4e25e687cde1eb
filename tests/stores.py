"""Empty stores for tests, created once and then copied, and stores of programs that were killed."""

import functools
import multiprocessing
import os
import re
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from store.database.engine import Store, create_store, open_store


@dataclass
class TestDatabase:
    """Database in which `an_empty_store` makes stores.

    `name` is "sqlite" or "postgresql", or "postgresql_sync" for a user with the role of the sync.
    """

    __test__ = False  # no test
    name: str = "sqlite"
    made: list[Store] = field(default_factory=list)
    opened: list[Store] = field(default_factory=list)  # with a role of the database
    copies: list[str] = field(default_factory=list)  # databases

    def drop_all(self, but: Collection[Store] = ()) -> None:
        """Delete the databases of all stores that `an_empty_store` made on the server, but not of some."""
        for store in self.opened:
            store.close()
        if not but:  # otherwise, a store of several tests may open connections again
            self.opened.clear()
        for store in [store for store in self.made if store not in but]:
            from tests.postgresql_cluster import drop_store  # noqa: PLC0415  # needs libpq

            drop_store(store)
            self.made.remove(store)
        for copy in self.copies:
            from tests.postgresql_cluster import the_cluster  # noqa: PLC0415  # needs libpq

            the_cluster().drop(copy)
        self.copies.clear()

    def copy_of(self, store: Store) -> str:
        """Copy a database, and return the name of the copy."""
        from tests.postgresql_cluster import database_of, the_cluster  # noqa: PLC0415  # needs libpq

        for each in (*self.made, *self.opened, store):
            each.close()
        self.copies.append(the_cluster().a_database(database_of(store)))
        return self.copies[-1]

    def restore(self, store: Store, copy: str) -> None:
        """Replace a database by a copy of a copy."""
        from tests.postgresql_cluster import database_of, the_cluster  # noqa: PLC0415  # needs libpq

        the_cluster().drop(database_of(store))
        the_cluster().a_database(copy, database_of(store))


database = TestDatabase()


def is_on_a_server(store: Store) -> bool:
    """Return True if a store is in a database of PostgreSQL."""
    return hasattr(store, "_url")


_SQL_OF_POSTGRESQL = {
    r"[xX]'([0-9a-fA-F]*)'": r"'\\x\1'::bytea",
    r"(?:zero|random)blob\((\w+(?:\(\w+\))?)\)": r"decode(repeat('a7', (\1)::int), 'hex')",
    r"%": "%%",
    r" AS BLOB\)": " AS BYTEA)",
    r"(?<!:):(\w+)": r"%(\1)s",
    r"\?": "%s",
    r"INSERT OR IGNORE (.*)": r"INSERT \1 ON CONFLICT DO NOTHING",
}


@dataclass
class Operator:
    """Someone who can change each row of a store, without our own checks. Their SQL is that of SQLite."""

    connection: Any
    is_on_a_server: bool
    changed: int = 0  # rows

    def execute(self, statement: str, values: Mapping[str, object] | Sequence[object] = ()) -> list[Any]:
        """Execute SQL, and return the rows that it finds."""
        if not self.is_on_a_server:
            cursor = self.connection.execute(statement, values)
            self.changed += max(0, cursor.rowcount)
            found: list[Any] = cursor.fetchall()
            return found
        for old, new in _SQL_OF_POSTGRESQL.items():
            statement = re.sub(old, new, statement)
        cursor = self.connection.execute(statement, values)
        self.changed += 0 if cursor.description else cursor.rowcount
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def as_operator(store: Store) -> Iterator[Operator]:
    """Connect to a store as its operator, and commit at the end.

    No constraint between tables holds, and in a file no other constraint either.
    """
    if not is_on_a_server(store):
        with closing(sqlite3.connect(store.path)) as file, file:
            file.execute("PRAGMA ignore_check_constraints = ON")
            yield Operator(file, is_on_a_server=False)
        return
    import psycopg  # noqa: PLC0415  # needs libpq

    from tests.postgresql_cluster import database_of, the_cluster  # noqa: PLC0415  # needs libpq

    with psycopg.connect(the_cluster().url(database_of(store))) as connection:
        connection.execute("SET session_replication_role = replica")
        yield Operator(connection, is_on_a_server=True)


def an_empty_store(path: Path) -> Store:
    """Create an empty store as `create_store` does, but a tenth of a second faster."""
    if database.name.startswith("postgresql"):
        from tests.postgresql_cluster import an_empty_store_on_a_server, opened_as  # noqa: PLC0415  # needs libpq

        database.made.append(an_empty_store_on_a_server(path))
        if database.name == "postgresql":
            return database.made[-1]
        database.opened.append(opened_as(database.made[-1], "sync"))
        return database.opened[-1]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(0o600, exist_ok=False)
    path.write_bytes(_empty_store_bytes())
    return open_store(path)


def as_the_source(store: Store) -> Store:
    """Open a store again as the source's site does: on a server, with the role of the source."""
    if store not in database.made:
        return store
    from tests.postgresql_cluster import opened_as  # noqa: PLC0415  # needs libpq

    database.opened.append(opened_as(store, "source"))
    return database.opened[-1]


@functools.cache
def _empty_store_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        store = create_store(Path(folder) / "var" / "store.db")
        store.checkpoint()
        store.close()
        return store.path.read_bytes()


def killed_after(work: Callable[[], object]) -> None:
    """Run `work` in a process that ends without closing its store, as a killed program does."""

    def run() -> None:
        work()
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert 0 == process.exitcode
