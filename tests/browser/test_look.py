"""The adviser looks at files of every kind, in a browser without JavaScript."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from bench import desk_servers
from tests import source_labels as labels
from tests.browser.keyboard import choose, fill, press, reach, save_file
from tests.browser.test_journey import _start_mailbox
from tests.browser.user_actions import unlock
from tests.journalist_app.conversion.files_to_convert import a_letter, a_small_pdf, an_image
from tests.journalist_app.conversion.test_file_pages import a_mail, a_wav
from tests.journalist_app.conversion.test_picture_files import a_png_of
from tests.programs.hostile_programs import comes_true

pytestmark = pytest.mark.slow
Visit = Callable[..., BrowserContext]
_FILES = {
    "letter.odt": a_letter(body="<text:p>Één brief</text:p>" * 90),
    "plan.pdf": a_small_pdf(3),
    "photo.jpg": an_image("JPEG", (600, 400)),
    "call.wav": a_wav(3),
    "mail.eml": a_mail().as_bytes(),
    "note.txt": "Уважаемый советник, мой начальник требует деньги.".encode("windows-1251"),
    "bomb.png": a_png_of(50_000),
    "list.7z": b"7z\xbc\xaf\x27\x1c\0\4",
}


def _is_seen(picture: Locator) -> bool:
    return bool(picture.evaluate("each => each.complete && each.naturalWidth > 100"))


def _is_heard(sound: Locator) -> bool:
    return bool(sound.evaluate("each => each.duration > 2"))


@pytest.fixture
def thread(
    visit: Visit, servers: desk_servers.DeskServers, source_url: str, adviser_url: str, tmp_path: Path
) -> Page:
    """Return the adviser's page of a mailbox with files of every kind."""
    source = visit().new_page()
    _start_mailbox(source, source_url)
    fill(source, labels.MESSAGE, "Look at these files, please.")
    for name, content in _FILES.items():
        (tmp_path / name).write_bytes(content)
    choose(source, labels.FILES, [tmp_path / name for name in _FILES])
    press(source, labels.SEND)
    adviser = visit().new_page()
    unlock(adviser, adviser_url, servers.desk.passphrase)
    reach(adviser, adviser.locator(".row .label").first)
    adviser.keyboard.press("Enter")
    expect(adviser.get_by_text("Look at these files, please.")).to_be_visible()
    return adviser


def test_files_of_every_kind_are_shown_without_javascript(thread: Page, tmp_path: Path) -> None:
    mailbox = thread.url
    said = {"photo.jpg": "", "mail.eml": "Dag", "note.txt": "Уважаемый советник", "letter.odt": "Één brief"}
    for name in ("letter.odt", "plan.pdf", "photo.jpg", "call.wav", "mail.eml", "note.txt"):
        thread.goto(mailbox)
        thread.get_by_role("link", name=name, exact=True).click()
        expect(thread.locator("[data-look=ready]")).to_be_visible(timeout=60_000)
        expect(thread.locator("main")).to_contain_text(said.get(name, ""))
        for shown in thread.locator("main img").all():
            assert comes_true(functools.partial(_is_seen, shown))
        for played in thread.locator("main audio").all():
            played.evaluate("each => each.load()")
            assert comes_true(functools.partial(_is_heard, played))

    thread.goto(mailbox)
    thread.get_by_role("link", name="plan.pdf", exact=True).click()
    thread.locator("a[rel=next]").first.click()
    expect(thread.locator("[data-look=ready]")).to_be_visible(timeout=60_000)
    expect(thread.locator("a[rel=prev]").first).to_be_visible()
    assert thread.url.endswith("/2")
    for name, reason in (("bomb.png", "pixels"), ("list.7z", "archive")):
        thread.goto(mailbox)
        thread.get_by_role("link", name=name, exact=True).click()
        expect(thread.locator(f"[data-refusal={reason}]")).to_be_visible(timeout=60_000)

    thread.goto(mailbox)
    assert _FILES["photo.jpg"] == save_file(thread, "photo.jpg", tmp_path / "saved")
