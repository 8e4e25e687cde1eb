"""Use a page as somebody does who has no mouse: Tab, type, Enter."""

import re
from pathlib import Path

from playwright import sync_api as playwright
from playwright.sync_api import Locator, Page

_MOST_TABS = 120
_MOST_TRIES = 4
_CHOOSER_SECONDS = 15
_SECONDS = 120  # for the largest upload


def reach(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus, from wherever the focus is.

    Raises:
        AssertionError: it cannot be reached with the keyboard.
    """
    target.wait_for()
    for _ in range(_MOST_TABS):
        if target.evaluate("it => it === it.ownerDocument.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"cannot be reached with the keyboard: {target}")


def follow(page: Page, name: str | Locator, *, nth: int = 0) -> None:
    """Follow a link, given by its words or itself."""
    links = page.get_by_role("link", name=name) if isinstance(name, str) else name
    reach(page, links.nth(nth))
    _enter(page)


def press(page: Page, name: str | re.Pattern[str], *, within: str = "body") -> None:
    """Press a button by its words, in a part of the page if there are others of the same words."""
    reach(page, page.locator(within).get_by_role("button", name=name))
    _enter(page)


def send(page: Page, form: str) -> None:
    """Press the last button of the form whose action ends so."""
    reach(page, page.locator(f'form[action$="{form}"]').get_by_role("button").last)
    _enter(page)


def fill(page: Page, label: str | Locator, text: str) -> None:
    """Type into a field, given by its label or itself, over its present text."""
    reach(page, page.get_by_label(label) if isinstance(label, str) else label)
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def tick(page: Page, label: str | Locator) -> None:
    """Tick a box or choose a way, given by its label or itself."""
    reach(page, page.get_by_label(label) if isinstance(label, str) else label)
    page.keyboard.press("Space")


def open_fold(page: Page, fold: str) -> None:
    """Open a folded part of a page by its name."""
    reach(page, page.locator(f"summary[data-fold={fold}]"))
    page.keyboard.press("Enter")


def choose_option(page: Page, field: Locator, value: str) -> None:
    """Choose from a list by typing the words of the option that has this value."""
    words = field.locator(f'option[value="{value}"]').inner_text()
    reach(page, field)
    page.keyboard.type(words)
    assert value == field.input_value()


def choose(page: Page, label: str | Locator, files: list[Path]) -> None:
    """Choose files with the keyboard.

    A busy browser sometimes swallows the key before it has heard that we want to see the chooser.
    """
    field = page.get_by_label(label) if isinstance(label, str) else label
    reach(page, field)
    for _ in range(_MOST_TRIES):
        try:
            with page.expect_file_chooser(timeout=_CHOOSER_SECONDS * 1000) as chooser:
                field.evaluate("it => it.files.length")  # a round trip: from here on the browser tells us
                page.keyboard.press("Space")
        except playwright.TimeoutError:
            continue
        chooser.value.set_files(files)
        return
    raise AssertionError("the browser shows no way to choose files")


def fetch(page: Page, name: str, to: Path, *, exact: bool = False) -> bytes:
    """Download a file by the name on its link, or a part of it."""
    reach(page, page.get_by_role("link", name=name, exact=exact))
    with page.expect_download(timeout=120_000) as download:
        page.keyboard.press("Enter")
    download.value.save_as(to)
    return to.read_bytes()


def _enter(page: Page) -> None:
    with page.expect_navigation(timeout=_SECONDS * 1000):
        page.keyboard.press("Enter")
