"""Converted pages in memory: encrypted, limited in size, and gone when the desk locks."""

import pytest

from journalist_app.conversion.file_pages import ShownPage
from journalist_app.desk.shown_files import ShownFile, ShownFiles
from journalist_app.errors import ConversionRefusal, FileRefusal

PAGE = ShownPage("geheim", b"picture", b"sound", 5, (("From", "a@example.org"),), (("a.pdf", 3),))


@pytest.fixture
def files() -> ShownFiles:
    return ShownFiles()


def test_a_page_is_kept_encrypted_and_comes_back_as_it_was(files: ShownFiles) -> None:
    file, is_new = files.open("a")

    files.keep(file, 1, PAGE)

    assert is_new
    assert PAGE == files.page(file, 1)
    assert files.page(file, 2) is None
    assert b"geheim" not in file.sealed[1]
    assert b"picture" not in file.sealed[1]


def test_a_file_that_was_opened_before_is_not_converted_again(files: ShownFiles) -> None:
    first, _ = files.open("a")

    assert (first, False) == files.open("a")
    assert first is files.find("a")
    files.drop("a")
    files.drop("a")
    assert files.find("a") is None


def test_after_the_lock_no_page_can_be_decrypted_or_kept(files: ShownFiles) -> None:
    file, _ = files.open("a")
    files.keep(file, 1, PAGE)

    files.close()
    files.keep(file, 2, PAGE)

    assert files.find("a") is None
    assert files.page(file, 1) is None
    assert {1} == file.sealed.keys()


def test_the_files_that_were_opened_first_make_room_and_busy_files_stay() -> None:
    files = ShownFiles(most_bytes=250)
    names = ["busy", "first", "second", "third"]
    opened = [files.open(name)[0] for name in names]
    for file in opened:
        files.keep(file, 1, ShownPage("x" * 100))
        file.is_done = file is not opened[0]

    assert ["busy", "third"] == [name for name in names if files.find(name)]
    assert files.is_busy
    opened[0].is_done = True
    assert not files.is_busy


def test_a_page_has_a_reason_only_when_it_will_not_come() -> None:
    file = ShownFile(count=4, refused_pages={2: ConversionRefusal.LIMIT}, sealed={1: b""})

    assert [None, ConversionRefusal.LIMIT, None] == [file.refusal_of(number) for number in (1, 2, 3)]
    file.is_done = True
    assert ConversionRefusal.FAILED is file.refusal_of(3)
    file.refusal = FileRefusal.BROKEN
    assert FileRefusal.BROKEN is file.refusal_of(3)
    assert file.refusal_of(1) is None
