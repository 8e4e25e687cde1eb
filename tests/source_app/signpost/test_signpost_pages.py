"""Pages of the signpost reveal nothing to someone who watches the network or the browser."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import escape, unescape
from pathlib import Path

import msgspec
import pytest
from werkzeug.test import TestResponse

from protocol.letterhead import Report
from source_app.signpost import decision_tree
from source_app.signpost.decision_tree import Outcome
from tests.pages import hook, hooks
from tests.source_app.desks import TODAY, ADesk, make_desk
from web.headers import EVERY_ANSWER
from web.languages import known_languages
from web.page_padding import STEP_BYTES

_SIGNPOSTS = decision_tree.load(known_languages())
_NUMBERS = sorted(page.number for page in (*_SIGNPOSTS["nl"].question, *_SIGNPOSTS["nl"].outcome))
_WHERE = {
    f"where_{route}": dict.fromkeys(known_languages(), f"https://{'<' * 192}")
    for route in ("conduct", "integrity", "complaints")
}


@pytest.fixture
def a_desk(tmp_path: Path) -> Iterator[ADesk]:
    """Return a desk whose site has every language."""
    desk = make_desk(tmp_path, languages=known_languages())
    yield desk
    desk.store.close()


def _all(a_desk: ADesk) -> dict[str, TestResponse]:
    browser = a_desk.browser()
    paths = [f"/{lang}/s/{number}" for lang in _SIGNPOSTS for number in _NUMBERS]
    return {path: browser.get(path) for path in paths}


def _words(page: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text)).split())


def test_every_page_in_every_language_has_one_size(a_desk: ADesk) -> None:
    sizes = {len(page.data) for page in _all(a_desk).values()}

    assert sizes == {STEP_BYTES}


def test_the_longest_page_that_is_allowed_still_has_that_size(a_desk: ADesk) -> None:
    """The test uses the longest allowed name of a desk, all settings, and a page as long as the check
    allows.
    """
    report = Report(title="report-2026-en.html", published=TODAY, sha256=bytes(32))
    letterhead = msgspec.structs.replace(
        a_desk.letterhead, desk_name=dict.fromkeys(known_languages(), "&" * 200), reports=(report,)
    )
    a_desk.app.extensions["newest_letterhead"] = lambda: letterhead
    a_desk.app.extensions["config"] = replace(a_desk.config, **_WHERE)  # type: ignore[arg-type]
    english = _SIGNPOSTS["en"]
    longest = max(english.outcome, key=lambda outcome: _size(english, outcome))
    room = decision_tree.PAGE_TEXT_BYTES - _size(english, longest)
    filled = _with_hint(english, longest, longest.hint + "x" * room)
    assert next(decision_tree._faults(filled), None) is None
    assert (
        next(decision_tree._faults(_with_hint(english, longest, longest.hint + "x" * (room + 1))), None)
        is not None
    )
    a_desk.app.extensions["signposts"] = dict.fromkeys(known_languages(), filled)

    assert {len(page.data) for page in _all(a_desk).values()} == {STEP_BYTES}


def test_every_page_has_the_same_title_and_a_number_of_two_digits_for_a_path(a_desk: ADesk) -> None:
    pages = _all(a_desk)

    titles = {(path[1:3], re.findall("<title>(.*?)</title>", page.text)[0]) for path, page in pages.items()}
    assert len(titles) == len(known_languages())
    assert {("nl", "Info"), ("en", "Info")} <= titles
    assert all(re.fullmatch(r"/[a-z]{2}/s/[1-9][0-9]", path) for path in pages)


def test_every_page_has_the_same_headers_and_none_identifies_a_visitor(a_desk: ADesk) -> None:
    pages = _all(a_desk)
    headers = {tuple(sorted(page.headers.items())) for page in pages.values()}

    (only,) = headers
    sent = dict(only)
    assert "Set-Cookie" not in sent
    assert sent["Cache-Control"] == "no-store"
    assert sent["Referrer-Policy"] == "no-referrer"
    assert {**sent, **EVERY_ANSWER, "Referrer-Policy": "no-referrer"} == sent


def test_a_page_is_the_same_whether_or_not_a_mailbox_is_open(a_desk: ADesk) -> None:
    stranger, source = a_desk.browser(), a_desk.browser()
    source.start()

    for number in _NUMBERS:
        shown = source.get(f"/en/s/{number}")
        assert stranger.get(f"/en/s/{number}").data == shown.data
        assert "Set-Cookie" not in shown.headers


def test_no_page_asks_for_a_form_to_be_sent(a_desk: ADesk) -> None:
    assert not [path for path, page in _all(a_desk).items() if "<form" in page.text]


def test_walking_the_signpost_writes_nothing_into_a_log(
    a_desk: ADesk, caplog: pytest.LogCaptureFixture
) -> None:
    _all(a_desk)
    a_desk.browser().get("/en/s/10")

    assert caplog.records == []


@pytest.mark.parametrize(
    "path", ["/nl/s/10", "/en/s/99", "/en/s/0", "/en/s/100", "/en/s/x", "/en/s/-1", "/en/s"]
)
def test_a_number_that_is_no_page_leads_to_a_page_that_helps(a_desk: ADesk, path: str) -> None:
    page = a_desk.browser().get(path)

    assert page.status_code == 404
    assert len(page.data) == STEP_BYTES


@pytest.mark.parametrize("lang", _SIGNPOSTS)
def test_every_answer_is_a_link_and_every_page_leads_back(a_desk: ADesk, lang: str) -> None:
    browser, signpost = a_desk.browser(), _SIGNPOSTS[lang]

    for question in signpost.question:
        page = browser.get(f"/{lang}/s/{question.number}")
        leads = re.findall(r'<li><a href="([^"]*)">(.*?)</a></li>', page.text)
        assert [(f"/{lang}/s/{answer.to}", answer.text) for answer in question.answers] == [
            (lead, unescape(words)) for lead, words in leads
        ]
        for answer in question.answers:
            assert f'<a href="/{lang}/s/{question.number}">' in browser.get(f"/{lang}/s/{answer.to}").text


@pytest.mark.parametrize("lang", _SIGNPOSTS)
def test_every_outcome_explains_its_routes_whole_and_offers_the_mailbox_first(
    a_desk: ADesk, lang: str
) -> None:
    browser, signpost = a_desk.browser(), _SIGNPOSTS[lang]

    for outcome in signpost.outcome:
        page = browser.get(f"/{lang}/s/{outcome.number}")
        words = _words(page)
        for route in outcome.routes:
            for _, text in decision_tree._fields_of(signpost.route[route]):
                assert " ".join(text.split()) in words
        first_route = escape(signpost.route[outcome.routes[0]].what)
        assert page.text.index(hook("offer", "mailbox")) < page.text.index(first_route)
        assert f'href="/{lang}/begin"' in page.text


def test_every_page_says_that_it_keeps_nothing(a_desk: ADesk) -> None:
    for path, page in _all(a_desk).items():
        assert hooks(page.text, "promise") == ["keeps_nothing"], path


def test_a_page_says_where_a_procedure_is_or_to_ask_us(a_desk: ADesk) -> None:
    browser = a_desk.browser()
    outcome = next(each for each in _SIGNPOSTS["en"].outcome if each.routes == ("conduct", "integrity"))
    path = f"/en/s/{outcome.number}"

    assert hooks(browser.get(path).text, "notice") == ["ask_us_where"] * 2

    a_desk.app.extensions["config"] = replace(
        a_desk.config,
        where_conduct={"en": "https://example.org/a?b=1&c=2", "nl": "https://example.org/nl"},
        where_integrity={"en": "integrity@example.org <b>"},
    )
    page = browser.get(path).text
    assert '<a dir="auto" href="https://example.org/a?b=1&amp;c=2" rel="noreferrer">' in page
    assert '<p dir="auto">integrity@example.org &lt;b&gt;</p>' in page
    assert hooks(page, "notice") == []
    assert "example.org/nl" in browser.get(f"/nl/s/{outcome.number}").text


@pytest.mark.parametrize("lang", _SIGNPOSTS)
def test_the_start_page_and_help_lead_to_the_first_question(a_desk: ADesk, lang: str) -> None:
    for path in (f"/{lang}/", f"/{lang}/help"):
        assert f'href="/{lang}/s/{_SIGNPOSTS[lang].first}"' in a_desk.browser().get(path).text


def _size(signpost: decision_tree.Signpost, outcome: Outcome) -> int:
    texts = [outcome.text, outcome.hint]
    texts += [text for route in outcome.routes for _, text in decision_tree._fields_of(signpost.route[route])]
    return sum(map(decision_tree._html_bytes, texts))


def _with_hint(signpost: decision_tree.Signpost, outcome: Outcome, hint: str) -> decision_tree.Signpost:
    others = tuple(each for each in signpost.outcome if each is not outcome)
    longer = Outcome(number=outcome.number, text=outcome.text, hint=hint, routes=outcome.routes)
    return decision_tree.Signpost(
        first=signpost.first, question=signpost.question, outcome=(*others, longer), route=signpost.route
    )
