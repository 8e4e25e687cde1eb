"""Who share a worker: the tests of one file, for their fixtures, and all of tests/tor, for its network."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(_HERE)
        item.add_marker(pytest.mark.xdist_group("tor" if place.parts[0] == "tor" else str(place)))
