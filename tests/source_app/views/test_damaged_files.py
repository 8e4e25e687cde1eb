"""A damaged file gives the source a page that says so, and never a part of a file or an error."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from source_app.services import mailbox_files
from store import attachments
from store.errors import AttachmentMissingError
from tests.damaged_files import CONTENT, DAMAGES, FOREIGN, HARMLESS, OTHER, damage
from tests.pages import hook, hooks
from tests.source_app.desks import MIB, ADesk, SourceBrowser, make_desk
from tests.stores import database, is_on_a_server


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ADesk, SourceBrowser, list[str]]]:
    """Return a desk, the browser of a source, and the ids of two own files and of a foreign one."""
    a_desk = make_desk(tmp_path_factory.mktemp("desk"))
    source, stranger = a_desk.browser(), a_desk.browser()
    for browser, content in ((source, CONTENT), (stranger, FOREIGN)):
        browser.start()
        browser.write("see the file", [("a.bin", content)])
    source.write("and another", [("b.bin", OTHER)])
    ids = [entry.files[0].id for browser in (source, stranger) for entry in a_desk.thread_of(browser).entries]
    a_desk.store.checkpoint()
    a_desk.store.close()
    yield a_desk, source, ids
    a_desk.store.close()


@pytest.fixture
def site(
    whole: tuple[ADesk, SourceBrowser, list[str]], tmp_path: Path
) -> Iterator[tuple[ADesk, SourceBrowser, list[str]]]:
    """Return the same with a store that is whole again afterwards."""
    if is_on_a_server(whole[0].store):
        copy = database.copy_of(whole[0].store)
        yield whole
        whole[0].store.close()
        database.restore(whole[0].store, copy)
        return
    store = whole[0].config.store_path
    shutil.copyfile(store, tmp_path / "copy")
    yield whole
    whole[0].store.close()
    store.unlink()
    shutil.copyfile(tmp_path / "copy", store)


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_gives_a_page_that_says_so(
    site: tuple[ADesk, SourceBrowser, list[str]], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    a_desk, source, (file, other, foreign) = site
    damage(a_desk.store, how, file=file, other=other, foreign=foreign)

    answer = source.get(f"/en/mailbox/files/{file}")

    assert answer.status_code == 409
    assert hooks(answer.text, "failure") == ["damaged_file"]
    assert ["a file in the store is damaged or missing"] == caplog.messages


@pytest.mark.parametrize("how", HARMLESS)
def test_a_damage_that_no_download_reads_changes_nothing(
    site: tuple[ADesk, SourceBrowser, list[str]], how: str
) -> None:
    a_desk, source, (file, other, foreign) = site
    damage(a_desk.store, how, file=file, other=other, foreign=foreign)

    answer = source.get(f"/en/mailbox/files/{file}")

    assert (answer.status_code, answer.data) == (200, CONTENT)


def test_the_other_files_are_still_given(site: tuple[ADesk, SourceBrowser, list[str]]) -> None:
    a_desk, source, (file, other, foreign) = site
    damage(a_desk.store, "first chunk: row gone", file=file, other=other, foreign=foreign)

    assert source.get(f"/en/mailbox/files/{other}").data == OTHER


def test_a_large_file_is_damaged_and_the_download_ends_too_early(
    site: tuple[ADesk, SourceBrowser, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_desk, source, (file, other, foreign) = site
    monkeypatch.setattr(mailbox_files, "VERIFIED_FIRST_BYTES", 1000)
    damage(a_desk.store, "last chunk: row gone", file=file, other=other, foreign=foreign)
    page = source.get("/en/mailbox").text
    assert 2 == page.count(hook("file", "large"))

    with pytest.raises(AttachmentMissingError):
        source.get(f"/en/mailbox/files/{file}")


def test_a_large_file_with_a_damaged_beginning_gives_the_page(
    site: tuple[ADesk, SourceBrowser, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_desk, source, (file, other, foreign) = site
    monkeypatch.setattr(mailbox_files, "VERIFIED_FIRST_BYTES", 1000)
    damage(a_desk.store, "first chunk: zeros", file=file, other=other, foreign=foreign)

    assert hooks(source.get(f"/en/mailbox/files/{file}").text, "failure") == ["damaged_file"]
    assert source.get(f"/en/mailbox/files/{other}").data == OTHER


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_request_for_a_large_file_decrypts_only_its_beginning(
    a_desk: ADesk, source: SourceBrowser, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Otherwise a few requests, which cost an attacker nothing, would occupy all threads."""
    limits = replace(a_desk.desk.limits, files_bytes=11 * MIB)
    a_desk.app.extensions["desk"] = replace(a_desk.desk, limits=limits)
    assert source.write("see the file", [("film.bin", bytes(10 * MIB))]).status_code == 303
    (file,) = a_desk.thread_of(source).entries[-1].files
    read: list[int] = []
    stored = attachments.read_chunks

    def counted(*of_file: Any) -> Iterator[bytes]:  # noqa: ANN401  # the parameters of read_chunks
        for chunk in stored(*of_file):
            read.append(len(chunk))
            yield chunk

    monkeypatch.setattr(attachments, "read_chunks", counted)

    answer = source.client.open(f"/en/mailbox/files/{file.id}", method=method)

    assert answer.content_length == 10 * MIB
    assert sum(read) < 8 * MIB
    answer.close()


def test_a_message_whose_file_was_damaged_since_is_not_taken_for_the_same(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()
    form = source.form_context()
    source.write("see the file", [("a.bin", CONTENT)], form)
    (file,) = a_desk.thread_of(source).entries[0].files
    damage(a_desk.store, "header: gone", file=file.id, other="", foreign="")

    again = source.write("see the file", [("a.bin", CONTENT)], form)

    assert hooks(again.text, "refusal") == ["changed"]
