"""The checker axe-core finds no fault on any page of either app, light and dark, wide and at 320 px."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from bench import desk_servers
from journalist_app.desk.open_desk import SyncProgress
from tests.browser.accessible.inspector import LOOKS, Inspector
from tests.browser.paired_workstation import a_paired_workstation

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]
# The faults of a page in Dutch are those of the same page in English, but for a text that is missing.
_LOOKS = {"nl": LOOKS[:1], "en": LOOKS}


def _context(visit: Visit, language: str) -> BrowserContext:
    """Open a browser in which axe can run, although our pages allow no scripts."""
    return visit(language=language, javascript=True)


def test_axe_finds_nothing_on_the_first_pages_of_the_desk(
    visit: Visit, servers: desk_servers.DeskServers, source_url: str, adviser_url: str, axe: str
) -> None:
    inspector = Inspector(axe)
    page = _context(visit, "en").new_page()
    page.goto(f"{source_url}/en/begin")
    inspector.check(page)  # with the stylesheet as the server sends it
    page.locator("main textarea").fill(page.locator(".words").inner_text())
    page.locator("main form button").first.click()
    page.locator("main textarea").fill("Een bericht\nA message")
    page.locator("main form button").first.click()

    desk = _context(visit, "en").new_page()
    desk.goto(adviser_url)
    inspector.check(desk)
    desk.locator("input[type=password]").fill("wrong")
    desk.locator("main form button").click()
    inspector.check(desk)
    desk.locator("input[type=password]").fill(servers.desk.passphrase)
    desk.locator("main form button").click()
    desk.goto(f"{adviser_url}/inbox?still=1")  # without `still` the inbox could refresh itself while axe runs
    inspector.check(desk)
    desk.locator(".row .label").first.click()
    inspector.check(desk)
    desk.locator("form.answering > button").click()
    inspector.check(desk)  # empty: refused
    desk.locator("textarea#text").fill("Antwoord\nAnswer")
    desk.locator("form.answering > button").click()
    inspector.check(desk)
    for path in ("/inbox?state=answered", "/inbox?state=closed", "/inbox?q=zzz", "/about", "/no-such-page"):
        desk.goto(f"{adviser_url}{path}{'&still=1' if '?' in path else ''}")
        inspector.check(desk)

    page.goto(f"{source_url}/en/mailbox/end")
    page.locator("main input[type=checkbox]").check()
    page.locator("main form button").last.click()
    desk.goto(f"{adviser_url}/inbox?state=closed&still=1")
    inspector.check(desk)
    assert inspector.faults == []
    assert inspector.pages > 10


@pytest.mark.parametrize("language", ["nl", "en"])
def test_axe_finds_nothing_on_the_working_pages_of_the_desk(
    visit: Visit,
    servers: desk_servers.DeskServers,
    source_url: str,
    adviser_url: str,
    axe: str,
    language: str,
) -> None:
    inspector = Inspector(axe, _LOOKS[language])
    page = _context(visit, language).new_page()
    page.goto(f"{source_url}/{language}/begin")
    passphrase = page.locator(".words").inner_text()
    page.locator("main textarea").fill(passphrase)
    page.locator("main form button").first.click()
    page.locator("main textarea").fill("Een vraag\nA question")
    page.locator("#files").set_input_files([{"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"}])
    page.locator("main form button").first.click()
    mailbox = f"{source_url}/{language}/mailbox"

    desk = _context(visit, language).new_page()
    desk.goto(adviser_url)
    desk.locator("input[type=password]").fill(servers.desk.passphrase)
    desk.locator("main form button").click()
    for path in (
        "/calendar",
        "/about/texts",
        "/reply-templates",
        "/reply-templates?place=0",
        "/search",
        "/unsent",
        "/reports",
    ):
        desk.goto(adviser_url + path)
        inspector.check(desk)
    desk.goto(f"{adviser_url}/reports/{datetime.now(UTC).year - 1}")
    inspector.check(desk)

    # A new sheet and a new passphrase, up to a word that was not typed back.
    for what in ("sheet", "drawn", "typed"):
        desk.goto(f"{adviser_url}/keys")
        inspector.check(desk)
        desk.locator(f"input[value='{what}']").check()
        desk.locator("#holder").fill("Kluis 3")
        desk.locator("form:has(#holder) button").click()
        inspector.check(desk)
        for field in desk.locator("main input[type=password]").all():
            field.fill("fout")
        desk.locator("main form button").first.click()
        inspector.check(desk)  # refused

    # Closing of many mailboxes as spam, up to the last question.
    desk.goto(f"{adviser_url}/spam")
    while not desk.locator("#first").count():  # until the search processes have read the store
        desk.wait_for_timeout(200)
        desk.reload()
    inspector.check(desk)
    desk.locator("form.panel button").click()
    desk.locator("li.row summary").first.click()
    inspector.check(desk)
    desk.locator("form[action$='/list'] button").first.click()
    inspector.check(desk)

    desk.goto(f"{adviser_url}/inbox?still=1")
    desk.locator(".row.is-waiting .label").first.click()
    thread = desk.url

    desk.locator("[data-look]").first.click()
    desk.locator("[data-look=ready], [data-refusal]").wait_for()
    inspector.check(desk)
    desk.locator("[data-save]").click()
    inspector.check(desk)

    desk.goto(f"{thread}/casefile")
    inspector.check(desk)
    desk.locator("#note").fill("Een notitie")
    desk.locator("form", has=desk.locator("#note")).locator("button").click()
    inspector.check(desk)
    desk.goto(f"{adviser_url}/search")
    desk.locator("main input[type=search]").fill("vraag")
    desk.locator("main form button").click()
    inspector.check(desk)
    desk.goto(f"{thread}/close")
    inspector.check(desk)
    desk.locator("form.answering button").click()
    inspector.check(desk)  # no closing message: refused

    # A step with an answer, and a draft.
    desk.goto(thread)
    desk.locator("details.step-fields summary").click()
    desk.locator("#by").fill("2020-01-01")
    desk.locator("#step").select_option("advice_given")
    desk.locator("textarea#text").fill("Een raad")
    desk.locator("form.answering > button").click()
    inspector.check(desk)  # a date in the past: refused
    desk.locator("#by").fill("")
    desk.locator("button[value=keep]").click()
    inspector.check(desk)
    desk.locator("form.answering > button").click()
    inspector.check(desk)

    # A proposal: its form, refused, previewed, sent to the source, and answered.
    desk.goto(f"{thread}/propose")
    inspector.check(desk)
    desk.locator("form.answering button").click()
    inspector.check(desk)
    desk.locator("input[type=radio]").first.check()
    desk.locator("textarea#text").fill("De tekst")
    desk.locator("input[name=chosen]").check()
    desk.locator("form.answering button").click()
    inspector.check(desk)
    desk.locator("main form button").click()
    inspector.check(desk)
    page.goto(mailbox)
    inspector.check(page)
    page.locator("a[href*='/proposal']").first.click()
    inspector.check(page)
    page.locator("button[value=agreed]").click()
    inspector.check(page)  # not ticked: refused
    page.locator("main input[type=checkbox]").check()
    page.locator("button[value=agreed]").click()
    inspector.check(page)
    desk.goto(thread)
    desk.locator("a[href*='/proposal/']").first.click()
    proposal = desk.url
    inspector.check(desk)
    desk.locator("form[action$='/begin'] button").click()
    inspector.check(desk)
    with desk.expect_download() as made:
        desk.locator("form[action$='/make'] button").click()
    assert made.value.path().stat().st_size
    desk.goto(proposal)
    inspector.check(desk)
    desk.goto(f"{adviser_url}/evidence")
    inspector.check(desk)
    page.goto(mailbox)
    inspector.check(page)

    # Closed on both sides.
    desk.goto(f"{thread}/close")
    desk.locator("textarea#text").fill("Dag")
    desk.locator("form.answering button").click()
    inspector.check(desk)
    page.goto(mailbox)
    inspector.check(page)
    page.goto(f"{mailbox}/write")
    inspector.check(page)
    desk.goto(f"{adviser_url}/inbox?state=closed&still=1")
    inspector.check(desk)
    assert inspector.faults == []
    assert inspector.pages > 30


@pytest.mark.parametrize("language", ["nl", "en"])
def test_axe_finds_nothing_on_the_sync_page_of_a_workstation(
    visit: Visit, tmp_path: Path, axe: str, language: str
) -> None:
    inspector = Inspector(axe, _LOOKS[language])
    with a_paired_workstation(tmp_path / "paired") as paired:
        context = _context(visit, language)
        context.add_cookies([{"name": "adviser", "value": paired.unlocked_cookie, "url": paired.url}])
        page = context.new_page()
        page.goto(f"{paired.url}/sync")
        inspector.check(page)  # never synced yet
        paired.add_all_findings()
        for server, exchange in (
            ("unix:/nowhere", SyncProgress(is_running=True, left=3)),
            ("unix:/nowhere", SyncProgress(refusal="unreachable")),
            ("file", SyncProgress(received=0, arrival="PENDING", pending=1)),
        ):
            paired.set_server(server)
            paired.at.desk.exchange = exchange
            page.goto(f"{paired.url}/sync?still=1")
            inspector.check(page)
        page.goto(f"{paired.url}/inbox")
        inspector.check(page)

    assert inspector.faults == []
    assert inspector.pages == 5
