"""From the first question to the mailbox, without JavaScript and without a mouse, and nothing left behind."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.browser.keyboard import fill, follow, press

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]


def _heading(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", name=words).first).to_be_visible()


def test_from_the_signpost_to_the_mailbox(visit: Visit, source_url: str) -> None:
    context = visit()
    page = context.new_page()
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108  # playwright marks it

    page.goto(source_url)
    follow(page, "Which way fits? A few short questions")
    _heading(page, "What is it about?")
    titles = {page.title()}
    follow(page, "How someone from the ministry treated me or someone else.")
    _heading(page, "Did it happen to you?")
    titles.add(page.title())
    follow(page, "Back to the question before")
    _heading(page, "What is it about?")
    follow(page, "How someone from the ministry treated me or someone else.")
    follow(page, "Yes, it happened to me.")
    _heading(page, "What would help you most now?")
    titles.add(page.title())
    follow(page, "That those in charge of the ministry know about this.")
    _heading(page, "The support point tells the Secretary-General")
    _heading(page, "A complaint about unwanted conduct")
    titles.add(page.title())
    assert titles == {"Info"}
    outcome = page.url
    follow(page, "Nederlands")
    _heading(page, "Het steunpunt vertelt het aan de secretaris-generaal")
    follow(page, "English")
    assert outcome == page.url
    assert context.cookies() == []
    assert page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 0]

    follow(page, "Start a mailbox")
    passphrase = page.locator(".words").inner_text()
    press(page, "I have written them down")
    fill(page, "Your passphrase", passphrase)
    press(page, "Open my mailbox")
    fill(page, "Your message", "The signpost said that I can talk first.")
    press(page, "Send")
    _heading(page, "Received")

    told = [request.all_headers().get("referer", "") for request in requests]
    assert len(told) > 12
    assert [referrer for referrer in told if "/s/" in referrer] == []


def test_whoever_has_a_mailbox_open_finds_the_way_back_to_it(visit: Visit, source_url: str) -> None:
    page = visit().new_page()
    page.goto(f"{source_url}/en/begin")
    passphrase = page.locator(".words").inner_text()
    press(page, "I have written them down")
    fill(page, "Your passphrase", passphrase)
    press(page, "Open my mailbox")

    page.goto(f"{source_url}/en/s/38")
    follow(page, "Come back to your mailbox")

    _heading(page, "Your mailbox")
    press(page, "Log out")
