"""Two years of mailboxes become yearly reports, which everyone can read on the source interface."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from bench import desk_servers
from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from journalist_app.services.whole_desk import publish_letterhead
from journalist_app.services.whole_desk.unlocking import unlock_desk as unlock_keyring
from protocol.letterhead import Letterhead
from store.database.engine import open_store
from store.letterheads import latest
from tests.browser.keyboard import fetch, fill, follow, send, tick
from tests.browser.user_actions import unlock
from tests.journalist_app import desk_factories
from tests.journalist_app.services.whole_desk.synthetic_years import fill as fill_year
from web.languages import known_languages

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]

LAST_YEAR = datetime.now(UTC).year - 1
YEARS = {LAST_YEAR - 1: 30, LAST_YEAR: 400}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> desk_servers.Desk:
    """Create a desk with several years of mailboxes."""
    made = desk_servers.set_up(tmp_path_factory.mktemp("servers") / "var")
    config = load_config(made.settings, "adviser", AdviserConfig)
    store = open_store(config.store_path)
    opened = unlock_keyring(config, store, made.passphrase)
    with_early_start = tuple(
        msgspec.structs.replace(strand, since=date(2020, 1, 1)) for strand in opened.letterhead.strands
    )
    with store.writing() as session:
        successor = publish_letterhead.sign_next_letterhead(opened, session, strands=with_early_start)
    publish_letterhead.use_letterhead(opened, successor)
    years = desk_factories.World(config, opened.keyring, successor, store)
    for year, mailboxes in YEARS.items():
        fill_year(years, opened, year, mailboxes, seed=mailboxes)
    opened.save()
    store.close()
    return made


@pytest.fixture(scope="module")
def adviser_url(desk: desk_servers.Desk) -> Iterator[str]:
    with desk_servers.serving(desk, "adviser") as server:
        yield f"http://{server.host}:{server.port}"


@pytest.fixture
def refused_by_policy(visit: Visit) -> tuple[BrowserContext, list[str]]:
    """Return a browser, and the list of the errors that our own content security policy caused in it."""
    context = visit()
    errors: list[str] = []

    def collect(message: ConsoleMessage) -> None:
        # Our pages have an empty icon, so that browsers request none. Chromium reports that it is not shown.
        if message.type == "error" and "'data:,'" not in message.text:
            errors.append(message.text)

    context.on("console", collect)
    return context, errors


def _shows_charts_and_tables(page: Page) -> None:
    charts, tables = page.locator("svg"), page.locator("table")
    assert 0 < charts.count() <= tables.count()
    for chart in charts.all():
        expect(chart).to_be_visible()
        assert chart.get_attribute("role") == "img"
    for table in tables.all():
        expect(table).to_be_visible()
    # The style sheet inside the page is applied: without it the first bar would be black.
    bar = charts.first.locator("rect").first
    assert "rgb(0, 0, 0)" != bar.evaluate("it => getComputedStyle(it).fill")


def _publish(page: Page, year: int) -> None:
    follow(page, page.locator('nav a[href="/reports"]'))
    follow(page, str(year))
    fill(page, page.locator("#nl"), f"Wat ons in {year} werd voorgelegd.")
    fill(page, page.locator("#en"), f"What was put before us in {year}.")
    send(page, f"/reports/{year}/words")
    for audience in ("public", "sg"):
        follow(page, page.locator(f'a[href$="/{audience}-en.html"]'))
        expect(page.get_by_text(f"What was put before us in {year}.")).to_be_visible()
        _shows_charts_and_tables(page)
        page.go_back()
    tick(page, page.locator('form[action$="/publish"] input[type=checkbox]'))
    send(page, f"/reports/{year}/publish")
    expect(page.locator("[data-news=published]")).to_be_visible()


def _name_of_link(page: Page, ending: str) -> str:
    """Return the text of the only link whose address has this ending."""
    return page.locator(f'a[href$="{ending}"]').inner_text()


def _signed(desk: desk_servers.Desk) -> dict[str, bytes]:
    store = open_store(desk.path("source", "store_path"))
    with store.reading() as session:
        newest = latest(session)
    store.close()
    assert newest is not None
    return {report.title: report.sha256 for report in Letterhead.from_bytes(newest[1]).reports}


def test_reports_are_published_and_appear_on_the_site(
    desk: desk_servers.Desk,
    adviser_url: str,
    refused_by_policy: tuple[BrowserContext, list[str]],
    tmp_path: Path,
) -> None:
    context, refused = refused_by_policy
    adviser = context.new_page()
    unlock(adviser, adviser_url, desk.passphrase)
    for year in YEARS:
        _publish(adviser, year)
    signed = _signed(desk)
    # Three files in each language of the desk, and the encrypted counts.
    assert len(signed) == (3 * len(known_languages()) + 1) * len(YEARS)

    # Started now: a running source interface only checks for a new letterhead once a minute
    # (tests/deploy/test_newer_letterhead.py).
    with desk_servers.serving(desk, "source") as server:
        url = f"http://{server.host}:{server.port}"
        introductions = {
            "en": "What was put before us in {year}.",
            "nl": "Wat ons in {year} werd voorgelegd.",
        }
        page = context.new_page()
        for language, introduction in introductions.items():
            page.goto(f"{url}/{language}/")
            follow(page, _name_of_link(page, f"/{language}/reports"))
            for year in YEARS:
                html, pdf, csv = (
                    _name_of_link(page, f"report-{year}-{language}.{kind}") for kind in ("html", "pdf", "csv")
                )
                assert len({html, pdf, csv}) == 3
                follow(page, html)
                expect(page.get_by_text(introduction.format(year=year))).to_be_visible()
                assert language == page.locator("html").get_attribute("lang")
                _shows_charts_and_tables(page)
                page.go_back()
                for kind, name in (("pdf", pdf), ("csv", csv)):
                    whole = fetch(page, name, tmp_path / kind)
                    assert signed[f"report-{year}-{language}.{kind}"] == hashlib.sha256(whole).digest()
    assert [] == refused
