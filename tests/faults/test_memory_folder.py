"""The folder in memory disappears under a running server: visitors log in again, without a restart."""

import shutil
import time
from pathlib import Path

import pytest

from bench import desk_servers
from bench.forms import URLENCODED, form_to
from tests.proofs.http_clients import AdviserClient, SourceClient

pytestmark = pytest.mark.slow


def test_after_the_folder_in_memory_is_gone_a_source_starts_a_mailbox_without_a_restart(
    tmp_path: Path,
) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    with desk_servers.serving(desk, "source") as site:
        with SourceClient(site.host, site.port) as before:
            before.open_mailbox()
            before.write("written before")

            shutil.rmtree(desk.path("source", "sessions_path").parent)

            assert before.thread_page().location.endswith("/log-in")

        for _ in range(4):  # each of the two workers has to notice
            with SourceClient(site.host, site.port) as after:
                after.open_mailbox()
                after.write("written after")
    folder = desk.path("source", "sessions_path").parent
    assert folder.stat().st_mode & 0o777 == 0o700


def test_after_the_folder_in_memory_is_gone_the_next_unlocking_can_use_gpg_again(tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    home = desk.path("adviser", "openpgp_home_path")
    with desk_servers.serving(desk, "adviser") as site, AdviserClient(site.host, site.port) as adviser:
        shutil.rmtree(home.parent)
        adviser.unlock(desk.passphrase)

        lock = form_to(adviser.inbox(), "/inbox", ending="/lock")
        adviser.browser.post(lock.action, URLENCODED, lock.filled({}))  # ends the process, a new one starts

        while not home.is_dir():  # the new process makes the folder; the test has its own time limit
            time.sleep(0.05)
        adviser.unlock(desk.passphrase)
        assert any(home.iterdir())  # a home of gpg
