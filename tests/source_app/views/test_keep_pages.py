"""Nothing that a source typed is lost: not by a link, another language, a refusal or a broken upload."""

import io
import re
import sqlite3
from collections.abc import Iterator
from html import escape, unescape
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from protocol.mailbox_keys import MailboxKeys
from protocol.session import token_hash
from store.errors import StoreError
from store.sessions import SessionStore
from tests.pages import hooks
from tests.source_app.answering_proposals import form_of, path_of, say
from tests.source_app.desks import MULTIPART, ADesk, SourceBrowser, ToGo, multipart
from tests.source_app.views import broken_stores

TEXT = "do not lose <me>"
# Ways off a page that do not carry its text, each with its reason.
_WITHOUT_TEXT = {"/en/leave": "a source who leaves in a hurry leaves the text"}
_LOG_OUT = {"text": TEXT, "look": "/en/log-out"}


def typed_text(page: str) -> str:
    found = re.search(r'<textarea[^>]*name="text"[^>]*>\r?\n?(.*?)</textarea>', page, re.DOTALL)
    return unescape(found[1]) if found else ""


def links_of(page: str) -> list[str]:
    """Return where the links of a page with a form lead: the form carries its text to them."""
    return re.findall(r'<button[^>]* form="typed"[^>]* name="look" value="([^"]*)"', page)


def _hidden_links(page: str) -> list[str]:
    """Return where the links for text browsers lead. They open another tab, and other browsers hide them."""
    return re.findall(r'<a class="unstyled" href="([^"]*)"[^>]* target="_blank" rel="noopener">', page)


def test_every_link_of_the_page_to_write_on_keeps_the_text(source: SourceBrowser) -> None:
    page = source.get("/en/mailbox/write").text
    plain = set(re.findall(r'<a (?!class="unstyled")[^>]*href="([^"]*)"', page))
    links = links_of(page)

    assert plain == {"/en/leave", "#content"}
    assert [links[0], *_hidden_links(page)] == [link for link in links if link != "/en/log-out"]
    assert hooks(page, "text") == []
    assert {"/nl/mailbox/write", "/en/help#danger", "/en/help#talk", "/en/mailbox", "/en/privacy"} < set(
        links
    )
    for link in set(links) - {"/en/log-out"}:
        left = source.post("/en/mailbox/keep", {**source.form_context(), "text": TEXT, "look": link})
        assert (left.status_code, left.location) == (303, link)
        for lang in ("en", "nl"):
            back = source.get(f"/{lang}/mailbox/write").text
            assert typed_text(back) == TEXT
            assert hooks(back, "text") == ["kept"]  # and says that files must be chosen again
    assert hooks(source.get("/en/mailbox").text, "notice") == ["waiting", "unsent"]


