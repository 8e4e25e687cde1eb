"""Pages in Arabic, in Dutch and in a text 40 % longer than English fit on narrow and wide screens."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

import source_app
from tests.source_app.desks import make_desk
from tests.source_app.languages.made_up_language import MADE_UP, a_made_up_language
from tests.source_app.views.test_public_pages import mailbox_pages, open_pages
from web.languages import known_languages

pytestmark = pytest.mark.slow

_WIDTHS = (320, 768, 1280)
_STYLE = (Path(source_app.__file__).parent / "static" / "style.css").read_text("utf-8")
# What is wider than the screen, and each button whose words do not fit into the button or the screen.
_FAULTS = """() => {
    const faults = [], root = document.documentElement, wide = root.clientWidth;
    if (root.scrollWidth > wide) faults.push(`scrolls to ${root.scrollWidth}`);
    for (const button of document.querySelectorAll("button, .button, .links a, .answers a, summary")) {
        const words = document.createRange();
        words.selectNodeContents(button);
        const [inner, outer] = [words.getBoundingClientRect(), button.getBoundingClientRect()];
        const is_clipped = inner.width > outer.width + 1 || inner.height > outer.height + 1;
        const is_outside = outer.left < -1 || outer.right > wide + 1;
        if (is_clipped || is_outside) faults.push(button.textContent.trim().slice(0, 40));
    }
    return faults;
}"""
# For each key, command and word of a passphrase: whether its first character is left of the second.
_ORDER = """() => [...document.querySelectorAll("pre code, .digest, .fingerprint, .words span")]
    .filter(box => box.textContent.length > 1 && box.checkVisibility()).map(box => {
        const [first, second] = [0, 1].map(at => {
            const character = document.createRange();
            character.setStart(box.firstChild, at);
            character.setEnd(box.firstChild, at + 1);
            return character.getBoundingClientRect().left;
        });
        return first < second;
    })"""


@pytest.fixture(scope="module", params=["ar", "nl", MADE_UP])
def pages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the HTML of every page in one language, with the stylesheet in the page."""
    lang, folder = request.param, tmp_path_factory.mktemp("pages")
    with a_made_up_language(folder / "languages", locale="en_IE") if lang == MADE_UP else nullcontext():
        desk = make_desk(folder, languages=known_languages(), onion_host=f"{'a' * 56}.onion")
        found = dict(open_pages(desk.browser(), lang)) | dict(mailbox_pages(desk, lang))
    desk.store.close()
    style = f"<style>{_STYLE}</style>"
    return {
        name: re.sub(r'<link rel="stylesheet"[^>]*>', lambda _: style, page.text)
        for name, page in found.items()
        if f'<html lang="{lang}"' in page.text
    }


def test_every_page_fits(pages: dict[str, str], visit: Callable[..., BrowserContext]) -> None:
    page: Page = visit(javascript=True).new_page()
    faults, orders = [], []
    for name, html in pages.items():
        page.set_content(html)
        for width in _WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            faults += [f"{name} at {width} px: {fault}" for fault in page.evaluate(_FAULTS)]
        orders += page.evaluate(_ORDER)

    assert len(orders) > 20
    assert all(orders)
    assert len(pages) > 40
    assert faults == []


def test_the_side_of_the_text_follows_the_language(
    pages: dict[str, str], visit: Callable[..., BrowserContext]
) -> None:
    page: Page = visit(javascript=True, width=1280).new_page()
    page.set_content(pages["mailbox, asked"])
    is_rtl = page.evaluate("document.documentElement.dir") == "rtl"
    heading = page.locator("h1").evaluate(
        """h1 => {
            const words = document.createRange();
            words.selectNodeContents(h1);
            const [inner, outer] = [words.getBoundingClientRect(), h1.getBoundingClientRect()];
            return outer.right - inner.right < inner.left - outer.left;
        }"""
    )

    assert heading is is_rtl
