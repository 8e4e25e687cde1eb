"""A source asks and gets advice: steps and read receipts on both sides, and the answer in another browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from bench import desk_servers
from tests.browser.keyboard import follow
from tests.browser.user_actions import (
    answer,
    come_back,
    open_newest,
    reload_until,
    sees,
    selector_of,
    start_mailbox,
    unlock,
    write,
)

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]


def test_from_a_message_to_advice_that_is_read_in_another_browser(
    visit: Visit, servers: desk_servers.DeskServers, source_url: str, adviser_url: str
) -> None:
    source = visit().new_page()
    passphrase = start_mailbox(source, source_url)
    write(source, "My chief wants my help with something that is not right.")
    now = source.locator("[aria-current=step]")
    expect(now.locator(selector_of("step", "received"))).to_be_visible()
    expect(now.locator("[data-expected]")).to_be_visible()
    sees(source, "seen", "not_yet")

    adviser = visit().new_page()
    unlock(adviser, adviser_url, servers.desk.passphrase)
    open_newest(adviser, adviser_url)
    expect(adviser.get_by_text("My chief wants my help")).to_be_visible()
    source.reload()
    reload_until(source, source.locator('[data-seen]:not([data-seen="not_yet"])').count)
    expect(now.locator(selector_of("step", "being_read"))).to_be_visible()

    answer(
        adviser,
        "You can talk to a confidential adviser, and you can write to me.",
        step="advice_given",
        own_words="I told you two ways.",
        next_="You choose one, or none.",
    )
    expect(adviser.locator("[data-read=unknown]").first).to_be_visible()
    expect(adviser.locator("[aria-current=step] [data-step=advice_given]")).to_be_visible()

    elsewhere = visit(width=320).new_page()
    come_back(elsewhere, source_url, passphrase)
    sees(elsewhere, "notice", "news")
    expect(elsewhere.get_by_text("You can talk to a confidential adviser")).to_be_visible()
    there = elsewhere.locator("[aria-current=step]")
    for words in ("I told you two ways.", "You choose one, or none."):
        expect(there).to_contain_text(words)
    expect(there.locator(selector_of("step", "advice_given"))).to_be_visible()
    expect(there.locator("[data-expected]")).to_be_visible()
    steps = elsewhere.locator(".thread-state li.done [data-step]").all()
    assert ["received", "being_read"] == [step.get_attribute("data-step") for step in steps[:2]]

    adviser.reload()
    reload_until(adviser, adviser.locator("[data-read]:not([data-read=unknown])").count)
    adviser.goto(f"{adviser_url}/inbox?state=answered&still=1")
    reload_until(adviser, adviser.locator(".row a.label").count)
    follow(adviser, adviser.locator(".row a.label").first.inner_text())
    expect(adviser.locator("[aria-current=step] [data-step=advice_given]")).to_be_visible()
