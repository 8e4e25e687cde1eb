"""What a source and an adviser do time and again, with the keyboard alone."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests import source_labels as labels
from tests.browser.keyboard import choose_option, fill, follow, open_fold, press, reach, send

_MOST_LOOKS = 60


def heading(page: Page, words: str) -> None:
    """See a heading with these words."""
    expect(page.get_by_role("heading", name=words).first).to_be_visible()


def sees(page: Page, name: str, value: str) -> None:
    """See what a page says, by the `data-` attribute that marks it."""
    expect(page.locator(selector_of(name, value)).first).to_be_visible()


def selector_of(name: str, value: str) -> str:
    """Return the selector of a `data-` attribute."""
    return f'[data-{name}="{value}"]'


def look_until(page: Page, is_so: Callable[[], object]) -> None:
    """Load a page anew until something is so, such as that `locator.count` finds it.

    A mark that something was read is written when the page is out already, and the desk checks its store in
    the background.

    Raises:
        AssertionError: it does not come.
    """
    for _ in range(_MOST_LOOKS):
        if is_so():
            return
        page.reload()
    raise AssertionError("what was to come does not come")


def start_mailbox(page: Page, url: str) -> str:
    """Start a mailbox and practise its words; return them."""
    page.goto(f"{url}/en/")
    follow(page, labels.START)
    passphrase = page.locator(".words").inner_text()
    press(page, labels.WRITTEN_DOWN)
    fill(page, labels.PASSPHRASE, passphrase)
    press(page, labels.OPEN)
    sees(page, "page", "mailbox/write")
    return passphrase


def come_back(page: Page, url: str, passphrase: str) -> None:
    """Open a mailbox with its words."""
    page.goto(f"{url}/en/log-in")
    fill(page, labels.PASSPHRASE, passphrase)
    press(page, labels.OPEN)


def write(page: Page, text: str) -> None:
    """Write a message and look at the mailbox."""
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
    """Open the one mailbox that is new and waits; return its label."""
    page.goto(f"{url}/inbox?still=1")
    link = page.locator(".row", has=page.locator("[data-state=new]")).locator("a.label")
    expect(link).to_have_count(1)
    label = link.inner_text()
    reach(page, link)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    return label


def open_labelled(page: Page, url: str, label: str) -> None:
    """Open a mailbox that is known by its label."""
    page.goto(f"{url}/inbox?still=1")
    fill(page, page.locator("#q"), label)
    reach(page, page.locator("form[role=search]").get_by_role("button"))
    with page.expect_navigation():
        page.keyboard.press("Enter")
    follow(page, label)


def answer(page: Page, text: str, *, step: str = "", own_words: str = "", next_: str = "") -> None:
    """Answer the mailbox that is open, with a step if one is named."""
    fill(page, page.locator("#text"), text)
    if step:
        open_fold(page, "step")
        choose_option(page, page.locator("#step"), step)
        fill(page, page.locator("#step_text"), own_words)
        fill(page, page.locator("#next"), next_)
    send(page, "/answer")
    expect(page.locator("[data-news=sent]")).to_be_visible()
