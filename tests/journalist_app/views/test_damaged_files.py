"""A damaged file gives the adviser a page that says so, and never a part of a file or an error."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.entry import open_entry
from tests.damaged_files import CONTENT, DAMAGES, FOREIGN, HARMLESS, OTHER, damage
from tests.journalist_app.desk_factories import ASource, a_source, a_world
from tests.journalist_app.views.test_views import a_browser, settle
from tests.pages import hooks


class Downloads:
    """A desk that has the mailbox of a source with two files, and the mailbox of another source."""

    def __init__(self, folder: Path) -> None:
        self.world = a_world(folder)
        self.source, stranger = a_source(self.world), a_source(self.world)
        self.file = self._sent(self.source, CONTENT)
        self.other = self._sent(self.source, OTHER)
        self.foreign = self._sent(stranger, FOREIGN)
        self.browser = a_browser(self.world)
        self.browser.unlock()
        settle(self.browser)

    @staticmethod
    def _sent(source: ASource, content: bytes) -> str:
        signed = source.writes("zie bijlage", file=("a.bin", content))
        (note,) = open_entry(signed, [source.keys.identity]).attachments
        return note.id.hex()

    def damage(self, how: str) -> None:
        damage(self.world.store, how, file=self.file, other=self.other, foreign=self.foreign)

    def path(self, file: str) -> str:
        return f"/mailbox/{self.source.keys.address.hex()}/files/{file}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Downloads]:
    downloads = Downloads(tmp_path_factory.mktemp("desk"))
    downloads.world.store.checkpoint()
    downloads.world.store.close()
    yield downloads
    downloads.world.store.close()


@pytest.fixture
def desk(whole: Downloads, tmp_path: Path) -> Iterator[Downloads]:
    """Return the same with a store that is whole again afterwards."""
    store = whole.world.store
    shutil.copyfile(store.path, tmp_path / "copy")
    yield whole
    store.close()
    store.path.unlink()
    shutil.copyfile(tmp_path / "copy", store.path)


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_gives_a_page_that_says_so(desk: Downloads, how: str) -> None:
    desk.damage(how)

    answers = [desk.browser.get(desk.path(desk.file) + end) for end in ("", "/opened")]

    assert [(each.status_code, hooks(each.text, "refusal")) for each in answers] == [
        (409, ["file_broken"])
    ] * 2


@pytest.mark.parametrize("how", HARMLESS)
def test_a_damage_on_which_no_download_depends_changes_nothing(desk: Downloads, how: str) -> None:
    desk.damage(how)

    answers = [desk.browser.get(desk.path(desk.file) + end) for end in ("", "/opened")]

    assert [(each.status_code, each.data) for each in answers] == [(200, CONTENT)] * 2


def test_the_other_files_are_still_given(desk: Downloads) -> None:
    desk.damage("first chunk: row gone")

    assert desk.browser.get(desk.path(desk.other)).data == OTHER
