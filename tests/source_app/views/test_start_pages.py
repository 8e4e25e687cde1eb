"""Starting and logging in: no mailbox opens by accident, and no one learns whether a mailbox exists."""

import re
from pathlib import Path

import pytest

from source_app.errors import PassphraseRefusedError, TicketRefusal
from source_app.services import deleting, login
from store import mailboxes
from tests.pages import hooks
from tests.source_app.desks import TODAY, ADesk, SourceBrowser, make_desk
from tests.source_app.refusals import refuses
from web.dates import half_hour_now


def mailboxes_in(a_desk: ADesk) -> int:
    with a_desk.store.reading() as reading:
        return len(mailboxes.all_addresses(reading))


def test_no_cookie_comes_before_a_mailbox_is_open(a_desk: ADesk) -> None:
    source = a_desk.browser()

    for path in ("/", "/en/", "/nl/", "/en/log-in", "/en/help", "/en/privacy", "/en/accessibility"):
        page = source.get(path)
        assert page.status_code == 200
        assert "Set-Cookie" not in page.headers


def test_the_cookie_is_a_random_token_for_this_session_and_this_site_alone(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()

    cookie = source.log_in(source.passphrase).headers["Set-Cookie"]

    assert re.fullmatch(r"mailbox=[\w-]{108}; HttpOnly; Path=/; SameSite=Strict", cookie)


def test_without_cookies_a_page_says_so_before_a_mailbox_is_made(a_desk: ADesk) -> None:
    source = SourceBrowser(a_desk.app.test_client(use_cookies=False))
    shown = source.get("/en/begin")
    words = " ".join(re.findall(r"<span>([a-z]+)</span>", shown.text))

    form = {**source.hidden(shown, "/en/practise"), "words": words}
    refused = source.client.post("/en/practise", data=form)

    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == ["no_cookie"]
    assert words in refused.text
    assert mailboxes_in(a_desk) == 0

    with_cookies = a_desk.browser()
    with_cookies.get("/en/begin")
    form = {**source.hidden(refused, "/en/practise"), "words": words}
    assert with_cookies.post("/en/practise", form).status_code == 303
    assert mailboxes_in(a_desk) == 1


def test_the_page_for_the_words_keeps_the_session_of_another_mailbox(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()

    page = source.get("/en/begin")

    assert "Set-Cookie" not in page.headers
    assert "for_another_mailbox" in hooks(page.text, "notice")
    assert source.get("/en/mailbox/write").status_code == 200


def test_over_tls_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    a_desk = make_desk(tmp_path, origin="https://localhost")
    source = a_desk.browser()
    shown = source.get("/en/begin")
    words = " ".join(re.findall(r"<span>([a-z]+)</span>", shown.text))

    entered = source.post("/en/practise", {**source.hidden(shown, "/en/practise"), "words": words})

    assert re.fullmatch(
        r"__Host-mailbox=[\w-]{108}; Secure; HttpOnly; Path=/; SameSite=Strict", entered.headers["Set-Cookie"]
    )
    a_desk.store.close()


def test_a_fresh_passphrase_stores_nothing(a_desk: ADesk) -> None:
    a_desk.browser().get("/en/begin")

    assert mailboxes_in(a_desk) == 0


def test_a_typing_error_opens_no_second_mailbox_and_names_the_word(a_desk: ADesk) -> None:
    source = a_desk.browser()
    shown = source.get("/en/begin")
    words = re.findall(r"<span>([a-z]+)</span>", shown.text)
    ticket = source.hidden(shown, "/en/practise")

    typo = source.post("/en/practise", {**ticket, "words": " ".join([*words[:2], "qqqqqq", *words[3:]])})

    assert typo.status_code == 422
    assert hooks(typo.text, "refusal") == ["other_words"]
    assert hooks(typo.text, "wrong") == hooks(typo.text, "unknown") == ["3"]
    assert mailboxes_in(a_desk) == 0
    assert (
        source.post(
            "/en/practise", {**source.hidden(typo, "/en/practise"), "words": " ".join(words)}
        ).status_code
        == 303
    )
    assert mailboxes_in(a_desk) == 1


@pytest.mark.parametrize(("count", "wrong"), [(6, [7]), (8, [8]), (0, [1, 2, 3, 4, 5, 6, 7])])
def test_a_word_too_few_or_too_many_is_named(a_desk: ADesk, count: int, wrong: list[int]) -> None:
    words, ticket = login.draw_passphrase(a_desk.desk, "en", now=1)

    with pytest.raises(PassphraseRefusedError) as refused:
        login.start_mailbox(a_desk.desk, ticket, " ".join([*words, "extra"][:count]), today=TODAY, now=1)

    assert refused.value.wrong == wrong


def numbered(words: list[str]) -> str:
    return " ".join(f"{number}. {word}" for number, word in enumerate(words, 1))


def test_a_numbered_list_of_the_words_opens_the_mailbox_and_starts_it(a_desk: ADesk) -> None:
    source = a_desk.browser()
    shown = source.get("/en/begin")
    words = re.findall(r"<span>([a-z]+)</span>", shown.text)
    form = source.hidden(shown, "/en/practise")

    assert source.post("/en/practise", {**form, "words": numbered(words)}).status_code == 303
    assert mailboxes_in(a_desk) == 1
    other = a_desk.browser()
    assert hooks(other.log_in_and_follow(numbered(words)).text, "refusal") == []
    assert other.get("/en/mailbox/write").status_code == 200


TYPED_WRONG = [  # words of the passphrase, how they are typed, and what the page says
    (6, " ", "6", [], []),
    (7, "", "1", ["1"], []),
    (8, " ", "8", [], []),
    (0, "", "0", [], []),
    (7, " Passphrase ", "13", [], ["2", "4", "6", "8", "10", "12"]),
]


@pytest.mark.parametrize(("words", "between", "count", "joined", "unknown"), TYPED_WRONG)
@pytest.mark.parametrize("page", ["log-in", "practise"])
def test_the_page_says_how_many_words_were_typed_and_where_a_space_is_missing(
    a_desk: ADesk, page: str, words: int, between: str, count: str, joined: list[str], unknown: list[str]
) -> None:
    source = a_desk.browser()
    shown = source.get("/en/begin")
    drawn = re.findall(r"<span>([a-z]+)</span>", shown.text)
    typed = between.join([*drawn, drawn[-1]][:words])
    ticket = source.hidden(shown, "/en/practise")

    form = {**ticket, "words": typed}
    answer = source.log_in_and_follow(typed) if page == "log-in" else source.post("/en/practise", form)

    assert hooks(answer.text, "refusal") == [{"log-in": "no_mailbox", "practise": "other_words"}[page]]
    assert (hooks(answer.text, "count"), hooks(answer.text, "joined")) == ([count], joined)
    assert set(unknown) == set(hooks(answer.text, "unknown"))


def test_seven_words_in_another_order_are_not_counted_but_their_order_is_asked(a_desk: ADesk) -> None:
    page = a_desk.browser().log_in_and_follow("abacus abdomen " * 3 + "abacus")

    assert hooks(page.text, "count") == []
    assert hooks(page.text, "hint") == ["order"]


def test_an_empty_field_says_that_it_was_empty(a_desk: ADesk) -> None:
    for typed in ("", "  ", "?!", "1. 2. 3."):
        assert hooks(a_desk.browser().log_in_and_follow(typed).text, "count") == ["0"]


def test_a_printed_passphrase_pastes_in_as_it_is(a_desk: ADesk) -> None:
    words, ticket = login.draw_passphrase(a_desk.desk, "nl", now=1)

    assert login.start_mailbox(
        a_desk.desk, ticket, "\u00a0" + "\r\n".join(words).title() + ".", today=TODAY, now=1
    )


def test_the_same_words_can_be_shown_again(a_desk: ADesk) -> None:
    source = a_desk.browser()
    shown = source.get("/en/begin")

    again = source.post("/en/begin", source.hidden(shown, "/en/practise"))

    assert re.findall(r"<span>([a-z]+)</span>", shown.text) == re.findall(
        r"<span>([a-z]+)</span>", again.text
    )


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_the_page_with_the_words_says_that_back_gives_other_words(a_desk: ADesk, lang: str) -> None:
    """The browser's Back button fetches the page again, because no address may show a passphrase twice."""
    browser = a_desk.browser()
    first = browser.get(f"/{lang}/begin")
    practise = f"/{lang}/practise"

    refused = browser.post(practise, {**browser.hidden(first, practise), "words": "abacus"})
    back = browser.get(f"/{lang}/begin")

    shown = [re.findall(r"<span>([a-z]+)</span>", page.text) for page in (first, refused, back)]
    assert shown[0] == shown[1] != shown[2]
    assert "no-store" in first.headers["Cache-Control"]
    for page in (first, refused):
        assert hooks(page.text, "back") == ["other_words"]


@pytest.mark.parametrize("path", ["/en/begin", "/en/practise"])
def test_the_next_person_at_the_device_does_not_see_the_words(a_desk: ADesk, path: str) -> None:
    source = a_desk.browser()
    ticket = source.hidden(source.get("/en/begin"), "/en/practise")
    words, ticket["ticket"] = login.draw_passphrase(a_desk.desk, "en", now=half_hour_now())
    source.post("/en/practise", {**ticket, "words": " ".join(words)})
    source.get("/en/leave")

    again = source.post(path, ticket)

    assert again.status_code == 422
    assert f"<span>{words[0]}</span>" not in again.text


@pytest.mark.parametrize("path", ["/en/begin", "/en/practise"])
def test_no_page_says_to_throw_away_the_words_of_an_open_mailbox(a_desk: ADesk, path: str) -> None:
    """The back button leads here from the page to write on. Someone who believes it loses the mailbox."""
    source = a_desk.browser()
    source.get("/en/begin")
    words, ticket = login.draw_passphrase(a_desk.desk, "en", now=half_hour_now())
    source.post("/en/practise", {"ticket": ticket, "words": " ".join(words)})

    back = source.post(path, {"ticket": ticket})

    assert hooks(back.text, "failure") == ["words_used"]
    assert 'href="/en/mailbox"' in back.text
    source.get("/en/leave")
    assert 'href="/en/log-in"' in source.post(path, {"ticket": ticket}).text


def test_the_page_prints_as_a_card_with_the_words_and_nothing_that_says_what_they_are_for(
    a_desk: ADesk,
) -> None:
    page = a_desk.browser().get("/en/begin").text
    words = re.findall(r"<span>([a-z]+)</span>", page)

    unprinted = "(?:screen|leave|masthead|foot)"
    printed = re.sub(rf'<(\w+) class="{unprinted}".*?</\1>', "", page, flags=re.DOTALL)

    assert re.sub(r"<title>.*?</title>|<[^>]+>", " ", printed).split() == words
    assert re.findall("<title>(.*?)</title>", page) == ["Words"]


def test_no_one_prepares_words_for_the_next_person_at_the_device(a_desk: ADesk) -> None:
    """Someone opens the page in the browser of a shared computer, writes down the words, and leaves."""
    browser = a_desk.browser()

    first, second = (re.findall(r"<span>([a-z]+)</span>", browser.get("/en/begin").text) for _ in range(2))

    assert len(first) == len(second) == 7
    assert first != second


def test_the_words_and_what_was_typed_stay_in_another_language(a_desk: ADesk) -> None:
    source = a_desk.browser()
    shown = source.get("/en/begin")
    assert 'formaction="/nl/begin"' in shown.text

    other = source.post("/nl/begin", {**source.hidden(shown, "/en/practise"), "words": "half", "look": "nl"})

    assert '<html lang="nl"' in other.text
    assert re.findall(r"<span>([a-z]+)</span>", other.text) == re.findall(
        r"<span>([a-z]+)</span>", shown.text
    )
    assert re.findall(r"<textarea[^>]*>\s*(.*?)</textarea>", other.text) == ["half"]
    assert hooks(other.text, "refusal") == []


def test_the_next_person_at_the_device_cannot_guess_word_by_word(a_desk: ADesk) -> None:
    words, ticket = login.draw_passphrase(a_desk.desk, "en", now=1)
    login.start_mailbox(a_desk.desk, ticket, " ".join(words), today=TODAY, now=1)

    with refuses(TicketRefusal.USED):
        login.start_mailbox(a_desk.desk, ticket, " ".join([*words[:6], "guess"]), today=TODAY, now=1)


@pytest.mark.parametrize("path", ["/en/begin", "/en/practise"])
def test_a_ticket_of_another_server_is_refused_kindly(a_desk: ADesk, path: str) -> None:
    refused = a_desk.browser().post(path, {"ticket": "made up"})

    assert refused.status_code == 422
    assert hooks(refused.text, "failure") == ["ticket_expired"]


def test_old_words_open_nothing(a_desk: ADesk) -> None:
    words, ticket = login.draw_passphrase(a_desk.desk, "en", now=1)

    with refuses(TicketRefusal.EXPIRED):
        login.start_mailbox(a_desk.desk, ticket, " ".join(words), today=TODAY, now=100)


def test_practising_twice_is_one_mailbox(a_desk: ADesk) -> None:
    words, ticket = login.draw_passphrase(a_desk.desk, "en", now=1)

    for _ in range(2):
        login.start_mailbox(a_desk.desk, ticket, " ".join(words), today=TODAY, now=1)

    assert mailboxes_in(a_desk) == 1


def test_a_mailbox_that_has_ended_does_not_open_again_from_the_practise_page(a_desk: ADesk) -> None:
    words, ticket = login.draw_passphrase(a_desk.desk, "en", now=1)
    opened = login.start_mailbox(a_desk.desk, ticket, " ".join(words), today=TODAY, now=1)
    keys = opened.keys
    deleting.end_mailbox(a_desk.desk, opened, keys, a_desk.form_context(keys), today=TODAY)

    with refuses(TicketRefusal.USED):
        login.start_mailbox(a_desk.desk, ticket, " ".join(words), today=TODAY, now=1)


@pytest.mark.parametrize("path", ["/en/practise", "/en/log-in"])
def test_a_store_that_does_not_answer_gives_the_form_back(a_desk: ADesk, path: str) -> None:
    source = a_desk.browser()
    source.start()
    words, ticket = login.draw_passphrase(a_desk.desk, "en", now=half_hour_now())
    typed = " ".join(words) if path == "/en/practise" else source.passphrase
    away = a_desk.config.store_path.rename(a_desk.config.store_path.with_name("away"))

    refused = source.post(path, {"ticket": ticket, "words": typed, "text": "do not lose me"})

    away.rename(a_desk.config.store_path)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert hooks(refused.text, "refusal") == ["store"]
    assert f"{typed}</textarea>" in refused.text
    again = {**source.hidden(refused, path), "words": typed}
    assert source.post(path, again).status_code == 303


def test_after_log_out_the_back_button_finds_the_log_in_page(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()
    cookie = source.client.get_cookie("mailbox")
    assert cookie is not None
    page = source.get("/en/mailbox")

    left = source.post("/en/log-out", source.hidden(page, "/en/log-out"))

    assert left.status_code == 303
    assert hooks(source.get(left.location).text, "page") == ["begin/logged_out"]
    assert "cookies" in left.headers["Clear-Site-Data"]
    source.client.set_cookie("mailbox", cookie.value)  # a copy of the cookie
    assert source.get("/en/mailbox").location == "/en/log-in"


def test_another_site_cannot_log_a_source_out(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()

    forged = source.client.post("/en/log-out", headers={"Origin": "https://evil.example"})

    assert forged.status_code == 403
    assert source.get("/en/mailbox").status_code == 200


@pytest.mark.parametrize("fields", [{}, {"token": "of a page of an earlier session"}])
def test_logging_out_always_ends_the_session_of_the_cookie(a_desk: ADesk, fields: dict[str, str]) -> None:
    source = a_desk.browser()
    source.start()
    copied = _cookie(source)

    left = source.post("/en/log-out", fields)

    assert "Clear-Site-Data" in left.headers
    assert not _opens_a_mailbox(a_desk, copied)


@pytest.mark.parametrize("again", ["log in", "start"])
def test_a_second_log_in_of_a_browser_ends_its_first_session(a_desk: ADesk, again: str) -> None:
    source = a_desk.browser()
    source.start()
    first = _cookie(source)

    if again == "start":
        source.start()
    else:
        source.log_in(source.passphrase)

    assert not _opens_a_mailbox(a_desk, first)
    assert _opens_a_mailbox(a_desk, _cookie(source))


@pytest.mark.parametrize("name", ["Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"])
def test_a_browser_that_fetches_the_way_out_in_advance_logs_no_one_out(a_desk: ADesk, name: str) -> None:
    source = a_desk.browser()
    source.start()

    fetched = source.client.get("/en/leave", headers={name: "prefetch"})
    head = source.client.head("/en/leave")

    assert [(each.status_code, each.location) for each in (fetched, head)] == [
        (303, "https://example.org/")
    ] * 2
    assert all("Clear-Site-Data" not in each.headers for each in (fetched, head))
    assert source.get("/en/mailbox").status_code == 200


def _cookie(source: SourceBrowser) -> str:
    cookie = source.client.get_cookie("mailbox")
    assert cookie is not None
    return str(cookie.value)


def _opens_a_mailbox(a_desk: ADesk, cookie: str) -> bool:
    other = a_desk.browser()
    other.client.set_cookie("mailbox", cookie)
    return other.get("/en/mailbox").status_code == 200


def test_the_way_out_ends_the_session_and_leads_elsewhere(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()
    token = a_desk.token_of(source)

    left = source.get("/en/leave")

    assert left.status_code == 303
    assert left.location == "https://example.org/"
    assert "Clear-Site-Data" in left.headers
    assert login.find_session(a_desk.desk, token, now=half_hour_now()) is None


def test_leaving_works_without_a_session(a_desk: ADesk) -> None:
    assert a_desk.browser().get("/nl/leave").status_code == 303


@pytest.mark.parametrize("cookie", ["", "zz", "00", "00" * 32])
def test_a_made_up_cookie_opens_nothing(a_desk: ADesk, cookie: str) -> None:
    source = a_desk.browser()
    source.client.set_cookie("mailbox", cookie)

    assert source.get("/en/mailbox").location == "/en/log-in"


def test_a_session_lasts_while_it_is_used_and_no_longer(a_desk: ADesk) -> None:
    words, ticket = login.draw_passphrase(a_desk.desk, "en", now=1)
    token = login.start_mailbox(a_desk.desk, ticket, " ".join(words), today=TODAY, now=1).token

    assert login.find_session(a_desk.desk, token, now=2)
    assert login.find_session(a_desk.desk, token, now=3)
    assert login.find_session(a_desk.desk, token, now=5) is None


def test_after_a_restart_of_the_server_no_session_opens(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()
    token = login.log_in(a_desk.desk, source.passphrase, now=1).token
    restarted = login.PublicDesk(
        **{
            name: getattr(a_desk.desk, name) for name in login.PublicDesk.__slots__ if name != "server_secret"
        },
        server_secret=bytes(32),
    )

    assert login.find_session(restarted, token, now=1) is None
