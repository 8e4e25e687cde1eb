"""Rules for the templates and the stylesheet: what they may never contain."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_APP = Path(__file__).parents[2] / "source_app"
_TEMPLATES = sorted((_APP / "templates").rglob("*.html"))
_STYLE = _APP / "static" / "style.css"
_PAGES = [path for path in _TEMPLATES if not path.name.startswith("_") and path.name != "base.html"]
_FORBIDDEN = {
    "markup that is trusted": re.compile(r"\|\s*safe\b|Markup|autoescape"),
    "an inline style": re.compile(r"<style|\sstyle="),
    "a script": re.compile(r"<script|\son[a-z]+=|javascript:"),
    "something from elsewhere": re.compile(r"https?://|src=|@import|(?<!_)\burl\("),
    "a request that a browser makes by itself": re.compile(r'http-equiv|rel="(preload|prefetch|preconnect)'),
    "a password field": re.compile(r'type="password"|current-password|new-password'),
}


def _names(paths: list[Path]) -> list[str]:
    return [path.relative_to(_APP).as_posix() for path in paths]


@pytest.mark.parametrize("path", [*_TEMPLATES, _STYLE], ids=_names([*_TEMPLATES, _STYLE]))
@pytest.mark.parametrize("what", _FORBIDDEN)
def test_nothing_forbidden_is_in_a_template(path: Path, what: str) -> None:
    text = path.read_text("utf-8")

    assert not _FORBIDDEN[what].search(text)


@pytest.mark.parametrize("path", _TEMPLATES, ids=_names(_TEMPLATES))
def test_a_template_compiles(path: Path) -> None:
    house = Environment(
        loader=FileSystemLoader(_APP / "templates"),
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
        autoescape=True,
    )
    house.filters.update(dateformat=str, numberformat=str)

    assert house.get_template(path.relative_to(_APP / "templates").as_posix())


@pytest.mark.parametrize("path", _PAGES, ids=_names(_PAGES))
def test_a_page_has_a_title_one_heading_and_itself_in_the_other_language(path: Path) -> None:
    text = path.read_text("utf-8")

    assert text.count("{% block title %}") == 1
    assert text.count("{% block elsewhere %}") == 1
    assert len(re.findall(r"<h1[ >]", text)) == 1


def test_the_stylesheet_stays_small_and_styles_no_id() -> None:
    style = _STYLE.read_text("utf-8")

    assert len(style.splitlines()) < 400
    assert not re.search(r"^[^{}/]*#[a-z][\w-]*\s*[{,]", style, re.MULTILINE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(scheme: str) -> None:
    """Contrast of 7 for text, and 4.5 for buttons and links. Source: WCAG 2.2, 1.4.3 and 1.4.6."""
    found = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+);", block))
        for block in re.findall(r":root \{(.*?)\}", _STYLE.read_text("utf-8"), re.DOTALL)
    ]
    colours = found[0] if scheme == "light" else found[0] | found[1]

    for ground in ("paper", "sheet", "tint", "care-tint"):
        assert _contrast(colours["ink"], colours[ground]) >= 7
        assert _contrast(colours["soft-ink"], colours[ground]) >= 7
        assert _contrast(colours["accent"], colours[ground]) >= 4.5
    assert _contrast(colours["care"], colours["care-tint"]) >= 4.5
    assert _contrast(colours["care"], colours["paper"]) >= 4.5
    assert _contrast(colours["on-accent"], colours["accent"]) >= 7
    assert _contrast(colours["line"], colours["sheet"]) >= 3


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
