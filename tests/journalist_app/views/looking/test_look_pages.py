"""Pages that show a file without opening it: progress, pages, refusals, and the question before saving."""

from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import ConversionRefusal
from tests.journalist_app.conversion.files_to_convert import OPENLY, a_converter
from tests.journalist_app.desk_factories import ASource, World
from tests.journalist_app.services.mailbox.test_file_looks import HALF_BROKEN, sent
from tests.journalist_app.views.test_views import AdviserBrowser, a_browser
from tests.pages import hooks
from tests.programs.hostile_programs import comes_true

_MAIL = (
    b"From: Anna <a@example.org>\nDate: Mon, 2 Mar 2026 10:00:00 +0000\n"
    b"Subject: =?utf-8?q?=C3=A9=C3=A9n?=\n\nDag\n"
)
_PROBE = '{"streams":[{"codec_type":"audio"}],"format":{"duration":"2"}}'
SOUND = f"""for each; do last=$each; done
case "$last" in 300) printf 'ok 0 4\\nabcd';; *) printf '%s' 'ok 0 {len(_PROBE)}
{_PROBE}';; esac"""


@pytest.fixture
def browser(world: World) -> AdviserBrowser:
    made = a_browser(world)
    made.unlock()
    desk_of(made).shown_files.converter = OPENLY
    return made


def desk_of(browser: AdviserBrowser) -> OpenDesk:
    desk: OpenDesk = browser.app.extensions["auto_lock"]._desk
    return desk


def path_of(source: ASource, which: str, number: int = 1) -> str:
    return f"/mailbox/{source.address}/look/{which}/{number}"


def looks(browser: AdviserBrowser, path: str) -> TestResponse:
    """Open a page of a file, and reload the page until the file is converted."""
    answer = browser.get(path)
    while "Refresh" in answer.headers:
        assert ["busy"] == hooks(answer.text, "look")
        answer = browser.get(answer.headers["Refresh"].partition("url=")[2])
    return answer


def test_a_text_is_shown_and_the_page_says_that_the_file_was_not_opened(
    browser: AdviserBrowser, source: ASource
) -> None:
    which = sent(source, "één <b>regel</b>".encode("latin-1"), "brief.txt")

    page = looks(browser, path_of(source, which))

    assert (["ready"], ["uchardet"]) == (hooks(page.text, "look"), hooks(page.text, "programs"))
    assert '<div class="text" dir="auto">één &lt;b&gt;regel&lt;/b&gt;</div>' in page.text
    assert "windows-1252" in page.text.lower() or "iso-8859-1" in page.text.lower()
    assert f"/mailbox/{source.address}/save/{which}" in page.text


def test_an_e_mail_shows_its_headers(browser: AdviserBrowser, source: ASource) -> None:
    page = looks(browser, path_of(source, sent(source, _MAIL, "a.eml"))).text

    for shown in ("Anna &lt;a@example.org&gt;", "Mon, 02 Mar 2026 10:00:00 +0000", "één", "Dag"):
        assert f'dir="auto">{shown}' in page.replace("\n</div>", "")


def test_a_picture_and_its_text_are_shown_and_another_page_is_refused(
    browser: AdviserBrowser, source: ASource, tmp_path: Path
) -> None:
    desk_of(browser).shown_files.converter = a_converter(tmp_path, HALF_BROKEN)
    which = sent(source, b"%PDF-1.4", "a.pdf")

    page = looks(browser, path_of(source, which))
    assert comes_true(lambda: not desk_of(browser).is_busy)
    second, third, fourth = (browser.get(path_of(source, which, number)) for number in (2, 3, 4))
    picture = browser.get(f"{path_of(source, which, 2)}/picture")

    assert ["failed"] == hooks(page.text, "refusal")
    assert "img-src 'self'" in second.headers["Content-Security-Policy"]
    assert 'dir="auto">word</div>' in second.text
    assert f'src="{path_of(source, which, 2)}/picture"' in second.text
    assert ("image/png", b"\x89PNG") == (picture.mimetype, picture.data[:4])
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert [200, 404] == [third.status_code, fourth.status_code]


def test_sound_can_be_read_in_parts(browser: AdviserBrowser, source: ASource, tmp_path: Path) -> None:
    desk_of(browser).shown_files.converter = a_converter(tmp_path, SOUND)
    which = sent(source, b"#!AMR\n", "a.amr")

    page = looks(browser, path_of(source, which))
    path = f"{path_of(source, which)}/sound"
    whole, part = (
        browser.get(path),
        browser.client.get(path, headers={**browser.headers, "Range": "bytes=44-45"}),
    )

    assert f'<audio controls preload="none" src="{path}">' in page.text
    assert "0:00:00" in page.text
    assert "media-src 'self'" in page.headers["Content-Security-Policy"]
    assert ("audio/wav", b"RIFF", b"abcd") == (whole.mimetype, whole.data[:4], whole.data[44:])
    assert (206, b"ab") == (part.status_code, part.data)
    assert 404 == browser.get(f"{path_of(source, which)}/picture").status_code


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 200, ConversionRefusal.EMPTY),
        (b"7z\xbc\xaf\x27\x1c", 200, ConversionRefusal.ARCHIVE),
        (b"age-encryption.org/v1\n-> X25519 x\n", 409, "file_sealed"),
    ],
)
def test_a_file_that_cannot_be_shown_gets_a_sentence(
    browser: AdviserBrowser, source: ASource, content: bytes, status: int, reason: str
) -> None:
    page = looks(browser, path_of(source, sent(source, content)))

    assert (status, [reason]) == (page.status_code, hooks(page.text, "refusal"))


def test_a_file_that_does_not_exist_is_not_found(browser: AdviserBrowser, source: ASource) -> None:
    for which in ("00" * 16, "x"):
        for path in (path_of(source, which), f"/mailbox/{source.address}/save/{which}"):
            assert 404 == browser.get(path).status_code
        for end in ("picture", "sound"):
            assert 404 == browser.get(f"{path_of(source, which)}/{end}").status_code


def test_before_saving_the_page_says_what_it_risks(browser: AdviserBrowser, source: ASource) -> None:
    which = sent(source, b"tekst", "brief.txt")

    page = browser.get(f"/mailbox/{source.address}/save/{which}")

    assert page.mimetype == "text/html"
    assert "data-risk" in page.text
    assert f'href="/mailbox/{source.address}/files/{which}" download' in page.text


def test_a_locked_desk_shows_no_page_of_a_file(browser: AdviserBrowser, source: ASource) -> None:
    path = path_of(source, sent(source, b"tekst"))
    looks(browser, path)
    desk = desk_of(browser)

    browser.app.extensions["auto_lock"].close()

    assert [303] * 3 == [browser.get(f"{path}{end}").status_code for end in ("", "/picture", "/sound")]
    assert desk.shown_files.find((source.keys.address, path.split("/")[-2])) is None
