"""Direction of typed texts: each has its own, and cannot turn a page of the source's site."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import source_app
from protocol.content import StepName, StepNote
from protocol.letterhead import Absence
from tests.pages import hooks, shows_a_day
from tests.source_app.answering_proposals import path_of, say
from tests.source_app.desks import TODAY, ADesk, ToGo
from tests.source_app.test_get_routes import paths_of
from tests.typed_text import check_lines_have_directions, keep_pages, kinds_of, not_isolated, typed

_KINDS = {
    *("desk", "secret", "where", "talk", "text", "file", "answer", "step", "next", "name", "withdrawn", "to"),
    *("proposal", "proposed", "about", "wish", "reason", "closing", "kept", "answered", "copied"),
}


@pytest.fixture
def pages(a_desk: ADesk) -> list[str]:
    """Return every page of the site, for a mailbox in which a person typed everything that one can type."""
    shown = keep_pages(a_desk.app)
    a_desk.letterhead = a_desk.letterhead.successor(
        absences=(Absence(since=TODAY, until=TODAY),),
        desk_name=dict.fromkeys(("nl", "en"), typed("desk")),
        secrecy_limits=dict.fromkeys(("nl", "en"), (typed("secret"),)),
        talk=dict.fromkeys(("nl", "en"), f"Call\n{typed('talk')}"),
    )
    a_desk.app.extensions["desk"] = replace(a_desk.desk, letterhead=a_desk.letterhead)
    a_desk.app.extensions["newest_letterhead"] = lambda: a_desk.letterhead
    a_desk.app.extensions["config"] = replace(a_desk.config, where_conduct={"en": typed("where")})
    source = a_desk.browser()
    source.start()
    text = f"Hello\n{typed('text')} 1234 (ABC).\nbye"
    source.get(source.write(text, [(f"{typed('file')}.txt", b"a")]).location)
    keys = a_desk.keys_of(source)
    a_desk.answer(keys, typed("answer"))
    a_desk.say_step(keys, typed("step"), StepNote(step=StepName.IN_CONVERSATION, next=typed("next")))
    source.get("/en/mailbox")
    withdrawn = a_desk.propose(keys, "b", name=typed("withdrawn"))
    say(source, withdrawn, "agreed", sure="y", text=typed("answered"))
    a_desk.pass_on(keys, withdrawn, name=typed("to"))
    source.get("/en/mailbox")
    files = [ToGo(f"{typed('proposed')}.txt", b"x", about=typed("about"))]
    first = a_desk.propose(keys, typed("proposal"), files=files, name=typed("name"))
    say(source, first, "changes_asked", text=typed("copied") + " x" * 30_000)
    paths = paths_of(a_desk, source)
    for path in {**paths, "outcome": "/en/s/38", "other": "/en/s/83"}.values():
        source.get(path)
        if path == paths["pages.leave"]:
            source.log_in(source.passphrase)
    say(source, first, "changes_asked", text=typed("wish"))
    source.get(path_of(first))
    a_desk.pass_on(keys, first, reason=typed("reason"), name=typed("to"))
    a_desk.close(keys, typed("closing"), TODAY + timedelta(days=90))
    source.write(typed("kept") + " x" * 30_000)
    for path in paths.values():
        source.get(path)
        if path == paths["pages.leave"]:
            source.log_in(source.passphrase)
    a_desk.browser().write(typed("kept"), form_context=source.form_context())
    return shown


def test_what_a_person_typed_cannot_turn_a_page(pages: list[str]) -> None:
    assert set() == {text for page in pages for text in not_isolated(page)}
    assert _KINDS == set().union(*map(kinds_of, pages))


def test_each_page_that_shows_a_day_says_once_in_which_time_zone_its_days_are(pages: list[str]) -> None:
    shown = [(shows_a_day(page), hooks(page, "days")) for page in pages]

    assert all(days == (["utc"] if has_day else []) for has_day, days in shown)
    assert {has_day for has_day, _ in shown} == {True, False}


def test_every_field_for_a_text_shows_each_line_in_its_own_direction() -> None:
    check_lines_have_directions(Path(source_app.__file__).parent)


def test_no_browser_translates_or_corrects_words_that_must_stay_the_same(pages: list[str]) -> None:
    found: set[str] = set()
    for page in pages:
        for tag in re.findall(
            r'<[a-z]+ [^>]*(?:class="(?:words card|digest|fingerprint)"|name="words")[^>]*>', page
        ):
            assert 'translate="no"' in tag
            if "name=" in tag:
                assert 'spellcheck="false"' in tag
                assert 'autocomplete="off"' in tag
            found.add(re.findall(r'class="(\w+)|name="(words)"', tag)[0][0])
    assert {"words", "digest", "fingerprint", ""} <= found
