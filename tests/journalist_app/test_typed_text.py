"""Direction of typed texts: each has its own, and cannot turn a page of the adviser's site."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import journalist_app
from journalist_app.desk.spam_choice import SpamChoice
from journalist_app.files.pinned_recipients import RecipientKey
from journalist_app.services.desk_keys import change_slots
from journalist_app.services.mailbox import read_thread
from protocol.content import Kind, Verdict
from tests.journalist_app.desk_factories import (
    CHEAP,
    PASSPHRASE,
    TODAY,
    ASource,
    World,
    a_source,
    a_world,
    publish,
)
from tests.journalist_app.floods.test_spam_pages import fields, open_desk
from tests.journalist_app.views.paper import KEY, Paper
from tests.journalist_app.views.test_desk_pages import EMPTY, calendar_form, opened, writing
from tests.journalist_app.views.test_views import (
    AdviserBrowser,
    a_browser,
    answer_fields,
    answer_of,
    closing_fields,
    proposal_form,
    settle,
    token,
)
from tests.pages import hooks, shows_a_day
from tests.typed_text import check_lines_have_directions, keep_pages, kinds_of, not_isolated, typed

_KINDS = {
    *(
        "desk",
        "strand",
        "theme",
        "name",
        "text",
        "file",
        "answer",
        "step",
        "next",
        "draft",
        "template",
        "reply",
    ),
    *("note", "label", "handover", "closed", "query", "q", "proposal", "beside", "how", "begun", "report"),
    *("closing", "junk", "unsent", "stale", "extra"),
    *("holder", "slot", "talk", "limits"),
}


def _post(browser: AdviserBrowser, page: str, action: str, **typed_fields: object) -> None:
    browser.post(action, {**closing_fields(browser.get(page), action), **typed_fields})


def _work_in_a_mailbox(browser: AdviserBrowser, source: ASource) -> str:
    """Type everything that an adviser can type about a mailbox, and return the path of its proposal."""
    where = f"/mailbox/{source.address}"
    answer = {
        "text": typed("answer"),
        "step": "in_conversation",
        "step_text": typed("step"),
        "next": typed("next"),
    }
    browser.answer(where, {**answer_fields(browser.get(where), ""), **answer, "by": "2020-01-01"})
    browser.answer(where, {**answer_fields(browser.get(where), ""), **answer})
    writing(browser, source.address, typed("draft"), help="keep")
    writing(browser, source.address, "", help="draft")
    casefile = f"{where}/casefile"
    form = {"token": token(browser.get(casefile), casefile), "shown": EMPTY, "theme": "typed"}
    typed_in = {**form, "labels": typed("label"), "handover": f"a\n{typed('handover')}"}
    browser.post(casefile, typed_in)
    browser.post(casefile, {**typed_in, "labels": "x", "handover": "y"})
    browser.post(f"{casefile}/notes", {**form, "note": typed("note")})
    asked = proposal_form(browser.get(f"{where}/propose"), where, typed("proposal"), KEY)
    asked |= {"step_text": typed("beside"), "files": (asked["files"][0], f"{typed('extra')}.txt")}  # type: ignore[index]
    preview = browser.previews(where, asked)
    browser.post(f"{where}/propose/send", closing_fields(preview, f"{where}/propose/send"))
    found = re.search(rf'href="({where}/proposal/\w+)"', browser.get(where).text)
    assert found is not None
    return found[1]


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[list[str]]:
    """Return every page of the site, for a desk at which everything that one can type was typed."""
    world = a_world(tmp_path, strand=typed("strand"))
    names = dict.fromkeys(("nl", "en"), typed("desk"))
    world = World(
        replace(world.config, themes={"typed": {"nl": typed("theme"), "en": typed("theme")}}),
        world.keyring,
        world.letterhead.successor(desk_name=names),
        world.store,
    )
    publish(world.store, world.keyring, world.letterhead)
    browser = a_browser(world)
    shown = keep_pages(browser.app)
    source = a_source(world)
    source.writes(f"Hello\n{typed('text')} 1234 (ABC).\nbye", file=(f"{typed('file')}.txt", b"author"))
    for _ in range(2):
        a_source(world).writes(f"{typed('junk')} nearly the same text as in another mailbox")
    opened(browser)
    open_desk(browser).exporter = Paper(
        tmp_path, recipients=(RecipientKey("sg", typed("name"), KEY, Path()),)
    )
    proposal = _work_in_a_mailbox(browser, source)
    browser.get(f"/mailbox/{source.address}")
    _visit_all(browser, source)
    answer_of(browser, source, Verdict.AGREED)
    _post(browser, proposal, f"{proposal}/begin", text=typed("begun"))
    _post(browser, proposal, f"{proposal}/make")
    handed = {"text": typed("how"), "delivered": TODAY.isoformat()}
    _post(browser, proposal, f"{proposal}/deliver", **{**handed, "delivered": "x"})
    _post(browser, proposal, f"{proposal}/deliver", **handed)
    _work_at_the_desk(browser)
    where = f"/mailbox/{source.address}"
    _visit_all(browser, source)
    browser.app.extensions["auto_lock"].close()
    browser.post(f"{where}/casefile/notes", {"token": "x", "note": typed("unsent")})
    opened(browser)
    browser.get("/unsent")
    _post(browser, f"{where}/close", f"{where}/close", text=typed("closing"))
    _visit_all(browser, source)
    yield shown
    browser.app.extensions["auto_lock"].close()


def _work_at_the_desk(browser: AdviserBrowser) -> None:
    """Type everything that an adviser can type that is not about one mailbox."""
    reply = {"revision": 0, "language": "en", "name": typed("template"), "text": f"a\n{typed('reply')}"}
    browser.post(
        "/reply-templates", {"token": token(browser.get("/reply-templates"), "/reply-templates"), **reply}
    )
    browser.get("/reply-templates?place=8")
    browser.post("/reply-templates", {**reply, "token": "x", "text": typed("stale")})
    browser.post("/calendar", calendar_form(browser, closed=f"2026-02-30 {typed('closed')}"))
    texts = {"language": "nl", "name": typed("name"), "talk": typed("talk"), "limits": typed("limits")}
    browser.post("/about/texts", {"token": "x", **texts})
    for query in ("text", "query"):
        search = {"token": token(browser.get("/search"), "/search"), "query": typed(query)}
        browser.post("/search", search)
    browser.get(f"/inbox?q={typed('q')}")
    year = f"/reports/{TODAY.year}"
    for language in ("nl", "en"):
        words = {"token": token(browser.get(year), f"{year}/words"), language: typed("report")}
        browser.post(f"{year}/words", words)
    browser.post(f"{year}/words", {"token": "x", "nl": typed("report")})
    browser.post("/spam", fields(browser.get("/spam"), "/spam"))
    for what in ("drawn", "sheet"):
        browser.post(
            "/keys/new",
            {"token": token(browser.get("/keys"), "/keys/new"), "what": what, "holder": typed("holder")},
        )
        browser.get("/keys/new")
    desk = open_desk(browser)
    change_slots.add_passphrase(desk, PASSPHRASE, "zin", holder=typed("slot"), today=TODAY, cost=CHEAP)


def _visit_all(browser: AdviserBrowser, source: ASource) -> None:
    """Open every page with a GET route."""
    desk = open_desk(browser)
    settle(browser)
    thread = read_thread.open_thread(desk, source.keys.address, today=TODAY)
    desk.spam_choice = desk.spam_choice or SpamChoice((source.keys.address,))
    values = {
        "address": source.address,
        "attachment_id": next(each.files[0].attachment_id for each in thread.entries if each.files),
        "which": next(each.files[0].attachment_id for each in thread.entries if each.files),
        "proposal_id": next(each.entry_id for each in thread.entries if each.kind == Kind.PROPOSAL),
        "entry_id": "0" * 32,
        "number": 1,
        "part": 0,
        "year": TODAY.year,
        "audience": "public",
        "language": "en",
        "kind": "html",
        "filename": "style.css",
        "key_id": change_slots.slot_id(desk.keyring.slots[0]),
    }
    routes = browser.app.url_map.bind("localhost")
    for rule in browser.app.url_map.iter_rules():
        if "GET" in (rule.methods or ()):
            browser.get(routes.build(rule.endpoint, {name: values[name] for name in rule.arguments}))
    for more in ("/inbox?state=answered", "/inbox?state=closed", "/inbox?theme=typed"):
        browser.get(more)


def test_what_a_person_typed_cannot_turn_a_page(pages: list[str]) -> None:
    assert set() == {text for page in pages for text in not_isolated(page)}
    assert _KINDS == set().union(*map(kinds_of, pages))


def test_each_page_that_shows_a_day_says_once_in_which_time_zone_its_days_are(pages: list[str]) -> None:
    ours = [page.replace("1 January", "") for page in pages if "<footer" in page]  # of every year
    shown = [(shows_a_day(page), hooks(page, "days")) for page in ours]

    assert all(days == (["utc"] if has_day else []) for has_day, days in shown)
    assert {has_day for has_day, _ in shown} == {True, False}


def test_every_field_for_a_text_shows_each_line_in_its_own_direction() -> None:
    check_lines_have_directions(Path(journalist_app.__file__).parent)


def test_no_browser_translates_or_corrects_words_that_must_stay_the_same(pages: list[str]) -> None:
    found: set[str] = set()
    for page in pages:
        for tag in re.findall(
            r'<[a-z0-9]+ [^>]*(?:class="label"|id="(?:q|passphrase|secret|typed)")[^>]*>', page
        ):
            assert 'translate="no"' in tag
            name = re.findall(r'id="(q|passphrase|secret|typed)"', tag)
            if name:
                assert 'spellcheck="false"' in tag
                assert 'autocomplete="off"' in tag
            found.update(name or ["label"])
    assert {"label", "q", "passphrase", "secret", "typed"} == found
