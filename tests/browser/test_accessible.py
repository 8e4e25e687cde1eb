"""The checker axe-core finds no fault on any page of either app, light and dark, wide and at 320 px."""

import hashlib
import subprocess
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from bench import desk_servers
from journalist_app.desk.open_desk import SyncProgress
from tests.browser.paired_workstation import a_paired_workstation

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]
_CACHE = Path(".cache")
_AXE = "axe-core-4.14.1.tgz"
_AXE_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
_ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_COLOURS = ["color-contrast", "link-in-text-block"]
# Every rule once. No width shows or hides anything, so a wide page differs only in its layout, and the dark
# scheme only in its colours. No language has its own layout or colours.
_LOOKS = {
    "nl": [("light", 320, _ALL)],
    "en": [
        ("light", 320, _ALL),
        ("light", 1000, [*_COLOURS, "target-size", "scrollable-region-focusable"]),
        ("dark", 320, _COLOURS),
    ],
}
# Only violations: most results of axe are passes, and transferring those takes longer than the check itself.
_RUN = """async runOnly => (await axe.run(document, {runOnly, resultTypes: ["violations"]})).violations.map(
    fault => `${fault.id} ${JSON.stringify(fault.nodes.map(node => node.target))}`
)"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fetch axe-core by name and version, and use it only if its SHA-256 is the one we chose."""
    kept = _CACHE / _AXE
    if not kept.exists():
        _CACHE.mkdir(exist_ok=True)
        folder = tmp_path_factory.mktemp("axe")
        subprocess.run(
            ["npm", "pack", "--silent", "axe-core@4.14.1"], cwd=folder, check=True, capture_output=True
        )
        (folder / _AXE).replace(kept)
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == _AXE_SHA256
    with tarfile.open(kept) as package:
        script = package.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


class Inspector:
    """Checker that runs axe on pages in every width and colour scheme, and collects the faults."""

    def __init__(self, axe: str, language: str) -> None:
        self._axe = axe
        self._looks = _LOOKS[language]
        self.pages = 0
        self.faults: list[str] = []

    def check(self, page: Page) -> None:
        self.pages += 1
        page.wait_for_load_state("load")  # before the stylesheet is loaded, the page is not what people see
        page.evaluate(self._axe)
        for scheme, width, rules in self._looks:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            found: list[str] = page.evaluate(_RUN, rules)
            view = f"{page.title()} {scheme} {width}"
            self.faults += [f"{view}: {fault}" for fault in found]
            if page.evaluate("() => document.documentElement.scrollWidth > window.innerWidth"):
                self.faults.append(f"{view}: wider than the screen")
        page.set_viewport_size({"width": 1000, "height": 900})


def _context(visit: Visit, language: str) -> BrowserContext:
    """Open a browser in which axe can run, although our pages allow no scripts."""
    return visit(language=language, javascript=True)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_axe_finds_nothing_on_any_page(
    visit: Visit,
    servers: desk_servers.DeskServers,
    source_url: str,
    adviser_url: str,
    axe: str,
    language: str,
) -> None:
    inspector = Inspector(axe, language)
    page = _context(visit, language).new_page()
    base = f"{source_url}/{language}"
    public_pages = ("/", "/help", "/privacy", "/limits", "/accessibility", "/seal", "/reports")
    for path in (*public_pages, "/s/47", "/s/38", "/s/83", "/log-in", "/no-such-page"):
        page.goto(base + path)
        inspector.check(page)
    page.locator("main form, body").first.wait_for()

    page.goto(f"{base}/log-in")
    page.locator("main textarea").fill("eerste tweede qzx")
    page.locator("main form button").click()
    inspector.check(page)

    page.goto(f"{base}/begin")
    passphrase = page.locator(".words").inner_text()
    inspector.check(page)
    page.locator("main textarea").fill("something else")
    page.locator("main form button").first.click()
    inspector.check(page)
    page.locator("main textarea").fill(passphrase)
    page.locator("main form button").first.click()
    inspector.check(page)  # write
    page.locator("main form button").first.click()
    inspector.check(page)  # empty: refused
    page.locator("main textarea").fill("Een bericht\nA message")
    page.locator("#files").set_input_files([{"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"}])
    page.locator("main form button").first.click()
    inspector.check(page)  # received
    page.goto(f"{base}/mailbox")
    inspector.check(page)

    desk = _context(visit, language).new_page()
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

    page.goto(f"{base}/mailbox")
    inspector.check(page)
    page.locator("a[href*='/delete/']").first.click()
    inspector.check(page)
    page.goto(f"{base}/mailbox/save")
    inspector.check(page)
    page.goto(f"{base}/mailbox/end")
    inspector.check(page)
    page.locator("main form button").last.click()
    inspector.check(page)  # not ticked
    page.locator("main input[type=checkbox]").check()
    page.locator("main form button").last.click()
    inspector.check(page)
    desk.goto(f"{adviser_url}/inbox?state=closed&still=1")
    inspector.check(desk)
    assert inspector.faults == []
    assert inspector.pages > 25


@pytest.mark.parametrize("language", ["nl", "en"])
def test_axe_finds_nothing_on_the_working_pages_of_the_desk(
    visit: Visit,
    servers: desk_servers.DeskServers,
    source_url: str,
    adviser_url: str,
    axe: str,
    language: str,
) -> None:
    inspector = Inspector(axe, language)
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
    inspector = Inspector(axe, language)
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
