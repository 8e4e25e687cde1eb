"""The path to a first message is short: three pages, 450 words in English, and little more elsewhere."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import escape

from deploy.settings.load_settings import DeskConfig, load_config
from source_app.config import SourceConfig
from tests.source_app.desks import ADesk, make_desk

_WORDS_MAX = 450
_OTHER_LANGUAGES = 1.3
_VOID = {"br", "hr", "img", "input", "link", "meta"}
_EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
_COMMENTED, _UNCOMMENTED = '    # "', '    "'
_LANGUAGES = load_config(_EXAMPLE, "source", SourceConfig).languages


class _Reader(HTMLParser):
    """Counts the words that a page shows between its head and its foot, which are the same on all pages.

    Of a closed fold, only the summary counts. `words_everywhere` also counts the head, the foot and what is
    inside the folds.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words = self.words_everywhere = 0
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        count = sum(1 for word in data.split() if re.search(r"\w", word))
        is_folded = "details" in self._open and "summary" not in self._open
        self.words += count if "main" in self._open and not is_folded else 0
        self.words_everywhere += count if "body" in self._open else 0


def _path(a_desk: ADesk, lang: str) -> list[_Reader]:
    """Return each page from the start page to the form of the first message."""
    browser = a_desk.browser()
    start = browser.get(f"/{lang}/")
    (begin,) = set(re.findall(r'href="([^"]*/begin)"', start.text))
    shown = browser.get(begin)
    words = " ".join(re.findall(r"<span>([a-z]+)</span>", shown.text))
    practise = f"/{lang}/practise"
    entered = browser.post(practise, {**browser.hidden(shown, practise), "words": words})
    write = browser.get(entered.location)
    assert 'enctype="multipart/form-data"' in write.text
    return [_Reader(page.text) for page in (start, shown, write)]


@pytest.fixture(params=["of its own", "of the government"])
def example_desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ADesk]:
    """Return a desk with the languages and the texts of the settings with which an operator begins.

    If the government employs its advisers, the start page also has the sentence about their duty to report.
    """
    settings = tmp_path / "config.toml"
    text = _EXAMPLE.read_text("utf-8")
    is_of_government = request.param == "of the government"
    settings.write_text(text.replace(_COMMENTED, _UNCOMMENTED) if is_of_government else text, "utf-8")
    example = load_config(settings, "desk", DeskConfig)
    assert {len(limits) for limits in example.secrecy_limits.values()} == {3 if is_of_government else 2}
    a_desk = make_desk(tmp_path, languages=_LANGUAGES)
    letterhead = a_desk.letterhead.successor(
        working_days=example.working_days,
        answer_working_days=example.answer_working_days,
        secrecy_limits=example.secrecy_limits,
        talk=example.talk,
        desk_name=example.name,
    )
    a_desk.app.extensions["newest_letterhead"] = lambda: letterhead
    yield replace(a_desk, letterhead=letterhead)
    a_desk.store.close()


def test_three_pages_and_450_words_lead_to_a_first_message(example_desk: ADesk) -> None:
    pages = {lang: _path(example_desk, lang) for lang in _LANGUAGES}
    counted = {lang: sum(page.words for page in path) for lang, path in pages.items()}

    for lang, path in pages.items():  # for docs/proofs.md
        print(lang, [(page.words, page.words_everywhere) for page in path])  # noqa: T201
    assert counted["en"] <= _WORDS_MAX
    most = _WORDS_MAX * _OTHER_LANGUAGES
    assert {lang: words for lang, words in counted.items() if words > most} == {}


def test_the_limits_of_secrecy_and_no_consequences_come_before_writing(example_desk: ADesk) -> None:
    for lang in _LANGUAGES:
        start = example_desk.browser().get(f"/{lang}/").text

        assert 'data-promise="no_consequences"' in start
        assert all(escape(limit) in start for limit in example_desk.letterhead.secrecy_limits[lang])
        assert f'href="/{lang}/limits"' in start


def test_the_warning_about_a_device_from_work_comes_before_the_button_to_begin(example_desk: ADesk) -> None:
    for lang in _LANGUAGES:
        start = example_desk.browser().get(f"/{lang}/").text

        assert start.index('data-warning="work_device"') < start.index(f'href="/{lang}/begin"')
