"""From the first question to the mailbox, without JavaScript and without a mouse, and nothing left behind."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from source_app.signpost import decision_tree
from tests import source_labels as labels
from tests.browser.keyboard import fill, follow, press
from tests.browser.user_actions import sees

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]


def _heading(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", name=words).first).to_be_visible()


def test_from_the_signpost_to_the_mailbox(visit: Visit, source_url: str) -> None:
    english, dutch = (decision_tree.load(decision_tree.PACKAGED)[lang] for lang in ("en", "nl"))
    questions = {each.number: each for each in english.question}
    first = questions[english.first]
    second = questions[first.answers[0].to]
    third = questions[second.answers[0].to]
    (outcome_shown,) = [each for each in english.outcome if each.number == third.answers[3].to]
    context = visit()
    page = context.new_page()
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108  # playwright marks it

    page.goto(source_url)
    follow(page, labels.WHICH_WAY)
    _heading(page, first.text)
    titles = {page.title()}
    follow(page, first.answers[0].text)
    _heading(page, second.text)
    titles.add(page.title())
    follow(page, labels.PREVIOUS)
    _heading(page, first.text)
    follow(page, first.answers[0].text)
    follow(page, second.answers[0].text)
    _heading(page, third.text)
    titles.add(page.title())
    follow(page, third.answers[3].text)
    for route in outcome_shown.routes:
        _heading(page, english.route[route].name)
    titles.add(page.title())
    assert titles == {"Info"}
    outcome = page.url
    follow(page, "Nederlands")
    _heading(page, dutch.route[outcome_shown.routes[0]].name)
    follow(page, "English")
    assert outcome == page.url
    assert context.cookies() == []
    assert page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 0]

    follow(page, labels.START)
    passphrase = page.locator(".words").inner_text()
    press(page, labels.WRITTEN_DOWN)
    fill(page, labels.PASSPHRASE, passphrase)
    press(page, labels.OPEN)
    fill(page, labels.MESSAGE, "The signpost said that I can talk first.")
    press(page, labels.SEND)
    sees(page, "page", "mailbox/received")

    told = [request.all_headers().get("referer", "") for request in requests]
    assert len(told) > 12
    assert [referrer for referrer in told if "/s/" in referrer] == []


def test_whoever_has_a_mailbox_open_finds_the_way_back_to_it(visit: Visit, source_url: str) -> None:
    page = visit().new_page()
    page.goto(f"{source_url}/en/begin")
    passphrase = page.locator(".words").inner_text()
    press(page, labels.WRITTEN_DOWN)
    fill(page, labels.PASSPHRASE, passphrase)
    press(page, labels.OPEN)

    page.goto(f"{source_url}/en/s/38")
    follow(page, labels.RETURN)

    sees(page, "page", "mailbox/thread")
    press(page, labels.LOG_OUT)
