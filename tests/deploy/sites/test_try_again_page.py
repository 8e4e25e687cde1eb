"""The page that a reverse proxy shows while the mailbox does not run."""

import re

import pytest

from deploy.serving.try_again_page import try_again_page
from web.languages import known_languages, read_language


@pytest.mark.parametrize("code", known_languages())
def test_a_visitor_reads_in_each_language_what_to_do(code: str) -> None:
    language = read_language(code)
    opening = f'<section lang="{code}" dir="{language.direction}">'

    (section,) = re.findall(rf"{opening}(.*?)</section>", try_again_page(), re.DOTALL)

    advice = (
        "Wait a few minutes and try again. Does this site still not work? Then talk to us in another way."
    )
    danger = "Are you in danger now?"
    assert section.count("<p>") == 4
    assert f"<p>{language.translations.gettext(advice)}</p>" in section
    assert f"<p>{language.translations.gettext(danger)} " in section
    assert "112" in section


def test_the_page_asks_for_nothing_more() -> None:
    """The site does not run, so a stylesheet or an icon would be another request without an answer."""
    assert re.findall(r'(?:href|src)="([^"]*)"', try_again_page()) == ["data:,"]


def test_the_title_begins_with_error() -> None:
    title = "<title>Error: Something went wrong on our side</title>"

    assert title in try_again_page()
