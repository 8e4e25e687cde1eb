from collections.abc import Iterator
from pathlib import Path

import pytest

from journalist_app.services.whole_desk import unlocking
from tests.journalist_app.desk_factories import World, a_world


@pytest.fixture(autouse=True)
def begin_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the background work at once, without waiting until a first page was sent."""
    monkeypatch.setattr(unlocking, "_FIRST_PAGE_SECONDS", 0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = a_world(tmp_path)
    yield made
    made.store.close()
