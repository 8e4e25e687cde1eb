"""Every page for sources in every state: axe-core finds nothing, and each look and browser shows all."""

import itertools
import re
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from playwright.sync_api import BrowserContext

import source_app
from deploy.serving.try_again_page import try_again_page
from tests.browser.accessible.damaged_pages import damaged_pages
from tests.browser.accessible.inspector import Inspector
from tests.browser.accessible.proposal_pages import proposal_pages
from tests.browser.accessible.rarer_pages import rarer_pages
from tests.browser.accessible.refused_pages import refused_pages
from tests.source_app.desks import make_desk
from tests.source_app.views.test_public_pages import mailbox_pages, open_pages
from web.languages import known_languages

pytestmark = pytest.mark.slow

_APP = Path(source_app.__file__).parent
_STYLE = (_APP / "static" / "style.css").read_text("utf-8")
_LAZY = {"lazy_gettext": None, "lazy_ngettext": (1, 2)}
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
_LINE_CHARS = 10_000  # only a text of a source is longer
# Sentences on none of these pages, each with its reason.
_ELSEWHERE = {"The words are in %(language)s.": "only if the words are in another language"}
_PLAIN_TEXT = "views/error_pages.py"  # the page for a wrong address is not HTML
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
    found = dict(
        itertools.chain(
            common, rarer_pages(desk), refused_pages(desk), proposal_pages(desk), damaged_pages(desk)
        )
    )
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
    assert inspector.pages > 135


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


def test_every_sentence_of_the_site_is_on_one_of_these_pages(pages: dict[str, str]) -> None:
    """Fault: sentences of rare states were on no page that a test showed to axe-core or to a text browser."""
    lines = {line.strip() for html in pages.values() for line in unescape(html).splitlines()}
    shown = "\n".join(line for line in lines if len(line) < _LINE_CHARS)
    files = [("templates/**.html", "jinja2"), ("**.py", "python")]
    found = extract_from_dir(_APP, files, keywords=DEFAULT_KEYWORDS | _LAZY)
    sentences = {
        forms if isinstance(forms, tuple) else (forms,) for name, _, forms, *_ in found if name != _PLAIN_TEXT
    }

    missing = {forms[0] for forms in sentences if not any(_is_on(shown, form) for form in forms)}

    assert len(sentences) > 600
    assert missing == set(_ELSEWHERE)


def _is_on(shown: str, sentence: str) -> bool:
    parts = _PLACEHOLDER.split(sentence)
    if not all(part in shown for part in parts):
        return False
    return re.search(r"(?<!\w)" + "[^\n]{0,300}?".join(map(re.escape, parts)) + r"(?!\w)", shown) is not None
