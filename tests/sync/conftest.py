from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.ends import Ends, an_empty_store, the_ends


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return an_empty_store(tmp_path_factory.mktemp("empty") / "var")


@pytest.fixture
def ends(tmp_path: Path, empty: Path) -> Iterator[Ends]:
    (tmp_path / "server").mkdir()
    made = the_ends(tmp_path, empty)
    yield made
    for store in made.opened:
        store.close()
