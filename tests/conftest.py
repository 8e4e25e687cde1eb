"""Who share a worker: the tests of one file, for their fixtures, and all of tests/tor, for its network."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling


class _OneNetwork(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return "tests/tor" if nodeid.startswith("tests/tor/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Hand the tests out with --dist loadfile; loadgroup leaves the names of items as they are (pytest 9)."""
    return _OneNetwork(config, log) if config.getvalue("dist") == "loadfile" else None
