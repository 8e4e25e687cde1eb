"""A running source server uses the desk's new letterhead, and no letterhead that the desk did not sign."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from deploy.settings.load_settings import load_config
from deploy.setup import set_up
from journalist_app.config import AdviserConfig
from protocol import keyring as keyrings
from protocol import letterhead
from protocol.keyring import Keyring, Slot
from source_app.config import SourceConfig
from store import letterheads
from store.database.engine import open_store
from tests.deploy.servers import ROOT, ServerProcess, end, free_address, wait_for

pytestmark = pytest.mark.slow

# The real server, which checks the store more often than once a minute.
SERVER = """
import sys
from pathlib import Path
from deploy import pinned_letterhead
from deploy.serving.serve_source import serve_source
pinned_letterhead.LOOK_SECONDS = 0.2
serve_source(Path(sys.argv[1]))
"""


@dataclass
class PublishingDesk:
    settings: Path
    config: SourceConfig
    keyring: Keyring

    def publish(self, serial: int, talk: str, *, by: Keyring | None = None) -> None:
        store = open_store(self.config.store_path)
        with store.writing() as session:
            found = letterheads.latest(session)
            assert found is not None
            before = letterhead.Letterhead.from_bytes(found[1])
            newer = msgspec.structs.replace(before, serial=serial, talk=dict.fromkeys(before.talk, talk))
            letterheads.add(
                session, serial, *letterhead.sign_letterhead(newer, (by or self.keyring).desk_key)
            )
        store.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PublishingDesk]:
    host, port = free_address()
    shown: list[str] = []
    settings = tmp_path / "var" / "config.toml"
    set_up(
        settings,
        source_bind=f"{host}:{port}",
        adviser_bind="127.0.0.8:1",
        show_passphrase=shown.append,
        say=lambda _: None,
        on_step=lambda _: None,
    )
    config = load_config(settings, "source", SourceConfig)
    sealed = load_config(settings, "adviser", AdviserConfig).keyring_path.read_bytes()
    yield PublishingDesk(settings, config, keyrings.open_keyring(sealed, shown[0], config.fingerprint))
    shutil.rmtree(config.sessions_path.parent, ignore_errors=True)


@contextmanager
def _serving(desk: PublishingDesk) -> Iterator[ServerProcess]:
    host, _, port = desk.config.bind.partition(":")
    log = desk.settings.with_name("server.log")
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, desk.settings], stdout=sink, stderr=sink, cwd=ROOT
        )
    try:
        wait_for(host, int(port), process)
        yield ServerProcess(process, host, int(port), log)
    finally:
        end(process)


def _ask_at_once(server: ServerProcess) -> list[bytes]:
    """Request one page many times at once.

    If the requests came one by one, one worker could answer all of them.
    """
    with ThreadPoolExecutor(16) as visitors:
        return [page for _, page in visitors.map(server.get, ["/en/help"] * 48)]


def _wait_until_every_worker_says(server: ServerProcess, word: bytes) -> None:
    until = time.monotonic() + 60
    while not all(word in page for page in _ask_at_once(server)):
        assert time.monotonic() < until, server.log.read_text()


def test_running_workers_use_the_newest_letterhead_and_keep_it_when_a_forged_one_follows(
    desk: PublishingDesk,
) -> None:
    with _serving(desk) as server:
        head, page = server.get("/en/help")
        assert b" 200 " in head
        assert b"ring the blue bell" not in page
        desk.publish(2, "ring the blue bell")
        _wait_until_every_worker_says(server, b"ring the blue bell")
        assert desk.config.letterhead_serial_path.read_text("ascii").startswith("2 ")
        other = keyrings.create_keyring("another desk", [Slot.for_passphrase("een")])
        desk.publish(3, "come to the harbour alone", by=other)
        until = time.monotonic() + 60
        while server.log.read_text().count("is forged") < desk.config.workers:
            assert all(b"ring the blue bell" in page for page in _ask_at_once(server))
            assert time.monotonic() < until
        assert all(b"ring the blue bell" in page for page in _ask_at_once(server))
        assert desk.config.workers == server.log.read_text().count("is forged")  # one line each
