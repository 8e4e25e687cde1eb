from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.ends import Ends, the_ends


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    (tmp_path / "server").mkdir()
    made = the_ends(tmp_path)
    yield made
    for store in made.opened:
        store.close()
