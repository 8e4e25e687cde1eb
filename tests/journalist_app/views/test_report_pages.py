import re

import msgspec
import pytest

from journalist_app import create_adviser_app
from journalist_app.desk.casefile import Casefile
from journalist_app.services.whole_desk import report_records
from journalist_app.services.whole_desk.unlocking import unlock_desk
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_source, publish
from tests.journalist_app.services.whole_desk.test_yearly_report import DAY, LAST_YEAR, leave_tallies
from tests.journalist_app.views.test_views import AdviserBrowser, token
from tests.pages import hooks
from tests.store.factories import rows

PAGE = f"/reports/{LAST_YEAR}"


@pytest.fixture
def browser(world: World) -> AdviserBrowser:
    app = create_adviser_app(world.config, world.store, end_worker=lambda: None, today=lambda: TODAY)
    browser = AdviserBrowser(app, [])
    browser.unlock()
    return browser


def digest(browser: AdviserBrowser) -> str:
    found = re.search(r'name="digest" value="(\w+)"', browser.get(PAGE).text)
    assert found is not None
    return found[1]


def publishing(browser: AdviserBrowser, **other: str) -> dict[str, object]:
    page = browser.get(PAGE)
    return {
        "token": token(page, f"{PAGE}/publish"),
        "digest": digest(browser),
        "unrecognisable": "yes",
        **other,
    }


def test_a_year_is_looked_at_worded_and_published_once(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world, day=DAY)
    source.writes("vraag", day=DAY)
    assert f'href="{PAGE}"' in browser.get("/reports").text
    page = browser.get(PAGE)
    assert hooks(page.text, "unread") == ["1"]
    assert hooks(browser.get("/reports").text, "hint") == ["slow_count"]
    assert hooks(page.text, "hint") == ["slow_files"]
    words = {"token": token(page, f"{PAGE}/words"), "nl": "Wat wij hoorden.", "en": "What we heard."}
    assert browser.post(f"{PAGE}/words", words).status_code == 303
    assert "What we heard." in browser.get(f"{PAGE}/public-en.html").text

    assert browser.post(f"{PAGE}/publish", publishing(browser)).status_code == 303
    after = browser.get(PAGE).text
    assert hooks(after, "news") == ["published"]
    assert f'action="{PAGE}/publish"' not in after
    again = browser.post(f"{PAGE}/words", words)
    assert (409, ["published"]) == (again.status_code, hooks(again.text, "refusal"))


def test_publishing_asks_for_a_reading_first(browser: AdviserBrowser) -> None:
    answer = browser.post(f"{PAGE}/publish", publishing(browser, unrecognisable=""))
    assert (422, ["unrecognisable"]) == (answer.status_code, hooks(answer.text, "refusal"))


def test_figures_that_were_not_looked_at_are_not_published(browser: AdviserBrowser) -> None:
    answer = browser.post(f"{PAGE}/publish", publishing(browser, digest="00"))
    assert (409, ["changed"]) == (answer.status_code, hooks(answer.text, "refusal"))


@pytest.mark.parametrize("action", ["words", "publish"])
def test_a_form_without_its_token_keeps_the_text_on_the_page_and_changes_nothing(
    world: World, browser: AdviserBrowser, action: str
) -> None:
    answer = browser.post(
        f"{PAGE}/{action}", {"token": "x", "nl": "mijn tekst", "en": "", "unrecognisable": "yes"}
    )
    assert 403 == answer.status_code
    assert (action == "words") == ("mijn tekst" in answer.text)
    desk = unlock_desk(world.config, world.store, PASSPHRASE)
    assert {} == report_records.read_words_record(desk, LAST_YEAR)[1]
    assert () == report_records.published_years(desk)


def test_a_text_that_is_refused_comes_back(browser: AdviserBrowser) -> None:
    page = browser.get(PAGE)
    words = {"token": token(page, f"{PAGE}/words"), "nl": "begin" + "x" * 20_000, "en": ""}
    answer = browser.post(f"{PAGE}/words", words)
    assert (409, True) == (answer.status_code, "beginxx" in answer.text)


def test_files_come_under_a_policy_that_runs_nothing(browser: AdviserBrowser) -> None:
    page, paper = browser.get(f"{PAGE}/sg-nl.html"), browser.get(f"{PAGE}/public-nl.pdf")
    assert "default-src 'none'; style-src 'unsafe-inline'; sandbox" in page.headers["Content-Security-Policy"]
    assert "attachment" in paper.headers["Content-Disposition"]
    assert paper.data.startswith(b"%PDF")
    assert "text/csv" in browser.get(f"{PAGE}/sg-en.csv").headers["Content-Type"]


def test_last_year_is_listed_also_without_mailboxes(browser: AdviserBrowser) -> None:
    assert f'href="{PAGE}"' in browser.get("/reports").text
    assert browser.get("/reports/1999").status_code == 404
    assert hooks(browser.get(PAGE).text, "news") == ["empty_year"]


def test_frozen_counts_that_were_taken_away_are_told(world: World, browser: AdviserBrowser) -> None:
    browser.post(f"{PAGE}/publish", publishing(browser))
    world.execute("DELETE FROM record")
    for path in (PAGE, f"{PAGE}/sg-nl.html"):
        answer = browser.get(path)
        assert (409, ["record_unsound"]) == (answer.status_code, hooks(answer.text, "refusal"))


def test_a_year_in_the_ledger_alone_is_listed(world: World, browser: AdviserBrowser) -> None:
    leave_tallies(world, Casefile(first_message=DAY))
    assert 8 == rows(world.store, "ledger_tally")
    assert f'href="{PAGE}"' in browser.get("/reports").text


def test_a_mailbox_that_a_retired_workstation_counted_is_told_before_publishing(world: World) -> None:
    leave_tallies(world, Casefile(first_message=DAY))
    (strand,) = world.letterhead.strands
    used = msgspec.structs.replace(strand, id=b"desk-new", verify_key=bytes(32))
    old = msgspec.structs.replace(strand, until=TODAY)
    world.letterhead = world.letterhead.successor(strands=(used, old))
    publish(world.store, world.keyring, world.letterhead)
    app = create_adviser_app(world.config, world.store, end_worker=lambda: None, today=lambda: TODAY)
    browser = AdviserBrowser(app, [])
    browser.unlock()
    assert hooks(browser.get(PAGE).text, "by-retired") == ["1"]
