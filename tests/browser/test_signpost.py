"""A visitor goes from the signpost's first question to a mailbox: no JavaScript, no mouse, no traces."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Request

from source_app.signpost import decision_tree
from tests import source_labels as labels
from tests.browser.keyboard import fill, follow, press
from tests.browser.user_actions import sees, sees_heading

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]


def test_from_the_signpost_to_the_mailbox(visit: Visit, source_url: str) -> None:
    english, dutch = (decision_tree.load(("en", "nl"))[lang] for lang in ("en", "nl"))
    questions = {each.number: each for each in english.question}
    first = questions[english.first]
    second = questions[first.answers[0].to]
    third = questions[second.answers[0].to]
    (outcome_shown,) = [each for each in english.outcome if each.number == third.answers[3].to]
    context = visit()
    page = context.new_page()
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108  # playwright sets an attribute on the handler

    page.goto(source_url)
    follow(page, labels.WHICH_WAY)
    sees_heading(page, first.text)
    titles = {page.title()}
    follow(page, first.answers[0].text)
    sees_heading(page, second.text)
    titles.add(page.title())
    follow(page, labels.PREVIOUS)
    sees_heading(page, first.text)
    follow(page, first.answers[0].text)
    follow(page, second.answers[0].text)
    sees_heading(page, third.text)
    titles.add(page.title())
    follow(page, third.answers[3].text)
    for route in outcome_shown.routes:
        sees_heading(page, english.route[route].name)
    titles.add(page.title())
    assert titles == {"Info"}
    outcome = page.url
    follow(page, "Nederlands")
    sees_heading(page, dutch.route[outcome_shown.routes[0]].name)
    follow(page, "English")
    assert outcome == page.url
    assert context.cookies() == []
    assert page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 0]

    follow(page, labels.START)
    passphrase = page.locator(".words").inner_text()
    fill(page, labels.FROM_PAPER, passphrase)
    press(page, labels.OPEN)
    fill(page, labels.MESSAGE, "The signpost said that I can talk first.")
    press(page, labels.SEND)
    sees(page, "page", "mailbox/received")

    referrers = [request.all_headers().get("referer", "") for request in requests]
    assert len(referrers) > 12
    assert [referrer for referrer in referrers if "/s/" in referrer] == []


def test_the_signpost_links_back_to_the_open_mailbox(visit: Visit, source_url: str) -> None:
    page = visit().new_page()
    page.goto(f"{source_url}/en/begin")
    passphrase = page.locator(".words").inner_text()
    fill(page, labels.FROM_PAPER, passphrase)
    press(page, labels.OPEN)

    page.goto(f"{source_url}/en/s/38")
    follow(page, labels.RETURN)

    sees(page, "page", "mailbox/thread")
    press(page, labels.LOG_OUT)
