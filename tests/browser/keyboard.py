"""Use of a page with the keyboard alone: Tab, type, Enter."""

import re
from pathlib import Path

from playwright import sync_api as playwright
from playwright.sync_api import Locator, Page

_TABS_MAX = 120
_TRIES_MAX = 4
_CHOOSER_SECONDS = 15
_SECONDS = 120  # for the largest upload


def reach(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus.

    Raises:
        AssertionError: the keyboard cannot reach the target.
    """
    target.wait_for()
    for _ in range(_TABS_MAX):
        if target.evaluate("it => it === it.ownerDocument.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"cannot be reached with the keyboard: {target}")


def follow(page: Page, name: str | Locator, *, nth: int = 0) -> None:
    """Follow a link, given by its text or as a locator."""
    links = page.get_by_role("link", name=name) if isinstance(name, str) else name
    reach(page, links.nth(nth))
    _enter(page)


def press(page: Page, name: str | re.Pattern[str], *, within: str = "body") -> None:
    """Press the button with this text, in the part `within` if other buttons have the same text."""
    reach(page, page.locator(within).get_by_role("button", name=name))
    _enter(page)


def send(page: Page, form: str) -> None:
    """Press the last button of the form whose action ends with `form`."""
    reach(page, page.locator(f'form[action$="{form}"]').get_by_role("button").last)
    _enter(page)


def fill(page: Page, label: str | Locator, text: str) -> None:
    """Replace the text of a field, given by its label or as a locator."""
    reach(page, page.get_by_label(label) if isinstance(label, str) else label)
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def tick(page: Page, label: str | Locator) -> None:
    """Tick a checkbox or radio button, given by its label or as a locator."""
    reach(page, page.get_by_label(label) if isinstance(label, str) else label)
    page.keyboard.press("Space")


def open_fold(page: Page, fold: str) -> None:
    """Open the folded part with this `data-fold` name."""
    reach(page, page.locator(f"summary[data-fold={fold}]"))
    page.keyboard.press("Enter")


def choose_option(page: Page, field: Locator, value: str) -> None:
    """Choose the option with this value, by typing its text."""
    words = field.locator(f'option[value="{value}"]').inner_text()
    reach(page, field)
    page.keyboard.type(words)
    assert value == field.input_value()


def choose(page: Page, label: str | Locator, files: list[Path]) -> None:
    """Choose files with the keyboard.

    Tries several times: a busy browser sometimes ignores the key, because it does not know yet that the test
    waits for the file chooser.
    """
    field = page.get_by_label(label) if isinstance(label, str) else label
    reach(page, field)
    for _ in range(_TRIES_MAX):
        try:
            with page.expect_file_chooser(timeout=_CHOOSER_SECONDS * 1000) as chooser:
                field.evaluate(
                    "it => it.files.length"
                )  # a round trip, after which the browser reports the file chooser
                page.keyboard.press("Space")
        except playwright.TimeoutError:
            continue
        chooser.value.set_files(files)
        return
    raise AssertionError("the browser opens no file chooser")


def fetch(page: Page, name: str, to: Path, *, exact: bool = False) -> bytes:
    """Download a file by the text of its link, or by a part of that text."""
    reach(page, page.get_by_role("link", name=name, exact=exact))
    with page.expect_download(timeout=120_000) as download:
        page.keyboard.press("Enter")
    download.value.save_as(to)
    return to.read_bytes()


def save_file(adviser: Page, name: str, to: Path) -> bytes:
    """Download a file of the mailbox that the adviser reads, after the question about its risks."""
    thread = adviser.url
    reach(adviser, adviser.locator("li", has_text=name).locator("[data-save]"))
    _enter(adviser)
    reach(adviser, adviser.locator("a[download]"))
    with adviser.expect_download(timeout=120_000) as download:
        adviser.keyboard.press("Enter")
    download.value.save_as(to)
    adviser.goto(thread)
    return to.read_bytes()


def _enter(page: Page) -> None:
    with page.expect_navigation(timeout=_SECONDS * 1000):
        page.keyboard.press("Enter")
