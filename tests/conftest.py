"""Who share a worker: the tests of one file, for their fixtures, and all of tests/tor, for its network.

And what they share: compiled templates and addresses, since most tests build an app of their own.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import settings
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Two cores are shared with whatever else runs: the duration of one example means nothing.
settings.register_profile("steunpunt", deadline=None)
settings.load_profile("steunpunt")

# Of the slow tests these take a minute or more each: begun late, they would be waited for alone. Two of them
# wait most of the time themselves.
_FIRST = (
    "tests/faults/test_disk.py",
    "tests/deploy/serving/test_serve.py",
    "tests/browser/test_accessible.py",
    "tests/tor",
    "tests/browser/test_passing_on.py",
    "tests/proofs/test_acknowledged_is_kept.py",
    "tests/browser/test_yearly_report.py",
    "tests/proofs/test_tampering.py",
    "tests/deploy/serving/test_run.py",
    "tests/browser/test_journey.py",
    "tests/proofs/test_many_entries.py",
)

# A worker is measured, the programs that its tests start are not: it slows them, and no line is reached there
# alone.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


class _OneNetwork(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return "tests/tor" if nodeid.startswith("tests/tor/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Hand the tests out with --dist loadfile; loadgroup leaves the names of items as they are (pytest 9)."""
    return _OneNetwork(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first; --no-loadscope-reorder hands it out in this order."""
    items.sort(
        key=lambda item: next(
            (at for at, name in enumerate(_FIRST) if item.nodeid.startswith(name)), len(_FIRST)
        )
    )


class _Compiled(BytecodeCache):
    """Templates that this process has compiled before, for an app that treats blank lines alike."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, bool], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if found := self._kept.get(self._name(bucket)):
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[self._name(bucket)] = bucket.bytecode_to_string()

    @staticmethod
    def _name(bucket: Bucket) -> tuple[str, str, bool]:
        return bucket.key, bucket.checksum, bucket.environment.trim_blocks


Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": _Compiled()}


_compile_address = Rule._compile_builder
_addresses: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}


def _compiled_address(
    self: Rule,
    append_unknown: bool,  # noqa: FBT001  # as werkzeug gives it
) -> Callable[..., tuple[str, str]]:
    """Return what this process has compiled before: it names no app, and takes the rule as its argument."""
    if self.defaults:
        return _compile_address(self, append_unknown)
    of: tuple[Any, ...] = (self.rule, tuple(self._trace), append_unknown)
    if of not in _addresses:
        _addresses[of] = _compile_address(self, append_unknown)
    return _addresses[of]


Rule._compile_builder = _compiled_address  # type: ignore[method-assign]
