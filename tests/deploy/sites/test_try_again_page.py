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
    assert section.count("<p>") == 3
    assert f"<p>{language.translations.gettext(advice)}</p>" in section


def test_the_page_asks_for_nothing_more() -> None:
    """The site does not run, so a stylesheet or an icon would be another request without an answer."""
    assert re.findall(r'(?:href|src)="([^"]*)"', try_again_page()) == ["data:,"]
