"""Pages to close many mailboxes as spam: choose, look, tick, confirm, follow. All without JavaScript."""

import re
import threading

import pytest
from werkzeug.test import TestResponse

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.closing import close_spam
from tests.journalist_app import desk_readers
from tests.journalist_app.desk_factories import ASource, World, a_source
from tests.journalist_app.views.test_views import AdviserBrowser, a_browser, settle, token
from tests.pages import hooks

_JUNK = "Koop vandaag de beste horloges ter wereld in onze winkel, aanbieding nummer"


@pytest.fixture
def junk(world: World) -> list[ASource]:
    sources = [a_source(world) for _ in range(5)]
    for number, each in enumerate(sources):
        each.writes(f"{_JUNK} {number}" if number else "<b>Is dit een vraag?</b>")
    return sources


@pytest.fixture
def browser(world: World, junk: list[ASource]) -> AdviserBrowser:  # noqa: ARG001  # the store is filled first
    made = a_browser(world)
    made.unlock()
    settle(made)
    desk_readers.begin(open_desk(made))
    assert desk_readers.wait_until_whole(open_desk(made).index).is_whole
    return made


def open_desk(browser: AdviserBrowser) -> OpenDesk:
    desk: OpenDesk = browser.app.extensions["auto_lock"]._desk
    return desk


def settle_closing() -> None:
    for thread in threading.enumerate():
        if thread.name == "closing":
            thread.join()


def fields(page: TestResponse, action: str) -> dict[str, object]:
    """Return the hidden fields of the form with this action."""
    form = re.search(rf'action="{action}">(.*?)</form>', page.text, re.DOTALL)
    assert form is not None
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w*)">', form[1]))


def chosen(browser: AdviserBrowser, **wanted: object) -> TestResponse:
    """Submit the form with the days and sizes, and return the first page of the list."""
    page = browser.get("/spam")
    answer = browser.post("/spam", {"token": token(page, "/spam"), **wanted})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/spam/list")
    return browser.get("/spam/list")


def test_an_adviser_closes_a_flood_and_keeps_a_question(browser: AdviserBrowser, junk: list[ASource]) -> None:
    listed = chosen(browser)
    assert "&lt;b&gt;Is dit een vraag?&lt;/b&gt;" in listed.text
    assert sorted(hooks(listed.text, "mailbox")) == sorted(each.address for each in junk)

    submitted = browser.post("/spam/list", {**fields(listed, "/spam/list"), "keep": junk[0].address})
    assert (submitted.status_code, submitted.headers["Location"]) == (303, "/spam/confirm")
    question = browser.get("/spam/confirm")
    assert hooks(question.text, "chosen") == ["4"]
    assert [each.reads().transcript.entries[-1].envelope.due for each in junk] == [None] * 5
    confirmed = browser.post("/spam/confirm", fields(question, "/spam/confirm"))
    settle_closing()

    assert (confirmed.status_code, confirmed.headers["Location"]) == (303, "/spam")
    result = browser.get("/spam")
    assert (hooks(result.text, "closed"), hooks(result.text, "kept")) == (["4"], [])
    closed = [each.reads().transcript.entries[-1].envelope.due is not None for each in junk]
    assert closed == [False, True, True, True, True]


def test_the_inbox_leads_to_the_page_when_many_mailboxes_wait(world: World, browser: AdviserBrowser) -> None:
    assert 'href="/spam"' not in browser.get("/inbox").text
    for _ in range(25):
        a_source(world).writes("nog een")

    assert 'href="/spam"' in browser.get("/inbox?page=2").text


def test_a_text_that_is_repeated_is_on_the_page_once(world: World, browser: AdviserBrowser) -> None:
    twins = [a_source(world) for _ in range(3)]
    for twin in twins:
        twin.writes("Een heel lange tekst. " * 20)
    desk_readers.begin(open_desk(browser))
    assert desk_readers.wait_until_whole(open_desk(browser).index).is_whole

    listed = chosen(browser, least="400")
    assert len(hooks(listed.text, "mailbox")) == 3
    assert listed.text.count("Een heel lange tekst. " * 20) == 1


def test_a_group_of_texts_is_chosen_with_one_button(browser: AdviserBrowser, junk: list[ASource]) -> None:
    page = browser.get("/spam")
    assert hooks(page.text, "group") == ["4"]
    browser.post("/spam", fields(page, "/spam"))

    listed = browser.get("/spam/list")
    assert sorted(hooks(listed.text, "mailbox")) == sorted(each.address for each in junk[1:])


def test_every_mailbox_of_a_full_page_can_be_ticked(browser: AdviserBrowser, junk: list[ASource]) -> None:
    listed = chosen(browser)
    ticked = [each.address for each in junk] + [
        f"{number:040x}" for number in range(close_spam.PAGE_ROWS - 5)
    ]

    assert browser.post("/spam/list", {**fields(listed, "/spam/list"), "keep": ticked}).status_code == 303
    assert hooks(browser.get("/spam/confirm").text, "chosen") == ["0"]


