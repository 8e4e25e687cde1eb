"""Plugin of pytest for `make prove`: each store that a test makes is in a database of PostgreSQL.

    python -m pytest -p tests.databases.stores_on_postgresql tests/sync tests/source_app -m "not slow"

Tests with the marker `databases` say themselves on which databases they run, and are left out here. So are
the tests in the file `stores_on_files.txt`, which has a reason for each group of tests. The tests of the
adviser's site never run on PostgreSQL: the settings refuse a database beside this site (ADR 41).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores import database

# Each line names a test, or a test with its parameters. The lines with # have the reasons.
_LINES = Path(__file__).with_name("stores_on_files.txt").read_text("utf-8").splitlines()
_ON_FILES = frozenset(line for line in _LINES if line and not line.startswith("#"))


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


@pytest.fixture(autouse=True, scope="module")
def _on_postgresql() -> Iterator[None]:
    """Include the stores of fixtures that several tests share."""
    database.name = "postgresql"
    yield
    database.name = "sqlite"
    database.drop_all()


@pytest.fixture(autouse=True)
def _drops_its_stores() -> Iterator[None]:
    shared = set(database.made)
    yield
    database.drop_all(but=shared)