def test_the_wish_about_a_proposal_survives_its_links(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    made = a_desk.propose(keys, "to pass on")
    page = source.get(path_of(made)).text
    assert {"/nl" + path_of(made)[3:], "/en/mailbox/write"} < set(links_of(page))  # also to ask a question

    form = {**form_of(source, made), "text": TEXT, "look": "/en/mailbox/write"}
    left = source.post("/en/mailbox/keep", {**form, "proposal": made.envelope.entry_id.hex()})

    assert left.location == "/en/mailbox/write"
    assert typed_text(source.get(path_of(made)).text) == TEXT
    assert typed_text(source.get("/en/mailbox/write").text) == ""


def test_the_enter_key_in_a_tick_box_does_not_leave_the_page(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """The Enter key presses the form's first button, and a link in the page's head is such a button."""
    made = a_desk.propose(keys, "to pass on")

    assert links_of(source.get(path_of(made)).text)[0] == path_of(made)


@pytest.mark.parametrize(
    ("files", "refusal"),
    [
        ([("a", b"1")] * 4, "too_many_files"),
        ([("a", b"1" * 9_000_000)], "files_too_large"),
        ([("a", b"1"), ("b" * 20_000, b"1")], "unreadable"),
    ],
)
def test_after_a_refused_file_the_back_button_still_finds_the_text(
    source: SourceBrowser, files: list[tuple[str, bytes]], refusal: str
) -> None:
    refused = source.write(TEXT, files)

    assert hooks(refused.text, "refusal") == [refusal]
    assert typed_text(refused.text) == TEXT
    assert typed_text(source.get("/en/mailbox/write").text) == TEXT


def test_an_upload_that_is_cut_in_the_middle_keeps_the_text(source: SourceBrowser) -> None:
    """The browser shows its own error, and never sees our answer. The person goes back, or opens the site."""
    body = multipart({**source.form_context(), "text": TEXT}, [("a.jpg", b"x" * 100_000)], end=False)

    source.send(body[:-50_000], length=len(body))

    assert typed_text(source.get("/en/mailbox/write").text) == TEXT
    later = source.client
    later.delete_cookie("mailbox")
    source.log_in(source.passphrase)
    assert typed_text(source.get("/en/mailbox/write").text) == TEXT


def test_after_a_refused_wish_the_back_button_still_finds_it(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    made = a_desk.propose(keys, "to pass on")

    source.post(path_of(made), {**form_of(source, made), "verdict": "agreed", "text": TEXT})

    assert typed_text(source.get(path_of(made)).text) == TEXT


def test_a_sent_text_is_no_unsent_text_any_more(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    made = a_desk.propose(keys, "to pass on")
    source.write(TEXT, [("a", b"1")] * 4)
    source.post(path_of(made), {**form_of(source, made), "verdict": "agreed", "text": TEXT})

    assert source.write(TEXT).status_code == 303
    assert typed_text(source.get("/en/mailbox/write").text) == ""
    wish = {**form_of(source, made), "verdict": "changes_asked", "text": TEXT}
    assert source.post(path_of(made), wish).status_code == 303
    assert typed_text(source.get(path_of(made)).text) == ""


def test_an_older_tab_does_not_delete_the_text_of_another_tab(source: SourceBrowser) -> None:
    older = source.form_context()
    keep = "/en/mailbox/keep"
    source.post(keep, {**source.form_context(), "text": TEXT, "look": "/en/help"})

    left = source.post(keep, {**older, "text": "", "look": "/en/help"})
    sent = source.write("another text", form_context=older)

    assert (left.location, sent.status_code) == ("/en/help", 303)
    assert typed_text(source.get("/en/mailbox/write").text) == TEXT


def test_a_source_deletes_a_kept_text_by_emptying_its_form(source: SourceBrowser) -> None:
    keep = "/en/mailbox/keep"
    source.post(keep, {**source.form_context(), "text": TEXT, "look": "/en/help"})

    source.post(keep, {**source.form_context(), "text": "", "look": "/en/help"})

    assert typed_text(source.get("/en/mailbox/write").text) == ""


def test_a_text_that_was_kept_and_then_sent_with_the_back_button_is_kept_no_more(
    source: SourceBrowser,
) -> None:
    first = source.form_context()
    source.post("/en/mailbox/keep", {**first, "text": TEXT, "look": "/en/help"})

    source.write(TEXT, form_context=first)

    assert typed_text(source.get("/en/mailbox/write").text) == ""


def test_a_link_that_is_followed_after_the_session_ended_gives_the_text_back(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    form = {**source.form_context(), "text": TEXT, "look": "/en/help"}
    a_desk.desk.sessions.drop(token_hash(a_desk.token_of(source)))

    asked = source.post("/en/mailbox/keep", form)

    assert typed_text(asked.text) == TEXT
    back = source.log_in(source.passphrase, **source.hidden(asked, "/en/log-in"), text=TEXT)
    assert (hooks(back.text, "page"), typed_text(back.text)) == (["mailbox/write"], TEXT)


def test_the_log_in_page_keeps_the_text_in_another_language(source: SourceBrowser) -> None:
    form = source.form_context()
    source.client.delete_cookie("mailbox")
    asked = source.write(TEXT, form_context=form)
    assert 'formaction="/nl/log-in"' in asked.text
    assert set(re.findall(r'<a [^>]*href="/en/help[^>]*', asked.text)) == set(
        re.findall(r'<a [^>]*href="/en/help[^>]* target="_blank"[^>]*', asked.text)
    )

    carried = {**source.hidden(asked, "/en/log-in"), "text": TEXT, "words": "half of", "look": "nl"}
    dutch = source.post("/nl/log-in", carried)

    assert '<html lang="nl"' in dutch.text
    assert typed_text(dutch.text) == TEXT
    assert "half of</textarea>" in dutch.text
    assert "Set-Cookie" not in dutch.headers


def test_a_text_of_another_mailbox_is_not_kept_in_this_one(source: SourceBrowser) -> None:
    form = {**source.form_context(), "text": TEXT, "look": "/en/help"}
    source.start()

    returned = source.post("/en/mailbox/keep", form)

    assert hooks(returned.text, "refusal") == ["other_mailbox"]
    source.write(TEXT, form_context=form)
    assert typed_text(source.get("/en/mailbox/write").text) == ""


@pytest.mark.parametrize(
    "look",
    [
        "",
        "https://example.org/",
        "//example.org/en/",
        "//nl/",  # another host, whose name is an address of this site
        "//style.css",
        "/\\example.org/",
        "/en/mailbox/keep",
        "javascript:0",
        "en/",
        "/en/help#\r\nSet-Cookie: a=b",
    ],
)
def test_a_link_never_leads_to_another_site(source: SourceBrowser, look: str) -> None:
    left = source.post("/en/mailbox/keep", {**source.form_context(), "text": TEXT, "look": look})

    assert left.location == "/en/mailbox"


def _send_half(source: SourceBrowser, path: str, form: dict[str, str], end: int) -> TestResponse:
    """Post the first `end` bytes of a form, whose header promises the whole form."""
    body = urlencode(form).encode()
    given = {
        "wsgi.input": io.BytesIO(body[:end]),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
    }
    return source.client.post(path, environ_overrides=given)


@pytest.mark.parametrize("cut", ["in the text", "after the text"])
@pytest.mark.parametrize("form_of_text", ["an answer", "a followed link"])
def test_nothing_typed_is_lost_when_a_form_is_cut_off(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, form_of_text: str, cut: str
) -> None:
    made = a_desk.propose(keys, "to pass on")
    if form_of_text == "an answer":
        path, form = path_of(made), {**form_of(source, made), "text": "keep me", "verdict": "changes_asked"}
    else:
        path, form = "/en/mailbox/keep", {**source.form_context(), "text": "keep me", "look": "/en/help"}
    end = urlencode(form).index("keep+me") + (5 if cut == "in the text" else 10)

    refused = _send_half(source, path, form, end)

    assert refused.status_code == 400
    assert ("keep </textarea>" if cut == "in the text" else "keep me</textarea>") in refused.text
    assert hooks(refused.text, "text") == hooks(source.get("/en/mailbox/write").text, "text") == []
    assert source.post(path, form).status_code == 303


@pytest.mark.parametrize("path", ["/en/mailbox/keep", "/en/log-in"])
def test_a_form_of_another_kind_is_refused_with_a_page(source: SourceBrowser, path: str) -> None:
    refused = source.client.post(path, data=multipart({"text": TEXT}, []), content_type=MULTIPART)

    assert refused.status_code == 400
    assert hooks(refused.text, "failure") == ["400"]


def test_without_room_for_a_text_the_page_gives_the_text_to_copy(
    source: SourceBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {**source.form_context(), "text": TEXT, "look": "/en/help"}

    def fail(*_: object, **_more: object) -> None:
        raise StoreError("no room")

    monkeypatch.setattr(SessionStore, "change_long", fail)
    refused = source.post("/en/mailbox/keep", form)
    again = source.write(TEXT, [("a", b"1")] * 4)

    assert refused.status_code == 503
    assert "do not lose &lt;me&gt;</textarea>" in refused.text
    assert typed_text(again.text) == TEXT


def test_the_end_of_the_mailbox_deletes_its_unsent_texts(a_desk: ADesk, source: SourceBrowser) -> None:
    names = len(_session_rows(a_desk))
    source.write(TEXT, [("a", b"1")] * 4)
    end = "/en/mailbox/end"

    source.post(end, {**source.hidden(source.get(end), end), "sure": "y"})

    assert len(_session_rows(a_desk)) == names - 1  # the session has ended too


def _session_rows(a_desk: ADesk) -> list[bytes]:
    with sqlite3.connect(a_desk.config.sessions_path) as connection:
        return [name for (name,) in connection.execute("SELECT token_hash FROM session")]


def test_a_page_with_a_text_to_copy_opens_its_links_in_another_tab(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    """The mailbox has ended, so the page can only show the text."""
    form = source.form_context()
    other = a_desk.browser()
    other.log_in(source.passphrase)
    end = "/en/mailbox/end"
    other.post(end, {**other.hidden(other.get(end), end), "sure": "y"})

    page = source.write(TEXT, form_context=form).text

    assert hooks(page, "kept") == ["text"]
    links = re.findall(r'<a [^>]*href="/[^>]*>', page)
    stays = [link for link in links if 'target="_blank"' not in link]
    assert [re.findall('href="([^"]*)"', link)[0] for link in stays] == ["/en/leave"]
    assert all('target="_blank"' in link for link in links if "hreflang" in link)


class _Ways(HTMLParser):
    """Collects where the links and the forms of a page lead that would replace the page without its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lossy: set[str] = set()
        self._form: dict[str, str | None] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._form = given
        if tag == "a":
            href = given.get("href") or ""
            is_kept = given.get("target") == "_blank" or "download" in given or href.startswith("#")
            self.lossy |= set() if is_kept else {href}
        if tag == "button":
            form = given.get("form") or self._form.get("id")
            is_kept = form == "typed" or self._form.get("target") == "_blank"
            self.lossy |= set() if is_kept else {self._form.get("action") or ""}

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = {}


def _pages_with_a_text(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    """Return every page that shows a text that was not sent."""
    source, visitor, stranger = a_desk.browser(), a_desk.browser(), a_desk.browser()
    source.start()
    source.write("the first message")
    stranger.start()
    keys = a_desk.keys_of(source)
    form = source.form_context()
    yield "refused", source.write(TEXT, [("a", b"1")] * 4)
    yield "kept", source.get("/en/mailbox/write")
    yield "another mailbox", stranger.write(TEXT, form_context=form)
    yield "expired", (expired := visitor.write(TEXT, form_context=form))
    waiting = {**visitor.hidden(expired, "/en/log-in"), "text": TEXT}
    yield "in another language", visitor.post("/en/log-in", {**waiting, "look": "en"})
    yield "wrong words", visitor.log_in("abacus", **waiting)
    old = a_desk.propose(keys, "old", files=[ToGo("a.pdf", b"x")])
    answer = form_of(source, old)
    new = a_desk.propose(keys, "new", files=[ToGo("a.pdf", b"x")])
    yield "obsolete", source.post(path_of(old), {**answer, "verdict": "changes_asked", "text": TEXT})
    yield "wish", say(source, new, "agreed", text=TEXT)
    say(source, new, "agreed", sure="y")
    yield "agreed", say(source, new, "agreed", sure="y", text=TEXT)
    repair = broken_stores.missing(a_desk)
    yield "no store", source.write(TEXT, form_context=form)
    yield "no store for the log-in", visitor.log_in(source.passphrase, **waiting)
    repair()
    a_desk.end(source)
    yield "gone", source.write(TEXT, form_context=form)


def test_no_link_and_no_form_of_a_page_with_a_text_loses_the_text(a_desk: ADesk) -> None:
    lossy = {}
    for name, page in _pages_with_a_text(a_desk):
        assert f"{escape(TEXT)}</textarea>" in page.text, name
        lossy[name] = _Ways(page.text).lossy - set(_WITHOUT_TEXT)

    assert {name: ways for name, ways in lossy.items() if ways} == {}
    assert len(lossy) == 12


def test_who_takes_back_an_agreement_keeps_the_wish_of_another_tab(
    source: SourceBrowser, a_desk: ADesk, keys: MailboxKeys
) -> None:
    """The page of an agreed proposal can only show the text, and its form cannot send the text."""
    made = a_desk.propose(keys, "to pass on")
    older = form_of(source, made)
    say(source, made, "agreed", sure="y")
    source.post(path_of(made), {**older, "verdict": "changes_asked", "text": TEXT})
    assert f"{escape(TEXT)}</textarea>" in source.get(path_of(made)).text

    say(source, made, "taken_back")

    page = source.get(path_of(made)).text
    assert (hooks(page, "state"), typed_text(page)) == (["taken_back"], TEXT)


def _press_log_out(source: SourceBrowser, form: dict[str, str]) -> None:
    """Press the button, which always ends the session and never shows the text."""
    left = source.post("/en/mailbox/keep", {**form, **_LOG_OUT})
    assert (left.status_code, left.location) == (303, "/en/logged-out")
    assert TEXT not in unescape(left.text)
    assert "cookies" in left.headers["Clear-Site-Data"]
    assert source.get("/en/mailbox").location == "/en/log-in"


def test_a_log_out_keeps_the_text_for_the_next_log_in_with_the_passphrase(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    page = source.get("/en/mailbox/write")
    assert "/en/log-out" in links_of(page.text)

    _press_log_out(source, source.form_context())

    assert TEXT not in unescape(source.get("/en/mailbox/write").text)
    stranger = a_desk.browser()
    stranger.start()
    assert typed_text(stranger.get("/en/mailbox/write").text) == ""
    source.log_in(source.passphrase)
    assert typed_text(source.get("/en/mailbox/write").text) == TEXT


def test_a_log_out_from_a_proposal_keeps_the_wish(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    made = a_desk.propose(keys, "to pass on")

    _press_log_out(source, {**form_of(source, made), "proposal": made.envelope.entry_id.hex()})

    source.log_in(source.passphrase)
    assert typed_text(source.get(path_of(made)).text) == TEXT


@pytest.mark.parametrize("why", ["another mailbox", "the session has ended", "no store of the sessions"])
def test_a_log_out_that_cannot_keep_the_text_logs_out_all_the_same(
    a_desk: ADesk, source: SourceBrowser, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """Broken promise: a source who leaves in a hurry leaves a page with the text behind."""
    form, first = source.form_context(), source.passphrase

    def fail(*_: object, **_more: object) -> None:
        raise StoreError("no room")

    if why == "another mailbox":
        source.start()
    elif why == "the session has ended":
        a_desk.desk.sessions.drop(token_hash(a_desk.token_of(source)))
    else:
        monkeypatch.setattr(SessionStore, "change_long", fail)
    _press_log_out(source, form)

    for passphrase in (first, source.passphrase):
        source.log_in(passphrase)
        assert typed_text(source.get("/en/mailbox/write").text) == ""


def test_an_empty_form_of_another_mailbox_deletes_no_text(source: SourceBrowser) -> None:
    keep = "/en/mailbox/keep"
    source.post(keep, {**source.form_context(), "text": TEXT, "look": "/en/help"})
    first, older = source.passphrase, source.form_context()
    source.start()
    source.post(keep, {**source.form_context(), "text": TEXT, "look": "/en/help"})

    source.post(keep, {**older, "text": "", "look": "/en/help"})

    assert older["kept"]
    for passphrase in (source.passphrase, first):
        source.log_in(passphrase)
        assert typed_text(source.get("/en/mailbox/write").text) == TEXT