def test_a_list_of_several_pages_can_be_stopped_early(
    browser: AdviserBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(close_spam, "PAGE_ROWS", 2)
    first = chosen(browser)
    moved = browser.post("/spam/list", fields(first, "/spam/list"))
    assert moved.headers["Location"] == "/spam/list?start=2"
    second = browser.get("/spam/list?start=2")
    stopped = browser.post("/spam/list", {**fields(second, "/spam/list"), "last": "1"})

    assert stopped.headers["Location"] == "/spam/confirm"
    assert hooks(browser.get("/spam/confirm").text, "chosen") == ["4"]
    assert hooks(browser.get("/spam/list?start=99").text, "empty") == ["spam"]


@pytest.mark.parametrize(
    "wanted", [{"first": "yesterday"}, {"last": "2026-02-31"}, {"least": "many"}, {"most": "1e3"}]
)
def test_a_field_that_is_no_day_or_number_is_told(browser: AdviserBrowser, wanted: dict[str, object]) -> None:
    page = browser.post("/spam", {"token": token(browser.get("/spam"), "/spam"), **wanted})

    assert (page.status_code, hooks(page.text, "refusal")) == (422, ["filter"])
    assert next(iter(wanted.values())) in page.text


def test_a_page_of_an_older_list_is_shown_again(browser: AdviserBrowser) -> None:
    older = fields(chosen(browser), "/spam/list")
    chosen(browser, least="1")

    assert browser.post("/spam/list", older).headers["Location"] == "/spam/list?start=0"
    assert hooks(browser.get("/spam/confirm").text, "chosen") == ["0"]


def test_a_confirmation_of_other_mailboxes_closes_nothing(
    browser: AdviserBrowser, junk: list[ASource]
) -> None:
    listed = chosen(browser)
    browser.post("/spam/list", fields(listed, "/spam/list"))
    older = fields(browser.get("/spam/confirm"), "/spam/confirm")
    browser.post("/spam/list", {**fields(listed, "/spam/list"), "keep": junk[0].address})

    assert browser.post("/spam/confirm", older).headers["Location"] == "/spam/confirm"
    settle_closing()
    assert [each.reads().transcript.entries[-1].envelope.due for each in junk] == [None] * 5


@pytest.mark.parametrize("path", ["/spam", "/spam/list", "/spam/confirm"])
def test_a_form_of_another_site_changes_nothing(browser: AdviserBrowser, path: str) -> None:
    chosen(browser)
    before = open_desk(browser).spam_choice

    assert browser.post(path, {"token": "0" * 64, "page": "1", "chosen": "1"}).status_code == 403
    assert open_desk(browser).spam_choice is before


def test_a_closing_is_done_once_and_followed_on_its_page(browser: AdviserBrowser) -> None:
    listed = fields(chosen(browser), "/spam/list")
    browser.post("/spam/list", listed)
    form = fields(browser.get("/spam/confirm"), "/spam/confirm")
    again = token(browser.get("/spam"), "/spam")
    choice = open_desk(browser).spam_choice
    choice.is_final = choice.is_busy = True  # as while another thread closes

    page = browser.get("/spam")
    assert "Refresh" in page.headers
    assert (hooks(page.text, "closed"), hooks(page.text, "group")) == (["0"], [])
    assert [] == hooks(browser.get("/spam/confirm").text, "chosen")
    assert browser.post("/spam/list", listed).headers["Location"] == "/spam/list?start=0"
    assert browser.post("/spam/confirm", form).headers["Location"] == "/spam/confirm"
    assert browser.post("/spam", {"token": again}).headers["Location"] == "/spam"
    assert open_desk(browser).spam_choice is choice
    settle_closing()
    assert choice.closed == 0


def test_mailboxes_that_stay_open_are_named_with_a_link(browser: AdviserBrowser, junk: list[ASource]) -> None:
    browser.post("/spam/list", fields(chosen(browser), "/spam/list"))
    junk[0].writes("nog iets")
    browser.post("/spam/confirm", fields(browser.get("/spam/confirm"), "/spam/confirm"))
    settle_closing()

    page = browser.get("/spam")
    assert (hooks(page.text, "closed"), hooks(page.text, "kept")) == (["4"], ["1"])
    assert f'href="/mailbox/{junk[0].address}"' in page.text


def test_the_lines_of_ended_mailboxes_are_removed_with_one_button(
    world: World, browser: AdviserBrowser
) -> None:
    for _ in range(7):
        source = a_source(world)
        source.writes("vraag")
        source.ends()
    page = browser.get("/inbox?state=closed")
    assert browser.post("/inbox/ended", {"token": "0" * 64}).status_code == 403

    removed = browser.post("/inbox/ended", {"token": token(page, "/inbox/ended")})
    settle_closing()

    assert removed.headers["Location"] == "/inbox?state=closed"
    assert 'action="/inbox/ended' in page.text
    assert 'action="/inbox/ended' not in browser.get("/inbox?state=closed").text
