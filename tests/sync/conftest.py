from collections.abc import Iterator
from pathlib import Path

import pytest

from store.engine import create_store
from tests.sync.ends import Ends, the_ends


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one empty store, of which tests take copies."""
    store = create_store(tmp_path_factory.mktemp("empty") / "var" / "store.db")
    store.checkpoint()
    store.close()
    return store.path


@pytest.fixture
def ends(tmp_path: Path, empty: Path) -> Iterator[Ends]:
    (tmp_path / "server").mkdir()
    made = the_ends(tmp_path, empty)
    yield made
    for store in made.opened:
        store.close()
