"""Direction of typed texts in a browser: each line of a text begins at its own side."""

from collections.abc import Callable
from html import escape
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

import journalist_app
import source_app

pytestmark = pytest.mark.slow

_LINES = ["Hello", "\u0645\u0631\u062d\u0628\u0627\u060c 1234 (ABC).", "bye", "(1) \u0633\u0644\u0627\u0645"]
# The side at which each line of the first text node, or of the nodes between `br`, touches its box.
_SIDES = """box => {
    const sides = [], room = box.getBoundingClientRect();
    const words = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
    while (words.nextNode()) {
        let at = 0;
        for (const line of words.currentNode.data.split("\\n")) {
            const range = document.createRange();
            range.setStart(words.currentNode, at);
            range.setEnd(words.currentNode, at + line.length);
            at += line.length + 1;
            const place = range.getBoundingClientRect();
            sides.push(place.left - room.left < room.right - place.right ? "left" : "right");
        }
    }
    return sides;
}"""


@pytest.mark.parametrize("app", [source_app, journalist_app])
@pytest.mark.parametrize("line_end", ["\n", "<br>"])
def test_each_line_begins_at_its_own_side(
    visit: Callable[..., BrowserContext], app: object, line_end: str
) -> None:
    style = (Path(str(app.__file__)).parent / "static" / "style.css").read_text("utf-8")  # type: ignore[attr-defined]
    text = line_end.join(map(escape, _LINES))
    page = visit(javascript=True).new_page()

    page.set_content(
        f'<style>{style}</style><main dir="ltr"><div class="text" dir="auto">{text}</div></main>'
    )

    assert page.locator(".text").evaluate(_SIDES) == ["left", "right", "left", "right"]
