"""Setup of all tests: which share a process, which run first, what is compiled once, and what is removed.

The tests of one file share a worker for their fixtures, and all of tests/tor for its Tor network. Most tests
build their own app, so each worker keeps compiled templates and URL rules.
"""

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from hypothesis import settings
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from deploy.hardening import TMPFS
from journalist_app.desk.auto_lock import AutoLock
from journalist_app.desk.open_desk import OpenDesk
from tests.stores import database

if TYPE_CHECKING:
    from bench.databases.cluster import Cluster

# No deadline: on a busy machine the duration of one example means nothing.
settings.register_profile("steunpunt", deadline=None)
settings.load_profile("steunpunt")

# These slow tests take a minute or more each. If they started last, the other workers would wait for them.
_FIRST = (
    "tests/faults/test_disk.py",
    "tests/deploy/serving/test_serve.py",
    "tests/browser/accessible/test_accessible.py",
    "tests/tor",
    "tests/proofs/packages",
    "tests/proofs/cluster",
    "tests/browser/test_passing_on.py",
    "tests/proofs/test_acknowledged_is_kept.py",
    "tests/proofs/test_power_cuts.py",
    "tests/browser/test_yearly_report.py",
    "tests/proofs/test_tampering.py",
    "tests/deploy/serving/test_run.py",
    "tests/browser/test_journey.py",
    "tests/proofs/test_many_entries.py",
)

_NEEDS = Path(__file__).with_name("missing_packages.toml")

# Coverage is measured in the workers, not in the programs that tests start: that would slow them, and every
# line that they reach is also reached in a worker.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


class _FileScheduling(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return "tests/tor" if nodeid.startswith("tests/tor/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Return our scheduler for `--dist loadfile`. With pytest 9, `loadgroup` cannot rename items any more."""
    return _FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with the marker `databases` on each database that the marker names."""
    marker = metafunc.definition.get_closest_marker("databases")
    if marker is not None:
        metafunc.parametrize("_on_database", marker.args, indirect=True)


@pytest.fixture(autouse=True, scope="module")
def _no_desk_locks_later() -> Iterator[None]:
    """Lock each desk that a file of tests left open, at the end of the file.

    A desk that locks ends all programs of its process. After the idle time, these would be programs of tests
    in another file.
    """
    opened, admit = set[AutoLock](), AutoLock.admit

    def noted(auto_lock: AutoLock, desk: OpenDesk) -> bytes:
        opened.add(auto_lock)
        return admit(auto_lock, desk)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AutoLock, "admit", noted)
        yield
    for auto_lock in opened:
        auto_lock.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator["Cluster"]:
    """Start a database server that the tests of one file may kill or freeze."""
    from tests.postgresql_cluster import start_cluster  # noqa: PLC0415  # needs libpq

    started = start_cluster()
    yield started
    started.stop()


@pytest.fixture
def _on_database(request: pytest.FixtureRequest) -> Iterator[None]:
    database.name = request.param
    yield
    database.name = "sqlite"
    database.drop_all()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that take longest first, and leave out those whose Debian package is missing.

    With `--no-loadscope-reorder`, the tests start in this order.
    """
    items.sort(
        key=lambda item: next(
            (at for at, name in enumerate(_FIRST) if item.nodeid.startswith(name)), len(_FIRST)
        )
    )
    path = Path(os.environ.get("STEUNPUNT_MISSING", "/"))
    needs = tomllib.loads(_NEEDS.read_text("utf-8"))
    for package in path.read_text("utf-8").split() if path.is_file() else []:
        for item in items:
            if any(fnmatch(item.nodeid, pattern) for pattern in needs[package]):
                item.add_marker(pytest.mark.skip(reason=f"the Debian package {package} is missing"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add each test that could not run, with the reason, to the file that `make test` prints at its end."""
    if path := os.environ.get("STEUNPUNT_NOT_RUN"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(
                f"{report.nodeid}: {report.longrepr[2].removeprefix('Skipped: ')}\n"
                for report in terminalreporter.stats.get("skipped", [])
            )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop this process's database server, and remove the folders in memory of all desks that it made."""
    if cluster := sys.modules.get("tests.postgresql_cluster"):
        cluster.stop_the_cluster()  # here, because xdist may end this process before `atexit`
    made: Path = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # has no types
    for path in made.rglob("config.toml"):
        for name in set(re.findall(r"/(steunpunt-[0-9a-f]{16})/", path.read_text("utf-8", "replace"))):
            shutil.rmtree(Path(TMPFS) / name, ignore_errors=True)


class _TemplateCache(BytecodeCache):
    """Cache of the templates that this process has compiled, separate for each setting of `trim_blocks`."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str, bool], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if found := self._compiled.get(self._key(bucket)):
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[self._key(bucket)] = bucket.bytecode_to_string()

    @staticmethod
    def _key(bucket: Bucket) -> tuple[str, str, bool]:
        return bucket.key, bucket.checksum, bucket.environment.trim_blocks


Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": _TemplateCache()}


_compile_rule = Rule._compile_builder
_compiled_rules: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}


def _compile_rule_once(
    self: Rule,
    append_unknown: bool,  # noqa: FBT001  # as werkzeug passes it
) -> Callable[..., tuple[str, str]]:
    """Return the compiled URL builder of a rule. It depends on no app, so it is compiled once per process."""
    if self.defaults:
        return _compile_rule(self, append_unknown)
    key: tuple[Any, ...] = (self.rule, tuple(self._trace), append_unknown)
    if key not in _compiled_rules:
        _compiled_rules[key] = _compile_rule(self, append_unknown)
    return _compiled_rules[key]


Rule._compile_builder = _compile_rule_once  # type: ignore[method-assign]
