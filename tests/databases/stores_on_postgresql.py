"""Plugin of pytest for `make prove`: each store that a test makes is in a database of PostgreSQL.

    python -m pytest -p tests.databases.stores_on_postgresql tests/stored_mailbox tests/sync/items

Tests with the marker `databases` say themselves on which databases they run, and are left out here. So are
the tests in the file `stores_on_files.txt`: they open the file of a store, or write a value of a wrong type,
which PostgreSQL refuses.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores import database

# Each line names a test, or a test with its parameters.
_ON_FILES = frozenset(Path(__file__).with_name("stores_on_files.txt").read_text("utf-8").splitlines())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need a file."""
    left = [
        item
        for item in items
        if item.get_closest_marker("databases")
        or not _ON_FILES.isdisjoint((item.nodeid, item.nodeid.partition("[")[0]))
    ]
    named = {name for item in left for name in (item.nodeid, item.nodeid.partition("[")[0])}
    files = {item.nodeid.partition("::")[0] for item in items}
    stale = sorted(name for name in _ON_FILES - named if name.partition("::")[0] in files)
    if stale:
        raise pytest.UsageError(f"stores_on_files.txt names tests that do not exist: {stale}")
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture(autouse=True)
def _on_postgresql() -> Iterator[None]:
    database.name = "postgresql"
    yield
    database.name = "sqlite"
    database.drop_all()
