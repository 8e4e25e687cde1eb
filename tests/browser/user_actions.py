"""Actions of a source and an adviser that many browser tests repeat, with the keyboard alone."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests import source_labels as labels
from tests.browser.keyboard import choose_option, fill, follow, open_fold, press, reach, send

_RELOADS_MAX = 60


def sees_heading(page: Page, words: str) -> None:
    """Check that the page has a heading with this text."""
    expect(page.get_by_role("heading", name=words).first).to_be_visible()


def sees(page: Page, name: str, value: str) -> None:
    """Check that the page shows the element with this `data-` attribute."""
    expect(page.locator(selector_of(name, value)).first).to_be_visible()


def selector_of(name: str, value: str) -> str:
    """Return the CSS selector of a `data-` attribute."""
    return f'[data-{name}="{value}"]'


def reload_until(page: Page, condition: Callable[[], object]) -> None:
    """Reload a page until a condition is true, for example `locator.count`.

    A read receipt is written after the page was sent, and the desk verifies its store in the background.

    Raises:
        AssertionError: the condition stays false.
    """
    for _ in range(_RELOADS_MAX):
        if condition():
            return
        page.reload()
    raise AssertionError("the page does not change as expected")


def start_mailbox(page: Page, url: str) -> str:
    """Start a mailbox, practise its passphrase and return it."""
    page.goto(f"{url}/en/")
    follow(page, labels.START)
    passphrase = page.locator(".words").inner_text()
    fill(page, labels.FROM_PAPER, passphrase)
    press(page, labels.OPEN)
    sees(page, "page", "mailbox/write")
    return passphrase


def come_back(page: Page, url: str, passphrase: str) -> None:
    """Open a mailbox with its passphrase."""
    page.goto(f"{url}/en/log-in")
    fill(page, labels.PASSPHRASE, passphrase)
    press(page, labels.OPEN)


def write(page: Page, text: str) -> None:
    """Write a message, then open the mailbox."""
    fill(page, labels.MESSAGE, text)
    press(page, labels.SEND)
    sees(page, "page", "mailbox/received")
    follow(page, labels.TO_MAILBOX)


def unlock(page: Page, url: str, passphrase: str) -> None:
    """Unlock the adviser's interface."""
    page.goto(url)
    fill(page, page.locator("#passphrase"), passphrase)
    send(page, "/unlock")


def open_newest(page: Page, url: str) -> str:
    """Open the only new mailbox in the inbox and return its label."""
    page.goto(f"{url}/inbox?still=1")
    link = page.locator(".row", has=page.locator("[data-state=new]")).locator("a.label")
    expect(link).to_have_count(1)
    label = link.inner_text()
    reach(page, link)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    return label


def open_labelled(page: Page, url: str, label: str) -> None:
    """Open the mailbox with this label, by searching for it."""
    page.goto(f"{url}/inbox?still=1")
    fill(page, page.locator("#q"), label)
    reach(page, page.locator("form[role=search]").get_by_role("button"))
    with page.expect_navigation():
        page.keyboard.press("Enter")
    follow(page, label)


def answer(page: Page, text: str, *, step: str = "", own_words: str = "", next_: str = "") -> None:
    """Answer the open mailbox, with a step if one is given."""
    fill(page, page.locator("#text"), text)
    if step:
        open_fold(page, "step")
        choose_option(page, page.locator("#step"), step)
        fill(page, page.locator("#step_text"), own_words)
        fill(page, page.locator("#next"), next_)
    send(page, "/answer")
    expect(page.locator("[data-news=sent]")).to_be_visible()
