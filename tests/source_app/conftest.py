"""Fixtures for the source's interface."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_app.desks import ADesk, make_desk


@pytest.fixture
def a_desk(tmp_path: Path) -> Iterator[ADesk]:
    """Return a desk with an empty store."""
    desk = make_desk(tmp_path)
    yield desk
    desk.store.close()
