"""Whatever happens to the store's disk under a running server: a page that says what to do, and no half."""

import os
import sqlite3
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


class Disk:
    """A running server whose store lies on a disk that a test may fill."""

    def __init__(self, folder: Path, desk: desk_servers.Desk, player: SourceClient) -> None:
        self.folder = folder
        self.store = desk.path("source", "store_path")
        self.player = player
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (65536, 4096, 1):
                try:
                    while ballast.write(bytes(size)):
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        self._ballast.unlink()

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(self.store)) as store:
            return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  # ours


@pytest.fixture
def disk() -> Iterator[Disk]:
    with a_small_disk("40m") as folder:
        desk = desk_servers.set_up(folder / "var", {"reserve_bytes": 0})
        with desk_servers.serving(desk, "source") as site, SourceClient(site.host, site.port) as player:
            player.open_mailbox()
            yield Disk(folder, desk, player)


def says_what_to_do(answer: Answer, text: str) -> bool:
    """Say whether a page gives the text back and tells to try again."""
    page = answer.body.decode()
    return answer.status == 503 and text in page and hooks(page, "refusal") == ["store"]


def test_a_full_disk_refuses_texts_with_a_page_and_keeps_every_one_it_acknowledged(disk: Disk) -> None:
    forms = [disk.player.write_form() for _ in range(40)]
    disk.fill()

    answers = {
        f"tekst nummer {number:02}": disk.player.send(form, f"tekst nummer {number:02}")
        for number, form in enumerate(forms)
    }

    received = {text for text, answer in answers.items() if answer.status == 303}
    refused = {text for text, answer in answers.items() if says_what_to_do(answer, text)}
    assert answers.keys() == received | refused
    assert refused
    disk.empty()
    disk.player.write("room again")
    page = disk.player.thread_page().body.decode()
    assert received == {text for text in answers if text in page}
    assert "room again" in page
    assert len(received) + 1 == disk.count("entry")


def test_a_full_disk_refuses_a_file_with_a_page_and_nothing_half_stays(disk: Disk) -> None:
    form = disk.player.write_form()
    disk.fill()

    answer = disk.player.send(form, "zie de foto", PHOTO)

    # What little room a journal had left may take the beginning; what then is missing is said as it is found.
    assert answer.status in {413, 503}
    assert b"zie de foto" in answer.body
    disk.empty()
    assert 0 == disk.count("entry")
    assert disk.player.write("zie de foto", PHOTO)
    assert 1 == disk.count("entry")
    assert 1 == disk.count("attachment WHERE pending_half_hour IS NULL")


def test_a_store_that_comes_back_read_only_gives_the_text_back_and_works_again(disk: Disk) -> None:
    form = disk.player.write_form()

    with a_read_only_copy_over(disk.store.parent, disk.folder / "copy"):
        answer = disk.player.send(form, "op een schijf die niets aanneemt")

    assert says_what_to_do(answer, "op een schijf die niets aanneemt")
    assert 0 == disk.count("entry")
    assert disk.player.write("weer te schrijven")


def test_a_store_that_is_moved_away_and_put_back_gives_pages_and_loses_nothing(disk: Disk) -> None:
    disk.player.write("van tevoren")
    form = disk.player.write_form()
    moved = [(path, path.with_name(f"away-{path.name}")) for path in disk.store.parent.glob("store.db*")]
    for path, away in moved:
        path.rename(away)

    answer = disk.player.send(form, "zonder opslag")
    thread = disk.player.thread_page()

    assert says_what_to_do(answer, "zonder opslag")
    assert 503 == thread.status
    assert not disk.store.exists()  # no empty store was made in its place
    for path, away in moved:
        away.rename(path)
    disk.player.write("weer terug")
    page = disk.player.thread_page().body
    assert b"van tevoren" in page
    assert b"weer terug" in page
    assert b"zonder opslag" not in page


def test_a_store_that_another_process_keeps_gives_the_text_back_and_works_again(disk: Disk) -> None:
    form = disk.player.write_form()
    with closing(sqlite3.connect(disk.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = disk.player.send(form, "terwijl een ander schrijft")
        assert 200 == disk.player.thread_page().status  # reading goes on
        other.execute("ROLLBACK")

    assert says_what_to_do(answer, "terwijl een ander schrijft")
    assert disk.player.write("terwijl een ander schrijft")
    assert 1 == disk.count("entry")
