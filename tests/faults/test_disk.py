"""Faults of the store's disk under a running server: a page says what to do, and nothing is half stored."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench import desk_servers
from bench.browser import Answer
from tests.pages import hooks
from tests.proofs.http_clients import SourceClient
from tests.small_disk import CAN_MOUNT, a_read_only_copy_over, a_small_disk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a disk; tests/source_app has a page limit"),
]

PHOTO = {"photo.jpg": os.urandom(2_000_000)}


class ServerOnSmallDisk:
    """Running server whose store is on a small disk that a test can fill."""

    def __init__(self, folder: Path, desk: desk_servers.Desk, source: SourceClient) -> None:
        self.folder = folder
        self.store = desk.path("source", "store_path")
        self.source = source
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (65536, 4096, 1):
                try:
                    while ballast.write(bytes(size)):
                        pass
                except OSError:
                    continue

    def free_space(self) -> None:
        self._ballast.unlink()

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(self.store)) as store:
            return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  # ours


@pytest.fixture
def disk() -> Iterator[ServerOnSmallDisk]:
    with a_small_disk("40m") as folder:
        desk = desk_servers.set_up(folder / "var", {"reserve_bytes": 0})
        with desk_servers.serving(desk, "source") as site, SourceClient(site.host, site.port) as source:
            source.open_mailbox()
            yield ServerOnSmallDisk(folder, desk, source)


def is_store_refusal(answer: Answer, text: str) -> bool:
    """Return True if a page returns the typed text and says that the store does not work now."""
    page = answer.body.decode()
    return answer.status == 503 and text in page and hooks(page, "refusal") == ["store"]


def test_a_full_disk_refuses_texts_with_a_page_and_keeps_every_one_it_acknowledged(
    disk: ServerOnSmallDisk,
) -> None:
    forms = [disk.source.write_form() for _ in range(40)]
    disk.fill()

    answers = {
        f"tekst nummer {number:02}": disk.source.send(form, f"tekst nummer {number:02}")
        for number, form in enumerate(forms)
    }

    received = {text for text, answer in answers.items() if answer.status == 303}
    refused = {text for text, answer in answers.items() if is_store_refusal(answer, text)}
    assert answers.keys() == received | refused
    assert refused
    disk.free_space()
    disk.source.write("room again")
    page = disk.source.thread_page().body.decode()
    assert received == {text for text in answers if text in page}
    assert "room again" in page
    assert len(received) + 1 == disk.count("entry")


def test_a_full_disk_refuses_a_file_with_a_page_and_keeps_no_part_of_it(disk: ServerOnSmallDisk) -> None:
    form = disk.source.write_form()
    disk.fill()

    answer = disk.source.send(form, "zie de foto", PHOTO)

    # The beginning may still fit into space that the journal had left. Which refusal comes depends on that.
    assert answer.status in {503, 507}
    assert b"zie de foto" in answer.body
    disk.free_space()
    assert 0 == disk.count("entry")
    assert disk.source.write("zie de foto", PHOTO)
    assert 1 == disk.count("entry")
    assert 1 == disk.count("attachment WHERE pending_half_hour IS NULL")


def test_a_store_that_becomes_read_only_returns_the_text_and_works_again_later(
    disk: ServerOnSmallDisk,
) -> None:
    form = disk.source.write_form()

    with a_read_only_copy_over(disk.store.parent, disk.folder / "copy"):
        answer = disk.source.send(form, "op een schijf die niets aanneemt")

    assert is_store_refusal(answer, "op een schijf die niets aanneemt")
    assert 0 == disk.count("entry")
    assert disk.source.write("weer te schrijven")


def test_a_store_that_is_moved_away_and_back_still_gives_pages_and_loses_nothing(
    disk: ServerOnSmallDisk,
) -> None:
    disk.source.write("van tevoren")
    form = disk.source.write_form()
    moved = [(path, path.with_name(f"away-{path.name}")) for path in disk.store.parent.glob("store.db*")]
    for path, away in moved:
        path.rename(away)

    answer = disk.source.send(form, "zonder opslag")
    thread = disk.source.thread_page()

    assert is_store_refusal(answer, "zonder opslag")
    assert 503 == thread.status
    assert not disk.store.exists()  # no empty store was made in its place
    for path, away in moved:
        away.rename(path)
    disk.source.write("weer terug")
    page = disk.source.thread_page().body
    assert b"van tevoren" in page
    assert b"weer terug" in page
    assert b"zonder opslag" not in page


def test_a_store_that_another_process_locks_returns_the_text_and_works_again_later(
    disk: ServerOnSmallDisk,
) -> None:
    form = disk.source.write_form()
    with closing(sqlite3.connect(disk.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = disk.source.send(form, "terwijl een ander schrijft")
        assert 200 == disk.source.thread_page().status  # reading still works
        other.execute("ROLLBACK")

    assert is_store_refusal(answer, "terwijl een ander schrijft")
    assert disk.source.write("terwijl een ander schrijft")
    assert 1 == disk.count("entry")


def test_a_server_with_a_full_disk_makes_no_half_backup_and_goes_on(disk: ServerOnSmallDisk) -> None:
    disk.source.write("vooraf", PHOTO)
    settings = disk.store.with_name("config.toml")
    with settings.open("a", encoding="utf-8") as file:
        file.write('\n[backup]\nfolder = "backups"\nkeep = 2\nkeep_days = 2\nage_recipients = []\n')
    command = [*desk_servers._COMMAND, "--settings", str(settings), "backup"]
    disk.fill()

    refused = subprocess.run(command, check=False, capture_output=True, text=True)

    assert refused.returncode == 1
    assert "has no room" in refused.stderr
    assert [] == list((settings.parent / "backups").iterdir())
    disk.free_space()
    disk.source.write("daarna")
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "2 entries verified" in made.stdout


def test_a_store_that_became_read_only_can_still_be_backed_up(
    disk: ServerOnSmallDisk, tmp_path: Path
) -> None:
    disk.source.write("vooraf")
    settings = disk.store.with_name("config.toml")
    folder = tmp_path / "backups"
    with settings.open("a", encoding="utf-8") as file:
        file.write(f'\n[backup]\nfolder = "{folder}"\nkeep = 2\nkeep_days = 2\nage_recipients = []\n')
    command = [*desk_servers._COMMAND, "--settings", str(settings), "backup"]

    with a_read_only_copy_over(disk.store.parent, disk.folder / "copy"):
        done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert 0 == done.returncode, done.stderr
    assert "1 entries verified" in done.stdout
