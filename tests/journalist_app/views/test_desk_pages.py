"""Pages of the desk itself: casefile, reply templates, search, calendar, and forms that were not sent."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from journalist_app.desk.casefile import Casefile
from journalist_app.services.records import reply_templates
from journalist_app.services.records.casefiles import form_digest
from journalist_app.services.whole_desk import desk_calendar, desk_texts, unlocking
from protocol.letterhead import TRIAL_SALT, verify_letterhead
from store import letterheads
from store.errors import StoreError
from tests.journalist_app import desk_readers
from tests.journalist_app.desk_factories import TODAY, World, a_letterhead, a_source, a_world, publish
from tests.journalist_app.views.test_views import (
    AdviserBrowser,
    a_browser,
    answer_fields,
    browser,
    settle,
    token,
)
from tests.pages import hooks, label_of
from web.languages import known_languages

__all__ = ["browser"]  # the fixture
EMPTY = form_digest(Casefile())
PAGES = ["/search", "/calendar", "/reply-templates", "/unsent", "/evidence", "/about/texts"]


def opened(browser: AdviserBrowser) -> None:
    browser.app.extensions["readers"] = [desk_readers.start]
    browser.unlock()
    desk = browser.app.extensions["auto_lock"]._desk
    unlocking.start_indexing(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    settle(browser)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_page_of_the_desk_opens_in_both_languages_and_names_the_desk(
    world: World, browser: AdviserBrowser, path: str, language: Literal["nl", "en"]
) -> None:
    browser.headers["Accept-Language"] = language
    opened(browser)

    page = browser.get(path)

    assert 200 == page.status_code
    assert f'<html lang="{language}"' in page.text
    assert world.letterhead.desk_name[language] in page.text  # which says if the desk is a trial


def test_the_locked_app_names_a_trial_desk_and_no_real_one(tmp_path: Path, browser: AdviserBrowser) -> None:
    folder = tmp_path / "trial"
    folder.mkdir()
    trial = a_world(folder)
    names = {"nl": "PROEF: Steunpunt", "en": "TRIAL: Desk"}
    publish(
        trial.store,
        trial.keyring,
        replace(a_letterhead(trial.keyring, 2), site_salt=TRIAL_SALT, desk_name=names),
    )

    assert "TRIAL: Desk" in a_browser(trial).get("/unlock").text
    assert "Example Support Point" not in browser.get("/unlock").text
    trial.store.close()


def test_a_store_without_a_usable_letterhead_still_has_a_page_to_unlock(world: World) -> None:
    world.execute("UPDATE letterhead SET body = x'00'")

    assert 200 == a_browser(world).get("/unlock").status_code


@pytest.mark.parametrize("path", PAGES[:3])
def test_a_form_from_before_a_lock_gives_what_was_typed_back(browser: AdviserBrowser, path: str) -> None:
    opened(browser)

    answer = browser.post(path, {"token": "old", "query": "getypt", "closed": "getypt", "text": "getypt"})

    assert 403 == answer.status_code
    assert "getypt" in answer.text


# ---- inbox


def test_an_empty_filter_or_search_does_not_say_that_no_source_waits(
    world: World, browser: AdviserBrowser
) -> None:
    a_source(world).writes("vraag")
    opened(browser)

    filtered, searched = browser.get("/inbox?tag=nowhere").text, browser.get("/inbox?q=!!!").text

    assert [hooks(page, "empty") for page in (filtered, searched)] == [["list"], []]
    assert [hooks(page, "state") for page in (filtered, searched)] == [[], []]
    assert "0 mailboxes with <bdi>!!!</bdi> in their names" in searched


# ---- casefile


def test_a_casefile_is_filled_in_and_shown_in_mailbox_and_inbox(
    world: World, browser: AdviserBrowser
) -> None:
    source = a_source(world)
    source.writes("vraag")
    opened(browser)
    path = f"/mailbox/{source.address}/casefile"
    page = browser.get(path)
    form: dict[str, object] = {
        "token": token(page, path), "shown": EMPTY, "labels": "spoed", "theme": "bullying",
        "reminder": TODAY.isoformat(), "handover": "let op",
    }  # fmt: skip

    assert 303 == browser.post(path, form).status_code
    noted = browser.post(f"{path}/notes", {"token": form["token"], "note": "eerste <notitie>"})

    assert hooks(browser.get(noted.headers["Location"]).text, "news") == ["kept"]
    thread = browser.get(f"/mailbox/{source.address}").text
    assert all(words in thread for words in ("Bullying", "spoed", "eerste &lt;notitie&gt;", "let op"))
    assert "Bullying" in browser.get("/inbox?theme=bullying&tag=spoed&late=1&step=nonsense").text
    for tag in ("spoed", "SPO\u00adED"):
        assert source.address in browser.get(f"/inbox?theme=bullying&tag={tag}").text
    assert source.address not in browser.get("/inbox?tag=spo").text


def test_of_two_forms_the_second_comes_back_with_both_texts(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    opened(browser)
    path = f"/mailbox/{source.address}/casefile"
    form: dict[str, object] = {
        "token": token(browser.get(path), path),
        "shown": EMPTY,
        "handover": "van de een",
    }
    browser.post(path, form)

    answer = browser.post(path, {**form, "handover": "van de ander"})

    assert 409 == answer.status_code
    assert "van de een" in answer.text
    assert "van de ander</textarea>" in answer.text


@pytest.mark.parametrize(
    ("more", "form", "status"),
    [
        ("", {"reminder": "morgen", "handover": "getypt"}, 422),
        ("", {"labels": "x" * 41, "handover": "getypt"}, 422),
        ("", {"token": "old", "handover": "getypt"}, 403),
        ("/notes", {"token": "old", "note": "getypt"}, 403),
        ("/notes", {"note": "getypt" * 4000}, 422),
    ],
)
def test_what_cannot_be_kept_comes_back(
    world: World, browser: AdviserBrowser, more: str, form: dict[str, object], status: int
) -> None:
    source = a_source(world)
    opened(browser)
    path = f"/mailbox/{source.address}/casefile"
    ours: dict[str, object] = {"token": token(browser.get(path), path), "shown": EMPTY}

    answer = browser.post(path + more, {**ours, **form})

    assert status == answer.status_code
    assert "getypt" in answer.text


def test_what_was_typed_about_a_mailbox_that_is_gone_comes_back(browser: AdviserBrowser) -> None:
    opened(browser)

    answer = browser.post(f"/mailbox/{'00' * 20}/casefile/notes", {"token": "x", "note": "getypt"})

    assert 404 == answer.status_code
    assert "getypt" in answer.text


# ---- help with writing


def writing(browser: AdviserBrowser, address: str, text: str, **more: str) -> str:
    path = f"/mailbox/{address}"
    fields = {**answer_fields(browser.get(path), text), **more}
    answer = browser.client.post(
        f"{path}/fill-answer", data=fields, headers=browser.headers, content_type="multipart/form-data"
    )
    return answer.text


def test_a_template_comes_behind_what_was_typed(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    opened(browser)

    page = writing(browser, source.address, "al getypt", help="template", template="0")

    assert re.search(r"al getypt\n\nDank je wel dat je ons schrijft", page)
    assert "al getypt" in writing(browser, source.address, "al getypt", help="template", template="99")


@pytest.mark.parametrize(
    ("promise", "exceptions", "help_page"),
    [
        (r"geheim|doorgeven", "uitzonderingen", "pagina Hulp"),
        (r"\bsecret\b|pass something on", "exceptions", "page Help"),
    ],
    ids=["nl", "en"],
)
def test_the_templates_that_come_with_the_app_promise_what_the_desk_can_keep(
    promise: str, exceptions: str, help_page: str
) -> None:
    texts = [template.text for template in reply_templates._shipped()]
    promising = [text for text in texts if re.search(promise, text)]

    assert len(promising) == 2
    assert all(exceptions in text for text in promising)
    assert sum(help_page in text for text in texts) == 2  # where the exceptions stand, and how to talk
    for denied in ("blijft bij ons", "stays with us", "niets door zonder", "pass nothing on unless"):
        assert not any(denied in text for text in texts)


def test_a_draft_is_kept_and_put_back_in_the_answer(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    opened(browser)

    kept = writing(browser, source.address, "half antwoord", help="keep")
    again = writing(browser, source.address, " ", help="draft")

    assert hooks(kept, "news") == ["draft_kept"]
    assert "half antwoord</textarea>" in kept
    assert "half antwoord</textarea>" in again


def test_help_from_before_a_lock_gives_the_text_back(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    opened(browser)

    assert "getypt</textarea>" in writing(browser, source.address, "getypt", token="old", help="keep")


# ---- search


def test_a_search_shows_where_the_words_stand(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("mijn <Subsidié> is ingetrokken")
    opened(browser)

    found = browser.post("/search", {"token": token(browser.get("/search"), "/search"), "query": "subsidie"})

    assert hooks(found.text, "found") == ["1"]
    assert "mijn &lt;Subsidié&gt; is ingetrokken" in found.text
    assert "subsidie" not in (found.headers.get("Location") or "")


def test_a_search_that_nobody_answers_says_so(browser: AdviserBrowser) -> None:
    opened(browser)
    page = browser.get("/search")
    index = browser.app.extensions["auto_lock"]._desk.index
    index._workers[0].end()
    with index._changed:
        index._changed.wait_for(lambda: index._is_broken, desk_readers.SECONDS)

    answer = browser.post("/search", {"token": token(page, "/search"), "query": "woord"})

    assert 503 == answer.status_code
    assert hooks(answer.text, "refusal") == ["search_broken"]
    assert hooks(browser.get("/inbox").text, "refusal") == ["reading_broken"]


@pytest.mark.parametrize("query", ["a b c d e f g h niemand", "x" * 201, "?!", " "])
def test_a_query_is_searched_whole_or_refused_with_a_sentence(
    world: World, browser: AdviserBrowser, query: str
) -> None:
    a_source(world).writes("a b c d e f g h " + "x" * 201)
    opened(browser)
    form: dict[str, object] = {"token": token(browser.get("/search"), "/search"), "query": query}

    answer = browser.post("/search", form)

    assert (422, ["query"], []) == (
        answer.status_code, hooks(answer.text, "refusal"), hooks(answer.text, "found"),
    )  # fmt: skip
    assert query.strip() in answer.text


def test_a_query_of_eight_words_is_searched(world: World, browser: AdviserBrowser) -> None:
    a_source(world).writes("a b c d e f g h")
    opened(browser)
    form: dict[str, object] = {"token": token(browser.get("/search"), "/search"), "query": "a b c d e f g h"}

    assert hooks(browser.post("/search", form).text, "found") == ["1"]


# ---- calendar


def calendar_form(browser: AdviserBrowser, **changes: object) -> dict[str, object]:
    page = browser.get("/calendar")
    return {
        "token": token(page, "/calendar"), "serial": 1, "weekday": ["0", "3"], "closed": "2026-12-25",
        "since": [(TODAY + timedelta(days=1)).isoformat(), ""], "until": ["", ""],
        "answer_working_days": "3", "confirm_days": "7", "substance_months": "3",
        "retention_days": "60", "abandoned_months": "9", **changes,
    }  # fmt: skip


def test_a_calendar_is_published_from_the_page(browser: AdviserBrowser) -> None:
    opened(browser)

    answer = browser.post("/calendar", calendar_form(browser))

    assert (303, "/calendar?kept=1") == (answer.status_code, answer.headers["Location"])
    page = browser.get("/calendar?kept=1").text
    assert 'name="retention_days" type="text" inputmode="numeric" value="60"' in page
    assert 'name="abandoned_months" type="text" inputmode="numeric" value="9"' in page
    assert "2026-12-25 Christmas Day" in page
    for each in (page, browser.get("/inbox").text):  # 25 December is near, and nothing follows
        assert hooks(each, "closed-until") == ["2026-12-25"]
    assert (TODAY + timedelta(days=1)).isoformat() in page


def test_the_public_holidays_are_put_in_the_form_and_nothing_is_published(browser: AdviserBrowser) -> None:
    opened(browser)

    page = browser.post("/calendar", calendar_form(browser, holidays="1")).text

    assert "2026-12-25\n2026-12-26 Second Day of Christmas" in page
    assert "2027-01-01" in page
    assert 1 == browser.app.extensions["auto_lock"]._desk.letterhead.serial


@pytest.mark.parametrize(
    ("changes", "status", "refusal"),
    [
        ({"weekday": []}, 422, "no_working_day"),
        ({"closed": "kerst"}, 422, "days"),
        ({"closed": "2027-07-05 - 2027-07-09"}, 422, "days"),
        ({"since": ["2027-07-05, 2027-07-09", ""]}, 422, "days"),
        ({"since": [""] * 60 + ["morgen"], "until": [""] * 61}, 422, "days"),
        ({"since": [""], "until": ["", "morgen"]}, 422, "days"),
        ({"weekday": ["0", "7"]}, 422, "no_working_day"),
        ({"answer_working_days": "veel"}, 422, "numbers"),
        ({"retention_days": "400"}, 422, "numbers"),
        ({"serial": 7}, 409, "letterhead_moved"),
    ],
)
def test_a_calendar_that_cannot_be_published_comes_back_with_the_reason(
    browser: AdviserBrowser, changes: dict[str, object], status: int, refusal: str
) -> None:
    opened(browser)

    answer = browser.post("/calendar", calendar_form(browser, **changes))

    assert status == answer.status_code
    assert hooks(answer.text, "refusal") == [refusal]


# ---- texts for sources


def texts_form(browser: AdviserBrowser, **changes: object) -> dict[str, object]:
    return {
        "token": token(browser.get("/about/texts"), "/about/texts"), "serial": 1, "language": "fr",
        "name": "Le nom", "talk": "Appelez-nous.\r\nMerci.", "limits": "Un juge.\r\n\r\nLa loi.", **changes,
    }  # fmt: skip


def test_a_desk_adds_a_language_to_its_letterhead_from_the_example_texts(
    world: World, browser: AdviserBrowser
) -> None:
    opened(browser)
    assert 'href="/about/texts"' in browser.get("/about").text
    page = browser.get("/about/texts")
    before = set(world.letterhead.desk_name)

    assert hooks(page.text, "language")[: len(known_languages()) - len(before)] == [
        code for code in known_languages() if code not in before
    ]
    assert "appui externe pour l" in page.text
    answer = browser.post("/about/texts", texts_form(browser))

    assert (303, "/about/texts?kept=1") == (answer.status_code, answer.headers["Location"])
    assert hooks(browser.get("/about/texts?kept=1").text, "news") == ["kept"]
    with world.store.reading() as session:
        latest = letterheads.latest(session)
    assert latest is not None
    published = verify_letterhead(*latest[1:], world.config.fingerprint, at_least_serial=2)
    assert set(published.desk_name) == {*before, "fr"}
    assert published.desk_name["fr"] == "Le nom"
    assert published.talk["fr"] == "Appelez-nous.\nMerci."
    assert published.secrecy_limits["fr"] == ("Un juge.", "La loi.")
    assert {code: published.talk[code] for code in before} == world.letterhead.talk


@pytest.mark.parametrize(
    ("changes", "status", "refusal"),
    [
        ({"name": " "}, 422, "texts"),
        ({"name": "\u3164"}, 422, "texts"),  # a letter that shows nothing
        ({"talk": "\u200b\n\u2800"}, 422, "texts"),
        ({"limits": "\u3164\n"}, 422, "texts"),
        ({"name": "x" * 201}, 422, "texts"),
        ({"talk": ""}, 422, "texts"),
        ({"limits": "\n \n"}, 422, "texts"),
        ({"language": "xx"}, 422, "texts"),
        ({"language": "../nl"}, 422, "texts"),
        ({"serial": 7}, 409, "letterhead_moved"),
        ({"token": "x"}, 403, "stale"),
    ],
)
def test_texts_that_cannot_be_published_come_back_with_the_reason(
    browser: AdviserBrowser, changes: dict[str, object], status: int, refusal: str
) -> None:
    opened(browser)

    answer = browser.post("/about/texts", texts_form(browser, **changes))

    assert status == answer.status_code
    assert hooks(answer.text, "refusal") == [refusal]
    assert browser.app.extensions["auto_lock"]._desk.letterhead.serial == 1


def test_refused_texts_stay_in_their_form(browser: AdviserBrowser) -> None:
    opened(browser)

    page = browser.post("/about/texts", texts_form(browser, name="")).text

    shown = page[page.index('data-language="fr" open') :]
    assert "Appelez-nous.\nMerci.</textarea>" in shown
    assert "Un juge.\nLa loi.</textarea>" in shown


@pytest.mark.parametrize("path", ["/about/texts", "/calendar"])
def test_an_error_page_shows_what_was_typed_in_a_stale_form_of_the_desk(
    browser: AdviserBrowser, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    opened(browser)
    made = {"/about/texts": texts_form, "/calendar": calendar_form}[path]
    form = made(browser, token="x", talk="typed here", closed="typed here")

    def fail(*_: object) -> None:
        raise StoreError("full")

    monkeypatch.setattr(desk_texts, "missing_texts", fail)
    monkeypatch.setattr(desk_calendar, "last_closed_day", fail)
    page = browser.post(path, form)

    assert page.status_code == 503
    assert "typed here" in page.text


# ---- reply templates


def test_a_template_is_added_changed_and_removed_on_its_page(browser: AdviserBrowser) -> None:
    opened(browser)
    form: dict[str, object] = {
        "token": token(browser.get("/reply-templates"), "/reply-templates"), "revision": 0, "language": "en",
        "name": "Short", "text": "Thank you.",
    }  # fmt: skip

    assert 303 == browser.post("/reply-templates", form).status_code
    assert "Short" in browser.get("/reply-templates?kept=1").text
    assert "Thank you.</textarea>" in browser.get("/reply-templates?place=8").text
    changed = {**form, "revision": 1, "place": 8, "name": "Shorter"}
    assert 303 == browser.post("/reply-templates", changed).status_code
    assert (
        303
        == browser.post("/reply-templates", {**form, "revision": 2, "place": 8, "what": "drop"}).status_code
    )

    assert "Shorter" not in browser.get("/reply-templates").text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"name": ""}, 422),
        ({"name": "\u200b\ufeff\u2800\u3164\u00ad\u200e"}, 422),
        ({"text": "\u200b\ufeff\u2800\u3164\u00ad\u200e"}, 422),
        ({"revision": 5}, 409),
        ({"place": 99}, 422),
    ],
)
def test_a_template_that_cannot_be_kept_comes_back(
    browser: AdviserBrowser, changes: dict[str, object], status: int
) -> None:
    opened(browser)
    form = {
        "token": token(browser.get("/reply-templates"), "/reply-templates"),
        "revision": 0,
        "language": "nl",
    }

    answer = browser.post("/reply-templates", {**form, "name": "Naam", "text": "getypt", **changes})

    assert status == answer.status_code
    assert str(changes.get("text", "getypt")) in answer.text


# ---- what meets a locked app


@pytest.mark.parametrize(
    "path", ["/reply-templates", "/calendar", "/about/texts", "/search", "/mailbox/{}/casefile/notes"]
)
def test_every_form_that_meets_a_locked_app_is_kept(world: World, browser: AdviserBrowser, path: str) -> None:
    where = path.format(a_source(world).address)

    answer = browser.post(where, {"token": "x", "text": "getypt en bewaard"})

    assert (303, "/unlock?reason=kept") == (answer.status_code, answer.headers["Location"])
    browser.unlock()
    page = browser.get("/unsent")
    assert "getypt en bewaard" in page.text
    action = re.search(r'action="(/unsent/\w+)"', page.text)
    assert action is not None
    browser.post(action[1], {"token": token(page, action[1]), "what": "forget"})
    assert "getypt en bewaard" not in browser.get("/unsent").text


def test_what_was_kept_is_named_as_on_its_own_page(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    typed = {"step_text": "een stap", "next": "wij bellen", "handover": "voor jou", "elsewhere": "x"}
    browser.post("/reply-templates", {"token": "x", **typed})
    browser.unlock()

    page = browser.get("/unsent").text

    thread = browser.get(f"/mailbox/{source.address}").text
    casefile = browser.get(f"/mailbox/{source.address}/casefile").text
    for words in (
        label_of(thread, "step_text"), label_of(thread, "next"), label_of(casefile, "handover"), "elsewhere",
    ):  # fmt: skip
        assert f"<h3><bdi>{words}</bdi></h3>" in page


def test_a_form_without_words_leaves_nothing_behind(browser: AdviserBrowser) -> None:
    answer = browser.post("/reply-templates", {"token": "x"})

    assert "/unlock" == answer.headers["Location"]
    assert "/inbox" == browser.unlock().headers["Location"]


def test_what_cannot_be_kept_is_shown_to_be_copied(world: World, browser: AdviserBrowser) -> None:
    world.execute("DELETE FROM letterhead")

    answer = browser.post("/reply-templates", {"token": "x", "text": "getypt"})

    assert 503 == answer.status_code
    assert "getypt" in answer.text
    assert hooks(answer.text, "refusal") == ["not_kept"]


def test_another_sites_form_is_not_kept(browser: AdviserBrowser) -> None:
    answer = browser.post("/reply-templates", {"text": "van elders"}, Origin="http://evil.example")

    assert 403 == answer.status_code
    assert "/inbox" == browser.unlock().headers["Location"]


def test_a_form_that_is_not_ours_decides_nothing(browser: AdviserBrowser) -> None:
    opened(browser)

    assert 403 == browser.post(f"/unsent/{'00' * 16}", {"token": "old"}).status_code
    assert 403 == browser.post("/unsent/zz", {"token": "old"}).status_code
