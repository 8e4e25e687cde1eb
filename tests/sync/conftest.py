import tempfile
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


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Return a folder whose path leaves room for the name of a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
