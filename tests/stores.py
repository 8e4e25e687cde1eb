"""Empty stores for tests, created once and then copied, and stores of programs that were killed."""

import functools
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

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

    def drop_all(self) -> None:
        """Delete the databases of all stores that `an_empty_store` made on the server."""
        for store in self.opened:
            store.close()
        self.opened.clear()
        for store in self.made:
            from tests.postgresql_cluster import drop_store  # noqa: PLC0415  # needs libpq

            drop_store(store)
        self.made.clear()


database = TestDatabase()


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
