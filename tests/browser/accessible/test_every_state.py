"""Every page for sources in every state: axe-core finds nothing, and each look and browser shows all."""

import itertools
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

import source_app
from deploy.serving.try_again_page import try_again_page
from tests.browser.accessible.inspector import Inspector
from tests.browser.accessible.rarer_pages import rarer_pages
from tests.browser.accessible.refused_pages import refused_pages
from tests.source_app.desks import make_desk
from tests.source_app.views.test_public_pages import mailbox_pages, open_pages
from web.languages import known_languages

pytestmark = pytest.mark.slow

_STYLE = (Path(source_app.__file__).parent / "static" / "style.css").read_text("utf-8")
_WORDS = """() => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    return document.querySelector("main").innerText;
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the HTML of every page in every state, with the stylesheet in the page."""
    desk = make_desk(
        tmp_path_factory.mktemp("pages"), languages=known_languages(), onion_host=f"{'a' * 56}.onion"
    )
    common = itertools.chain(open_pages(desk.browser(), "en"), mailbox_pages(desk, "en"))
    found = dict(itertools.chain(common, rarer_pages(desk), refused_pages(desk)))
    desk.store.close()
    style = f"<style>{_STYLE}</style>"
    return {
        name: re.sub(r'<link rel="stylesheet"[^>]*>', lambda _: style, page.text)
        for name, page in found.items()
    } | {"of a reverse proxy, while the site does not run": try_again_page()}


def test_axe_finds_nothing_in_any_state_and_every_look_shows_all(
    pages: dict[str, str], visit: Callable[..., BrowserContext], axe: str
) -> None:
    inspector = Inspector(axe)
    page = visit(javascript=True).new_page()

    for name, html in pages.items():
        page.set_content(html)
        inspector.check(page, name)

    assert inspector.faults == []
    assert inspector.pages > 115


def test_a_text_browser_shows_every_word_of_every_state(
    pages: dict[str, str], visit: Callable[..., BrowserContext]
) -> None:
    page = visit(javascript=True).new_page()
    missing = {}
    for name, html in pages.items():
        page.set_content(html)
        words = re.findall(r"\w+", page.evaluate(_WORDS).lower())
        command = ["w3m", "-dump", "-T", "text/html", "-I", "UTF-8", "-O", "UTF-8", "-cols", "60"]
        shown = subprocess.run(command, input=html, capture_output=True, text=True, check=True).stdout
        missing[name] = set(words) - set(re.findall(r"\w+", shown.lower()))

    assert {name: words for name, words in missing.items() if words} == {}
