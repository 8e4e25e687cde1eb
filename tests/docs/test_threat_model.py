"""Claims of docs/threat-model.md: each names an existing test, and the site shows sources the same limits."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.source_app.desks import ADesk, make_desk

_ROOT = Path(__file__).parents[2]
_DOCUMENT = (_ROOT / "docs" / "threat-model.md").read_text("utf-8")
_TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", _DOCUMENT)))
_LAST = re.compile(r"^## What this cannot do \((\d{4}-\d{2}-\d{2})\)\n(.*)\Z", re.MULTILINE | re.DOTALL)


class LimitsPage(HTMLParser):
    """Headings of a page, each with its first paragraph, and the dates on the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.days: list[str] = []
        self.limits: list[list[str]] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        is_first = tag == "p" and bool(self.limits) and len(self.limits[-1]) == 1
        if tag == "h2":
            self.limits.append([""])
        elif is_first:
            self.limits[-1].append("")
        if tag == "h2" or is_first:
            self._inside = tag
        if tag == "time":
            self.days.append(dict(attrs)["datetime"] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.limits[-1][-1] += data


def _last_section() -> tuple[str, list[list[str]]]:
    found = _LAST.search(_DOCUMENT)
    assert found
    day, section = found.groups()
    limits = [each.partition("\n") for each in section.split("\n### ")[1:]]
    return day, [[title, " ".join(text.split())] for title, _, text in limits]


@pytest.fixture
def site(tmp_path: Path) -> ADesk:
    return make_desk(tmp_path)


def test_every_test_that_the_threat_model_names_exists() -> None:
    assert len(_TESTS) > 50
    for named in _TESTS:
        path, _, test = named.partition("::")
        assert (_ROOT / path).is_file(), named
        assert not test or f"\ndef {test}(" in (_ROOT / path).read_text("utf-8"), named


def test_every_promise_and_every_attacker_has_a_claim_with_a_test() -> None:
    promises = re.findall(r"^\| ☐ \| (P[1-9]) .*`tests/", _DOCUMENT, re.MULTILINE)
    sections = re.split(r"^### ", _DOCUMENT.partition("## Attackers")[2], flags=re.MULTILINE)
    claims = re.findall(r"^\| ☐ \| (?!attack, and what stops it|promise).*$", _DOCUMENT, re.MULTILINE)
    attackers = [each for each in sections[1:] if "| ☐ |" in each]

    assert promises == [f"P{number}" for number in range(1, 10)]
    assert len(attackers) == 15
    assert [claim for claim in claims if "`tests/" not in claim] == []
    assert all("**Not stopped:**" in each for each in attackers)


def test_the_site_shows_every_limit_of_the_threat_model_with_its_date(site: ADesk) -> None:
    day, limits = _last_section()
    english = LimitsPage(site.browser().get("/en/limits").text)
    dutch = LimitsPage(site.browser().get("/nl/limits").text)
    site.store.close()

    assert len(limits) > 10
    assert english.limits == limits
    assert english.days == dutch.days == [day]
    assert len(dutch.limits) == len(limits)
    assert not any(
        english_text == dutch_text for english_text, dutch_text in zip(limits, dutch.limits, strict=True)
    )


@pytest.mark.parametrize("path", ["", "help", "privacy"])
@pytest.mark.parametrize("lang", ["nl", "en"])
def test_the_limits_are_one_link_away_from_where_sources_decide(site: ADesk, lang: str, path: str) -> None:
    page = site.browser().get(f"/{lang}/{path}").text
    site.store.close()

    assert f'href="/{lang}/limits"' in page
