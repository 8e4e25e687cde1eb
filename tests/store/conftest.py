from collections.abc import Iterator
from pathlib import Path

import pytest

from store.database.engine import Store
from tests.postgresql_cluster import an_empty_store_on_a_server, drop_store
from tests.store.factories import a_mailbox
from tests.stores import an_empty_store


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    store = an_empty_store(tmp_path / "var" / "store.db")
    yield store
    store.close()


@pytest.fixture
def postgresql_store(tmp_path: Path) -> Iterator[Store]:
    store = an_empty_store_on_a_server(tmp_path / "var" / "store.db")
    yield store
    drop_store(store)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """Return an empty store. Each test runs on both databases, unless `on_sqlite` chooses one."""
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return store


@pytest.fixture
def address(store: Store) -> bytes:
    return a_mailbox(store)
