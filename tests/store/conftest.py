from collections.abc import Iterator
from pathlib import Path

import pytest

from store.database.engine import Store
from tests.store.factories import a_mailbox
from tests.stores import an_empty_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = an_empty_store(tmp_path / "var" / "store.db")
    yield store
    store.close()


@pytest.fixture
def address(store: Store) -> bytes:
    return a_mailbox(store)
