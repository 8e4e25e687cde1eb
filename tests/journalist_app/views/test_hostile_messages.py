"""A message or file of a source cannot keep the adviser's pages from answering, nor outlive the lock."""

import dataclasses
import itertools
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpg import home, process
from journalist_app.files import presealed
from journalist_app.files.presealed import UnopenedReason
from journalist_app.services.mailbox import file_downloads
from tests.gpg.gpg_factories import TODAY
from tests.journalist_app import desk_readers
from tests.journalist_app.desk_factories import World, a_source, a_world, write_keyring
from tests.journalist_app.files.sealing import age_armour, openpgp_armour, openpgp_bomb, recipient_of
from tests.journalist_app.opening import opens
from tests.journalist_app.views.paper import KEY, Paper
from tests.journalist_app.views.test_views import AdviserBrowser, a_browser, proposal_form
from tests.pages import hooks
from tests.programs.hostile_programs import are_gone, comes_true, running_with

BOMB = openpgp_armour(openpgp_bomb())


@pytest.fixture
def memory() -> Iterator[Path]:
    folder = Path("/dev/shm") / f"steunpunt-test-{secrets.token_hex(6)}"  # noqa: S108  # memory, on purpose
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def world(tmp_path: Path, memory: Path) -> World:
    """Make a desk with an OpenPGP key."""
    world = a_world(tmp_path)
    memory.mkdir(0o700)
    with home.GpgHome.open(memory / "other") as other:
        world.keyring = world.keyring.with_openpgp(other.make_key("Steunpunt", TODAY).secret)
    write_keyring(world.config.keyring_path, world.keyring)
    world.config = dataclasses.replace(world.config, openpgp_home_path=memory / "gpg")
    return world


@pytest.fixture
def browser(world: World) -> Iterator[AdviserBrowser]:
    made = a_browser(world)
    made.unlock()
    yield made
    made.app.extensions["auto_lock"].close()


def the_home(world: World) -> str:
    (folder,) = world.config.openpgp_home_path.iterdir()
    return str(folder)


def gpgs(folder: str) -> list[int]:
    """Return the running gpg programs of a GnuPG home that decrypt, without the sandbox around each."""
    found = []
    for pid in running_with(folder):
        with suppress(OSError):  # this process has ended
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            found += [pid] if words[0].endswith(b"/gpg") and b"--decrypt" in words else []
    return found


def test_a_bomb_blocks_neither_its_page_nor_its_neighbours(
    world: World, browser: AdviserBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(BOMB) < 1_400
    monkeypatch.setattr(process, "RUN_SECONDS", 0.5)
    source = a_source(world)
    source.writes(f"Dag\n{BOMB}\n{age_armour(b'leesbaar', [recipient_of(world)])}\nGroet")
    source.writes("nog een bestand", file=("foto.jpg", openpgp_bomb() + bytes(100_000)))
    source.writes("gewoon bericht", file=("foto.gpg", BOMB.encode()))

    page = browser.get(f"/mailbox/{source.address}").text
    again = browser.get(f"/mailbox/{source.address}").text

    assert ["blocked", "blocked"] == hooks(page, "unopened")
    assert ["blocked", "blocked"] == hooks(again, "unopened")
    for part in ("Dag", "leesbaar", "Groet", "gewoon bericht", "answer"):
        assert part in page
    assert comes_true(lambda: not gpgs(the_home(world)))


def test_a_bomb_is_ended_in_every_place_that_opens_it(
    world: World, browser: AdviserBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a bomb of 1 KB, as a text or file. It gets no time for the size that a file may have."""
    monkeypatch.setattr(process, "RUN_SECONDS", 0.5)
    desk = browser.app.extensions["auto_lock"]._desk
    desk.config = dataclasses.replace(desk.config, upload_bytes=2_000_000_000)
    desk.exporter = Paper(tmp_path)
    source = a_source(world)
    wrote = source.writes(f"Dag\n{BOMB}", file=("foto.gpg", BOMB.encode()))
    where = f"/mailbox/{source.address}"
    (entry,) = opens(desk, source.keys.address).entries
    (file,) = entry.files
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole

    file_downloads.compare_new_contents(desk)
    form = proposal_form(browser.get(f"{where}/propose"), where, "voorstel", KEY)
    proposed = browser.previews(where, {**form, "chosen": [file.attachment_id]})
    pasted = browser.get(f"{where}/entries/{entry.entry_id}/sealed/1")
    opened = browser.get(f"{where}/files/{file.attachment_id}/opened")

    assert file.sealed is not None
    assert [UnopenedReason.BLOCKED] * 2 == [entry.pieces[1][0].reason, file.sealed.reason]
    assert {wrote.digest: frozenset()} == desk.contents
    assert [409] * 3 == [each.status_code for each in (proposed, pasted, opened)]
    assert [["file_sealed"]] * 3 == [hooks(each.text, "refusal") for each in (proposed, pasted, opened)]
    assert comes_true(lambda: not gpgs(the_home(world)))


def test_many_bombs_make_a_page_wait_for_one_and_show_the_others_later(
    world: World, browser: AdviserBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RUN_SECONDS", 0.2)
    clock = itertools.count(0, 10)  # each bomb and each search for blocks takes ten seconds on this clock
    monkeypatch.setattr(presealed, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    source = a_source(world)
    source.writes("".join(openpgp_armour(openpgp_bomb(6, 33 + number)) for number in range(4)))

    pages = [browser.get(f"/mailbox/{source.address}").text for _ in range(4)]

    shown = [hooks(page, "unopened") for page in pages]
    assert [["blocked"] * count + ["later"] * (4 - count) for count in (1, 2, 3, 4)] == shown


def test_reloading_starts_no_second_program_and_locking_ends_the_first(
    world: World, browser: AdviserBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RUN_SECONDS", 300)
    source = a_source(world)
    source.writes(f"Dag\n{BOMB}")
    folder = the_home(world)
    page = threading.Thread(target=browser.get, args=[f"/mailbox/{source.address}"])
    page.start()
    while not gpgs(folder):
        time.sleep(0.01)

    second = browser.get(f"/mailbox/{source.address}").text

    assert ["later"] == hooks(second, "unopened")
    assert 1 == len(gpgs(folder))
    browser.app.extensions["auto_lock"].close()
    page.join(20)
    assert not page.is_alive()
    assert are_gone(folder)
    assert not Path(folder).exists()


def test_files_that_take_long_show_progress_and_do_not_lock_the_app(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    auto_lock = browser.app.extensions["auto_lock"]
    paper = Paper(tmp_path)
    paper.may_end.clear()
    auto_lock._desk.exporter = paper
    source = a_source(world)
    source.writes("vraag")
    where = f"/mailbox/{source.address}"
    browser.get(where)
    form = proposal_form(browser.get(f"{where}/propose"), where, "Woord <voor> woord.", KEY)

    first = browser.client.post(
        f"{where}/propose", data=form, headers=browser.headers, content_type="multipart/form-data"
    )
    again = first.headers["Refresh"].partition("url=")[2]
    auto_lock._clock = lambda: time.monotonic() + 1_000_000
    waiting = browser.get(again)

    assert ["0"] == hooks(first.text, "examined") == hooks(waiting.text, "examined")
    assert "Woord &lt;voor&gt; woord." in waiting.text
    assert "propose/send" not in waiting.text
    paper.may_end.set()
    while "Refresh" in (last := browser.get(again)).headers:
        time.sleep(0.01)
    assert "propose/send" in last.text
    assert ["preparation_gone"] == hooks(browser.get(f"{where}/propose/{'0' * 32}").text, "refusal")
