import html
import io
import os
import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from babel.messages import extract, pofile
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from crypto.age import PQIdentity
from journalist_app import create_adviser_app
from journalist_app.desk.casefile import Casefile, Evidence, EvidenceKind, PassedOn
from journalist_app.files import presealed
from journalist_app.files.presealed import BLOCKS_OF_A_TEXT, DECRYPTIONS_PER_PAGE
from journalist_app.services import inbox_rows
from journalist_app.services.inbox_rows import UnsoundRow
from journalist_app.services.mailbox import read_thread
from journalist_app.services.records import casefiles
from protocol.content import TEXT_CHARS, AnswerNote, Content, Kind, PassOnRecipient, ProposalNote, Verdict
from protocol.identifiers import Digest, mailbox_label, receipt_number, sealing_words
from protocol.pouch.pouch_file import SERVER
from store import outbox, peers
from tests.journalist_app.checking import check_everything
from tests.journalist_app.desk_factories import ORIGIN, PASSPHRASE, TODAY, ASource, World, a_source
from tests.journalist_app.files.sealing import age_armour, age_file, recipient_of
from tests.journalist_app.views.paper import KEY, Paper
from tests.pages import hooks

HOST = {"Host": "127.0.0.2:8081"}
PACKAGE = Path(__file__).parents[3] / "journalist_app"


@dataclass(slots=True)
class AdviserBrowser:
    """A browser without JavaScript, in front of the adviser's interface.

    Every answer is read to its end and closed: the file that it came from is not left to the garbage
    collector.
    """

    app: Flask
    ended: list[bool]
    headers: dict[str, str] = field(default_factory=lambda: {**HOST, "Accept-Language": "en"})
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client(use_cookies=False)

    def get(self, path: str) -> TestResponse:
        return self._keep(self.client.get(path, headers=self.headers, buffered=True))

    def post(self, path: str, form: dict[str, object], **headers: str) -> TestResponse:
        return self._keep(
            self.client.post(path, data=form, headers={**self.headers, **headers}, buffered=True)
        )

    def answer(self, path: str, form: dict[str, object]) -> TestResponse:
        return self.client.post(
            f"{path}/answer",
            data=form,
            headers=self.headers,
            content_type="multipart/form-data",
            buffered=True,
        )

    def previews(self, mailbox: str, form: dict[str, object]) -> TestResponse:
        """Preview a proposal, and reload the page until its files are examined."""
        answer = self.client.post(
            f"{mailbox}/propose", data=form, headers=self.headers, content_type="multipart/form-data"
        )
        while "Refresh" in answer.headers:
            answer = self.get(answer.headers["Refresh"].partition("url=")[2])
        return answer

    def unlock(self) -> TestResponse:
        page = self.get("/unlock")
        return self.post("/unlock", {"token": token(page, "/unlock"), "passphrase": PASSPHRASE})

    def _keep(self, answer: TestResponse) -> TestResponse:
        for cookie in answer.headers.getlist("Set-Cookie"):
            kept = dict(each.split("=", 1) for each in self.headers.get("Cookie", "").split("; ") if each)
            name, _, value = cookie.split(";")[0].partition("=")
            kept[name] = value
            self.headers["Cookie"] = "; ".join(f"{each}={kept[each]}" for each in kept)
        return answer


@pytest.fixture
def browser(world: World) -> AdviserBrowser:
    return a_browser(world)


def a_browser(world: World) -> AdviserBrowser:
    ended: list[bool] = []
    app = create_adviser_app(
        world.config, world.store, end_worker=lambda: ended.append(True), today=lambda: TODAY
    )
    return AdviserBrowser(app, ended)


def token(page: TestResponse, action: str) -> str:
    found = re.search(rf'action="{action}">.*?name="token" value="(\w+)"', page.text, re.DOTALL)
    assert found is not None
    return found[1]


def answer_fields(page: TestResponse, text: str) -> dict[str, object]:
    fields = dict(
        re.findall(
            r'<input type="hidden" name="(\w+)" value="(\w*)">', page.text[: page.text.rfind("<footer")]
        )
    )
    action = re.search(r'action="(/mailbox/\w+/answer)"', page.text)
    assert action is not None
    return {
        "token": token(page, action[1]),
        "entry_id": fields["entry_id"],
        "heads": fields["heads"],
        "step_id": fields["step_id"],
        "text": text,
    }


def settle(browser: AdviserBrowser) -> None:
    """Check the store as the background threads do, so that a test sees the pages after the check."""
    extensions = browser.app.extensions
    check_everything(extensions["auto_lock"]._desk, extensions["today"]())


# ---- unlocking


def test_another_hosts_name_is_refused(browser: AdviserBrowser) -> None:
    for host in ("localhost:8081", "127.0.0.2", "evil.example", "127.0.0.2:8081.evil.example"):
        browser.headers["Host"] = host
        assert browser.get("/unlock").status_code == 421
        assert browser.get("/static/style.css").status_code == 421


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://127.0.0.1:8080"}],
)  # fmt: skip
def test_another_sites_form_is_refused(browser: AdviserBrowser, headers: dict[str, str]) -> None:
    page = browser.get("/unlock")
    form: dict[str, object] = {"token": token(page, "/unlock"), "passphrase": PASSPHRASE}

    assert (
        browser.client.post("/unlock", data=form, headers={**browser.headers, **headers}).status_code == 403
    )
    assert browser.post("/unlock", form, Origin=ORIGIN).status_code == 303


def test_a_form_without_its_token_changes_nothing(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    assert browser.post("/unlock", {"token": "x", "passphrase": PASSPHRASE}).status_code == 403
    browser.unlock()

    assert browser.post("/lock", {"token": "x"}).headers["Location"] == "/inbox"
    assert browser.post("/replace-trusted-state", {}).status_code == 403
    assert browser.post(f"/inbox/ended/{source.address}", {}).status_code == 403
    page = browser.get(f"/mailbox/{source.address}")
    refused = browser.answer(
        f"/mailbox/{source.address}", {**answer_fields(page, "mijn tekst"), "token": "x"}
    )
    assert refused.status_code == 403
    assert "mijn tekst" in refused.text
    assert browser.ended == []


def test_every_answer_is_hardened(browser: AdviserBrowser) -> None:
    browser.unlock()

    for path in ("/inbox", "/unlock", "/nowhere", "/static/style.css", "/about"):
        with browser.get(path) as answer:
            headers = answer.headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Referrer-Policy"] == "same-origin"
        assert "ETag" not in headers


def test_the_cookie_tells_nothing_and_goes_nowhere(browser: AdviserBrowser) -> None:
    cookie = browser.unlock().headers["Set-Cookie"]

    assert re.fullmatch(r"adviser=[0-9a-f]{64}; HttpOnly; Path=/; SameSite=Strict", cookie)


@pytest.mark.parametrize("path", ["/inbox", "/about", "/mailbox/00", "/mailbox/00/files/00"])
@pytest.mark.parametrize("cookie", ["", "adviser=zz", "adviser=00"])
def test_a_locked_app_shows_nothing(browser: AdviserBrowser, path: str, cookie: str) -> None:
    browser.headers["Cookie"] = cookie

    answer = browser.get(path)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/unlock")


@pytest.mark.parametrize(("typed", "refusal"), [("fout", "closed"), ("", "empty"), (" ", "empty")])
def test_a_wrong_or_empty_passphrase_is_said_beside_its_field(
    browser: AdviserBrowser, typed: str, refusal: str
) -> None:
    page = browser.get("/unlock")

    answer = browser.post("/unlock", {"token": token(page, "/unlock"), "passphrase": typed})

    assert answer.status_code == 403
    assert hooks(answer.text, "refusal") == [refusal]
    assert 'aria-invalid="true"' in answer.text
    assert "fout" not in answer.text


def test_an_exposed_a_missing_keyring_and_a_missing_letterhead_are_said(
    world: World, browser: AdviserBrowser
) -> None:
    world.execute("DELETE FROM letterhead")
    assert hooks(browser.unlock().text, "refusal") == ["letterhead"]
    world.config.keyring_path.chmod(0o644)
    assert hooks(browser.unlock().text, "refusal") == ["exposed"]
    world.config.keyring_path.unlink()
    assert hooks(browser.unlock().text, "refusal") == ["missing"]


def test_locking_drops_the_keys_and_ends_the_worker_after_the_answer(browser: AdviserBrowser) -> None:
    browser.unlock()
    page = browser.get("/about")
    with browser.client.post(
        "/lock", data={"token": token(page, "/lock")}, headers=browser.headers
    ) as answer:
        assert browser.ended == []

    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert browser.ended == [True]
    assert browser.get("/inbox").headers["Location"] == "/unlock"


def test_an_open_app_goes_straight_to_work(browser: AdviserBrowser) -> None:
    browser.unlock()

    assert browser.get("/").headers["Location"] == "/inbox"
    assert browser.get("/unlock").headers["Location"] == "/inbox"


# ---- languages


def test_the_browser_chooses_the_language_and_the_adviser_may_choose_another(browser: AdviserBrowser) -> None:
    browser.headers["Accept-Language"] = "fr"
    page = browser.get("/unlock")
    assert '<html lang="nl"' in page.text

    answer = browser.post(
        "/language", {"token": token(page, "/language"), "language": "en", "back": "/unlock?reason=locked"}
    )

    assert answer.headers["Location"] == "/unlock?reason=locked"
    assert '<html lang="en"' in browser.get("/unlock").text


@pytest.mark.parametrize("back", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/\n"])
def test_the_way_back_leads_nowhere_else(browser: AdviserBrowser, back: str) -> None:
    answer = browser.post("/language", {"token": "x", "language": "en", "back": back})

    assert answer.headers["Location"] == "/inbox"
    assert "Set-Cookie" not in answer.headers


def test_every_sentence_is_in_the_catalogue_and_in_dutch() -> None:
    sources_too = ("files/metadata_sentences.py", "ignore")  # in `languages/`
    methods = [sources_too, ("templates/**.html", "jinja2"), ("**.py", "python")]
    keywords = extract.DEFAULT_KEYWORDS | {"lazy_gettext": None}
    found = {message for _, _, message, _, _ in extract.extract_from_dir(PACKAGE, methods, keywords=keywords)}
    with (PACKAGE / "translations/messages.pot").open("rb") as file:
        listed = {message.id for message in pofile.read_po(file) if message.id}
    with (PACKAGE / "translations/nl/LC_MESSAGES/messages.po").open("rb") as file:
        dutch = {message.id for message in pofile.read_po(file) if message.id and all(message.string)}

    assert listed == found
    assert dutch == found


# ---- reading


def test_the_inbox_says_who_waits_and_while_checking_renews_itself(
    world: World, browser: AdviserBrowser
) -> None:
    a_source(world).writes("vraag")
    browser.unlock()
    settle(browser)

    page = browser.get("/inbox?state=nonsense&page=-7")

    assert hooks(page.text, "waiting") == ["1"]
    assert hooks(page.text, "state") == ["new"]
    desk = browser.app.extensions["auto_lock"]._desk
    desk.progress = type(desk.progress)(3200, 10_000, is_running=True, is_broken=False)
    running = browser.get("/inbox?q=a")
    assert 'max="10000" value="3200"' in running.text
    assert "3,200" in running.text
    assert running.headers["Refresh"] == "3; url=/inbox?state=waiting&q=a&page=1&renewed=1"
    assert "Refresh" not in browser.get("/inbox?still=1").headers


def test_the_first_page_comes_before_the_check_and_reloads_itself(browser: AdviserBrowser) -> None:
    browser.unlock()

    first = browser.get("/inbox")

    assert "Refresh" in first.headers
    assert '<progress id="progress"></progress>' in first.text
    settle(browser)
    assert "Refresh" not in browser.get("/inbox").headers


def test_a_submitted_form_wants_a_check_and_a_page_wants_none(browser: AdviserBrowser) -> None:
    browser.unlock()
    desk = browser.app.extensions["auto_lock"]._desk

    page = browser.get("/inbox")
    assert not desk.check_wanted.is_set()
    browser.post("/language", {"token": token(page, "/language"), "language": "nl", "back": "/inbox"})

    assert desk.check_wanted.is_set()


def test_a_page_that_renews_itself_is_no_activity(browser: AdviserBrowser) -> None:
    browser.unlock()
    auto_lock = browser.app.extensions["auto_lock"]
    auto_lock._last_use -= 60
    before = auto_lock._last_use

    browser.get("/inbox?renewed=1")
    assert auto_lock._last_use == before

    browser.get("/inbox")
    assert auto_lock._last_use > before


def test_what_a_source_wrote_is_text_and_nothing_else(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("<script>alert(1)</script>\nhttps://evil.example \"'", file=('<b>"x".html', b"x"))
    browser.unlock()

    page = browser.get(f"/mailbox/{source.address}").text

    assert "<script" not in page
    assert 'href="https://evil' not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\nhttps://evil.example" in page
    assert "<b>" not in page


def test_each_message_of_the_source_has_the_number_of_its_receipt(
    world: World, browser: AdviserBrowser
) -> None:
    source = a_source(world)
    sent = [source.writes("vraag"), source.writes("en nog iets")]
    source.is_answered("antwoord")
    browser.unlock()

    page = browser.get(f"/mailbox/{source.address}").text

    assert hooks(page, "receipt") == [receipt_number(entry.digest) for entry in sent]


def test_an_unknown_mailbox_or_page_is_said(browser: AdviserBrowser) -> None:
    browser.unlock()

    for path in ("/mailbox/zz", "/mailbox/" + "00" * 20, "/mailbox/zz/files/zz", "/nowhere"):
        assert browser.get(path).status_code == 404


def test_tampering_is_shown_and_the_form_is_gone(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    fields = answer_fields(browser.get(f"/mailbox/{source.address}"), "mijn antwoord")
    world.execute("UPDATE entry SET signature = zeroblob(64)")

    page = browser.get(f"/mailbox/{source.address}")
    answer = browser.answer(f"/mailbox/{source.address}", fields)

    assert hooks(page.text, "refusal") == ["do_not_answer"]
    assert "bad_signature" in hooks(page.text, "fault")
    assert "source-1" in hooks(page.text, "entry")
    assert "<textarea" not in page.text
    assert answer.status_code == 409
    assert "mijn antwoord" in answer.text
    assert hooks(browser.get("/inbox").text, "unsound") == ["1"]


def test_many_warnings_are_on_several_pages_of_the_inbox(
    browser: AdviserBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(
        UnsoundRow(bytes([at] * 20).hex(), "a label", faults=("missing",), is_here=True) for at in range(26)
    )
    monkeypatch.setattr(inbox_rows, "unsound_rows", lambda *_: rows)
    browser.unlock()

    first, second = browser.get("/inbox").text, browser.get("/inbox?page=2").text

    assert [hooks(page, "unsound") for page in (first, second)] == [["26"], ["26"]]
    assert [page.count('class="label"') for page in (first, second)] == [25, 1]
    assert ("page=2" in first, "page=3" in second) == (True, False)
    assert [hooks(page, "empty") for page in (first, second)] == [["waiting"], []]


def download_links(browser: AdviserBrowser, page: str) -> list[str]:
    """Follow each link to save a file of a mailbox, and return the links to the files themselves."""
    asked = [browser.get(html.unescape(link)) for link in re.findall(r'href="([^"]+)" data-save>', page)]
    assert all("data-risk" in each.text for each in asked)  # the page says first what the adviser risks
    return [link for each in asked for link in re.findall(r'href="([^"]+)" download', each.text)]


def test_a_file_is_saved_and_never_shown(world: World, browser: AdviserBrowser) -> None:
    content = os.urandom(200_000)
    source = a_source(world)
    source.writes("zie bijlage", file=("../../été.html", content))
    browser.unlock()
    (link,) = download_links(browser, browser.get(f"/mailbox/{source.address}").text)

    answer = browser.get(link)

    assert answer.data == content
    assert answer.headers["Content-Length"] == "200000"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.mimetype == "application/octet-stream"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    world.execute("UPDATE sealed SET header = zeroblob(2000) WHERE id IN (SELECT id FROM attachment)")
    assert browser.get(link).status_code == 409


# ---- answering


def test_an_answer_is_sent_with_its_files(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    path = f"/mailbox/{source.address}"
    fields = answer_fields(browser.get(path), "mijn\r\nantwoord")
    files = [(io.BytesIO(b"een"), "een.txt"), (io.BytesIO(b"twee"), "twee.txt")]

    answer = browser.answer(path, {**fields, "files": files})

    assert answer.status_code == 303
    page = browser.get(answer.headers["Location"].partition("#")[0]).text
    assert hooks(page, "news") == ["sent"]
    assert "mijn\nantwoord" in page
    assert "een.txt" in page
    assert "twee.txt" in page
    again = browser.answer(path, {**fields, "files": (io.BytesIO(b"een"), "een.txt")})
    assert again.status_code == 303
    assert browser.get(path).text.count("<article") == 2


def test_a_form_with_no_file_chosen_sends_none(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    path = f"/mailbox/{source.address}"
    fields = answer_fields(browser.get(path), "antwoord")

    answer = raw_post(browser, f"{path}/answer", multipart(fields, b"", filename=""))

    assert answer.status_code == 303
    assert "/save/" not in browser.get(path).text


@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [
        ("", b"bewijs", ("file", "6 B")),
        ("bewijs\\", b"bewijs", ("bewijs", "6 B")),
        ("\U0001fa77.jpg", b"bewijs", ("\U0001fa77.jpg", "6 B")),
        ("C:\\Users\\ansv\\een.txt", b"", ("een.txt", "0 B (empty)")),
    ],
)
def test_a_file_of_the_adviser_is_not_lost_with_its_name(
    world: World, browser: AdviserBrowser, name: str, content: bytes, shown: tuple[str, str]
) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    path = f"/mailbox/{source.address}"
    fields = answer_fields(browser.get(path), "antwoord")

    assert raw_post(browser, f"{path}/answer", multipart(fields, content, filename=name)).status_code == 303
    found = re.findall(r'<bdi>(.*?)</bdi></a> <span class="soft">(.*?)</span>', browser.get(path).text)
    assert found == [shown]


def multipart(fields: dict[str, object], content: bytes, *, filename: str = "a.txt") -> bytes:
    parts = "".join(
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields
    )
    head = f'--B\r\nContent-Disposition: form-data; name="files"; filename="{filename}"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    return parts.encode() + head.encode() + content + b"\r\n--B--\r\n"


def raw_post(browser: AdviserBrowser, path: str, body: bytes, length: int | None = None) -> TestResponse:
    return browser.client.post(
        path,
        input_stream=io.BytesIO(body),
        content_length=len(body) if length is None else length,
        content_type="multipart/form-data; boundary=B",
        headers=browser.headers,
    )


@pytest.mark.parametrize(
    ("text", "refusal", "length"),
    [
        ("", "text_missing", ""),
        ("x" * (TEXT_CHARS + 1), "text_too_long", "50,001"),
        ("é" * 250_000, "text_too_long", ""),
    ],
)
def test_a_text_that_cannot_be_sent_comes_back(
    world: World, browser: AdviserBrowser, text: str, refusal: str, length: str
) -> None:
    source = a_source(world)
    browser.unlock()
    path = f"/mailbox/{source.address}"

    answer = raw_post(browser, f"{path}/answer", multipart(answer_fields(browser.get(path), text), b"x"))

    assert answer.status_code == 422
    assert hooks(answer.text, "refusal") == [refusal]
    assert length in answer.text
    assert text[:200_000] in answer.text


def test_a_body_that_is_cut_off_gives_the_text_back(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    browser.unlock()
    path = f"/mailbox/{source.address}"
    whole = multipart(answer_fields(browser.get(path), "lange tekst van mij"), b"x" * 1000)

    in_file = raw_post(browser, f"{path}/answer", whole[:-500], len(whole))
    in_text = raw_post(browser, f"{path}/answer", whole[: whole.index(b"van mij")], len(whole))
    no_end = raw_post(browser, f"{path}/answer", whole[:-20])

    assert [each.status_code for each in (in_file, in_text, no_end)] == [400, 400, 400]
    assert "lange tekst van mij" in in_file.text
    assert "lange tekst" in in_text.text
    assert hooks(no_end.text, "refusal") == ["cut_off"]
    assert "<article" not in browser.get(path).text


def test_what_is_no_form_of_ours_is_refused(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    browser.unlock()
    path = f"/mailbox/{source.address}"
    fields = answer_fields(browser.get(path), "tekst")

    odd = raw_post(browser, f"{path}/answer", multipart({**fields, "entry_id": "zz", "other": "x"}, b"x"))
    plain = browser.post(f"{path}/answer", fields)

    assert odd.status_code == 403
    assert "tekst" in odd.text
    assert plain.status_code in {400, 403}


def test_files_over_the_limits_are_refused_with_the_text_kept(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    path = f"/mailbox/{source.address}"
    fields = answer_fields(browser.get(path), "mijn tekst")

    too_large = raw_post(browser, f"{path}/answer", multipart(fields, bytes(6_000_000)))
    four = [(io.BytesIO(b"x"), f"{each}.txt") for each in range(4)]
    too_many = browser.answer(path, {**fields, "files": four})

    assert (too_large.status_code, too_many.status_code) == (413, 422)
    assert "mijn tekst" in too_large.text
    assert "mijn tekst" in too_many.text


def test_a_source_who_wrote_meanwhile_is_shown_first_with_the_text_kept(
    world: World, browser: AdviserBrowser
) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    path = f"/mailbox/{source.address}"
    fields = answer_fields(browser.get(path), "mijn tekst")
    source.writes("nog iets nieuws")

    refused = browser.answer(path, fields)

    assert refused.status_code == 409
    assert hooks(refused.text, "refusal") == ["source_wrote"]
    assert "nog iets nieuws" in refused.text
    assert browser.answer(path, answer_fields(refused, "mijn tekst")).status_code == 303


def test_a_text_that_meets_a_locked_app_comes_back_after_unlocking(
    world: World, browser: AdviserBrowser
) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    path = f"/mailbox/{source.address}"
    fields = answer_fields(browser.get(path), 'regel een\r\n"regel" <twee>')
    browser.app.extensions["auto_lock"].close()

    locked = raw_post(browser, f"{path}/answer", multipart(fields, b"x"))
    assert (locked.status_code, locked.headers["Location"]) == (303, "/unlock?reason=kept")
    assert hooks(browser.get("/unlock?reason=kept").text, "news") == ["kept"]
    unlocked = browser.unlock()
    assert unlocked.headers["Location"] == "/unsent"
    page = browser.get("/unsent")
    assert "&#34;regel&#34; &lt;twee&gt;" in page.text
    assert fields["entry_id"] not in page.text
    action = re.search(r'action="(/unsent/\w+)"', page.text)
    assert action is not None
    moved = browser.post(action[1], {"token": token(page, action[1]), "what": "draft"})

    page = browser.get(moved.headers["Location"].partition("#")[0])
    assert hooks(page.text, "news") == ["carried"]
    assert "&#34;regel&#34; &lt;twee&gt;</textarea>" in page.text
    assert browser.answer(path, answer_fields(page, "nu wel")).status_code == 303
    assert 'name="help" value="draft"' not in browser.get(path).text
    assert hooks(browser.get("/unsent").text, "empty") == ["unsent"]


def test_a_cut_off_body_that_meets_a_locked_app_keeps_its_text(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    whole = multipart({"token": "x", "entry_id": "x", "heads": "00", "text": "mijn tekst"}, b"x")

    answer = raw_post(browser, f"/mailbox/{source.address}/answer", whole[:-20])

    assert answer.status_code == 303
    browser.unlock()
    assert "mijn tekst" in browser.get("/unsent").text


# ---- faults


def test_what_the_desk_wrote_is_named_as_the_desks_when_it_fails(
    world: World, browser: AdviserBrowser
) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    world.execute("UPDATE entry SET signature = zeroblob(64) WHERE author = 1")
    browser.unlock()

    assert set(hooks(browser.get(f"/mailbox/{source.address}").text, "entry")) == {"desk-1"}


def test_a_damaged_value_is_named_by_table_and_mailbox(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    world.execute("UPDATE mailbox SET due = 'a text'")
    world.execute("UPDATE usage SET sealed_bytes = 'a text'")
    browser.unlock()
    settle(browser)

    page = browser.get("/inbox").text

    assert sorted(hooks(page, "damaged")) == ["mailbox", "usage"]
    (line,) = re.findall('data-damaged="mailbox">([^<]+)', page)
    assert mailbox_label(source.keys.address) in line


@pytest.mark.parametrize("is_seen", [False, True])
def test_an_ended_mailbox_says_what_never_arrived(
    world: World, browser: AdviserBrowser, *, is_seen: bool
) -> None:
    source = a_source(world)
    source.writes("vraag")
    if is_seen:
        browser.unlock()
        settle(browser)
        browser.get(f"/mailbox/{source.address}")
    source.ends()
    if not is_seen:
        browser.unlock()
        settle(browser)

    page = browser.get("/inbox?state=closed").text

    assert re.findall(r'data-not-arrived="(\d+)"', page) == ([] if is_seen else ["1"])


def test_an_ended_mailbox_is_shown_and_acknowledged(world: World, browser: AdviserBrowser) -> None:
    source, other = a_source(world), a_source(world)
    for each in (source, other):
        each.writes("vraag", day=TODAY - timedelta(days=1))
        each.ends()
    browser.unlock()
    page = browser.get("/inbox?state=closed")
    assert hooks(page.text, "state") == ["ended", "ended"]
    action, foreign = f"/inbox/ended/{source.address}", f"/inbox/ended/{other.address}"

    assert browser.post(action, {"token": token(page, foreign)}).status_code == 403
    assert browser.post(foreign, {"token": token(page, foreign)}).status_code == 303
    assert browser.post(action, {"token": token(page, action)}).status_code == 303

    assert hooks(browser.get("/inbox?state=closed").text, "state") == []
    assert browser.post(action, {"token": token(page, action)}).status_code == 303
    gone = browser.answer(f"/mailbox/{source.address}", {"token": "x", "text": "te laat"})
    assert gone.status_code == 404
    assert "te laat" in gone.text


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_lost_anchors_are_said_on_every_page_until_the_adviser_decides(
    world: World, browser: AdviserBrowser, how: str
) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    if how == "damaged":
        world.config.trusted_state_path.write_bytes(b"")
    else:
        world.config.trusted_state_path.unlink()
    browser.unlock()
    for path in ("/inbox", f"/mailbox/{source.address}", "/about"):
        page = browser.get(path)
        assert hooks(page.text, "trusted-state") == [how]

    assert (
        browser.post("/replace-trusted-state", {"token": token(page, "/replace-trusted-state")}).status_code
        == 303
    )

    assert hooks(browser.get("/inbox").text, "trusted-state") == []


@contextmanager
def a_store_that_is(fault: str, world: World) -> Iterator[None]:
    if fault == "missing":
        world.store.path.rename(world.store.path.with_suffix(".away"))
        yield
        return
    world.store._wait_seconds = 0.1
    with closing(sqlite3.connect(world.store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_missing_store_is_a_page_and_comes_back_by_itself(world: World, browser: AdviserBrowser) -> None:
    a_source(world).writes("vraag")
    browser.unlock()
    settle(browser)
    away = world.store.path.with_suffix(".away")
    world.store.path.rename(away)

    answer = browser.get("/inbox")

    assert answer.status_code == 503
    assert hooks(answer.text, "refusal") == ["store_missing"]
    away.rename(world.store.path)
    assert browser.get("/inbox").status_code == 200


def test_an_answer_that_finds_no_store_keeps_its_text(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    settle(browser)
    path = f"/mailbox/{source.address}"
    fields = answer_fields(browser.get(path), "mijn tekst")
    settle(browser)
    world.store.path.rename(world.store.path.with_suffix(".away"))

    answer = browser.answer(path, fields)

    assert answer.status_code == 503
    assert "mijn tekst" in answer.text


@pytest.mark.parametrize(
    ("path", "form", "field", "others"),
    [
        ("{mailbox}/casefile", "{mailbox}/casefile/notes", "note", {}),
        ("{mailbox}/casefile", "{mailbox}/casefile", "handover", {"shown": ""}),
        ("{mailbox}/casefile", "{mailbox}/casefile", "labels", {"shown": ""}),
        ("/reply-templates", "/reply-templates", "text", {"language": "nl", "name": "a", "revision": "0"}),
        ("/reply-templates", "/reply-templates", "name", {"language": "nl", "text": "a", "revision": "0"}),
        ("/reports/2025", "/reports/2025/words", "nl", {"en": ""}),
        ("/reports/2025", "/reports/2025/words", "en", {"nl": ""}),
        ("{mailbox}/close", "{mailbox}/close", "text", {}),
    ],
)
def test_what_is_typed_for_the_desk_alone_outlives_a_missing_store(
    world: World, browser: AdviserBrowser, path: str, form: str, field: str, others: dict[str, object]
) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    settle(browser)
    mailbox = f"/mailbox/{source.address}"
    action = form.format(mailbox=mailbox)
    shown = browser.get(path.format(mailbox=mailbox))
    world.store.path.rename(world.store.path.with_suffix(".away"))

    answer = browser.post(action, closing_fields(shown, action, **others) | {field: "mijn woorden"})

    assert answer.status_code == 503
    assert "mijn woorden" in answer.text


@pytest.mark.parametrize("fault", ["missing", "busy"])
@pytest.mark.parametrize("how", ["propose", "begin-without", "answer"])
def test_what_is_typed_for_a_source_outlives_a_failing_store(
    world: World, browser: AdviserBrowser, tmp_path: Path, fault: str, how: str
) -> None:
    source, proposal = proposed(world, browser, tmp_path)
    mailbox = f"/mailbox/{source.address}"
    typed = {"text": "mijn voorstel, woord voor woord en lang genoeg", "next": "Jij kiest."}
    if how != "begin-without":
        typed["step_text"] = "Lees dit."
    page = {"propose": f"{mailbox}/propose", "begin-without": proposal, "answer": mailbox}[how]
    action = f"{proposal if how == 'begin-without' else mailbox}/{how}"
    form = closing_fields(
        browser.get(page), action, **typed, fingerprint=KEY, confirmed="yes", step="received"
    )
    files = {"files": (io.BytesIO(b"extra"), "bijlage.txt")} if how == "propose" else {}
    settle(browser)

    media_type = "application/x-www-form-urlencoded" if how == "begin-without" else "multipart/form-data"
    with a_store_that_is(fault, world):
        answer = browser.client.post(
            action, data=form | files, headers=browser.headers, content_type=media_type
        )

    assert answer.status_code == 503
    assert all(words in answer.text for words in typed.values())
    assert fault == "busy" or hooks(answer.text, "refusal") == ["store_missing"]


def test_a_proposal_that_finds_a_busy_store_is_still_in_its_form(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source = with_an_outbox(world, browser, tmp_path)
    where = f"/mailbox/{source.address}/propose"
    form = proposal_form(browser.get(where), f"/mailbox/{source.address}", "mijn voorstel", KEY)

    with a_store_that_is("busy", world):
        answer = browser.client.post(
            where, data=form, headers=browser.headers, content_type="multipart/form-data"
        )

    assert answer.status_code == 503
    assert hooks(answer.text, "refusal") == ["store"]
    assert "mijn voorstel</textarea>" in answer.text


def test_a_proposal_that_is_too_much_says_what_is(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source = with_an_outbox(world, browser, tmp_path)
    where = f"/mailbox/{source.address}/propose"
    form = proposal_form(browser.get(where), f"/mailbox/{source.address}", "mijn voorstel", KEY)
    files = [(io.BytesIO(b"x"), f"{number}.txt") for number in range(20)]

    too_large = raw_post(browser, where, multipart(form, bytes(6_000_000)))
    too_long = raw_post(browser, where, multipart(form | {"next": "x" * 1_000_000}, b""))
    too_many = browser.client.post(
        where, data=form | {"files": files}, headers=browser.headers, content_type="multipart/form-data"
    )

    assert hooks(too_large.text, "refusal") == ["too_large"]
    assert hooks(too_long.text, "refusal") == ["text_too_long"]
    assert hooks(too_many.text, "refusal") == ["too_many_files"]
    for each in (too_large, too_long, too_many):
        assert "mijn voorstel</textarea>" in each.text


def test_a_proposal_looked_at_that_finds_no_store_keeps_all_its_words(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source = with_an_outbox(world, browser, tmp_path)
    where = f"/mailbox/{source.address}/propose"
    typed = {"text": "mijn voorstel", "step_text": "Lees dit.", "next": "Jij kiest."}
    form = preview_fields(browser, source, is_kept=True)
    settle(browser)

    with a_store_that_is("missing", world):
        answer = browser.post(f"{where}/send", form | typed)

    assert answer.status_code == 503
    assert all(words in answer.text for words in typed.values())


@pytest.mark.parametrize("how", ["propose", "fill-answer"])
def test_a_text_that_broke_off_comes_back_as_far_as_it_arrived(
    world: World, browser: AdviserBrowser, tmp_path: Path, how: str
) -> None:
    source = with_an_outbox(world, browser, tmp_path)

    answer = browser.client.post(
        f"/mailbox/{source.address}/{how}",
        data=b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nmijn halve tekst',
        headers=browser.headers,
        content_type="multipart/form-data; boundary=x",
    )

    assert answer.status_code in {400, 409}
    assert "mijn halve tekst" in answer.text


@pytest.mark.parametrize("button", ["keep", "template"])
def test_an_answer_half_written_outlives_a_missing_store(
    world: World, browser: AdviserBrowser, button: str
) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    settle(browser)
    path = f"/mailbox/{source.address}"
    fields = answer_fields(browser.get(path), "mijn woorden")
    settle(browser)
    world.store.path.rename(world.store.path.with_suffix(".away"))

    answer = browser.client.post(
        f"{path}/fill-answer",
        data={**fields, "help": button},
        headers=browser.headers,
        content_type="multipart/form-data",
    )

    assert answer.status_code == 503
    assert "mijn woorden" in answer.text


@pytest.mark.parametrize(
    ("path", "form", "host", "refusal"),
    [
        ("/mailbox/00", None, HOST, "missing"),
        ("/unlock", "x" * 3_000_000, HOST, "too_large"),
        ("/unlock", "", {"Host": "x"}, "host"),
    ],
)
def test_a_refusal_says_in_sentences_what_happened_what_was_kept_and_what_to_do_now(
    browser: AdviserBrowser, path: str, form: str | None, host: dict[str, str], refusal: str
) -> None:
    browser.unlock()
    browser.headers |= host

    answer = browser.get(path) if form is None else browser.post(path, {"text": form})

    assert hooks(answer.text, "refusal") == [refusal]
    told = re.search(r"</h1>\s*<p>(.*?)</p>", answer.text, re.DOTALL)
    assert told is not None
    assert len(re.findall(r"[.?](?:\s|$)", told[1])) >= 3


def test_a_damaged_store_is_left_as_it_is_and_its_page_says_so(world: World, browser: AdviserBrowser) -> None:
    browser.unlock()
    settle(browser)
    world.store.close()
    world.store.path.write_bytes(b"no store" * 1000)

    answer = browser.get("/inbox")

    assert answer.status_code == 503
    assert hooks(answer.text, "refusal") == ["store_damaged"]


def test_too_much_in_a_small_form_is_refused(browser: AdviserBrowser) -> None:
    answer = browser.post("/unlock", {"text": "x" * 3_000_000})

    assert answer.status_code == 413
    assert hooks(answer.text, "refusal") == ["too_large"]


def test_another_method_is_refused(browser: AdviserBrowser) -> None:
    assert browser.client.put("/unlock", headers=browser.headers).status_code == 405


# ---- steps


def step_fields(page: TestResponse, text: str, **step: str) -> dict[str, object]:
    return {**answer_fields(page, text), **step}


def test_a_step_stands_on_top_of_the_conversation(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    where = f"/mailbox/{source.address}"
    page = browser.get(where)
    expected = world.letterhead.expect_by(TODAY).isoformat()
    assert f'name="by" type="date" value="{expected}"' in page.text

    sent = browser.answer(
        where,
        step_fields(page, " ", step="advice_given", step_text="<b>raad</b>", next="Bel ons.", by=expected),
    )
    shown = browser.get(where).text

    assert sent.status_code == 303
    assert shown.index('id="thread-state"') < shown.index('class="entry theirs"')
    assert hooks(shown, "step")[-1] == "advice_given"
    assert "&lt;b&gt;raad&lt;/b&gt;" in shown
    assert hooks(shown, "by") == [expected]


@pytest.mark.parametrize(
    ("step", "refusal"),
    [
        ({"next": "iets"}, "step_missing"),
        ({"step": "received", "step_text": "x" * 2001}, "step_too_long"),
        ({"step": "received", "by": "morgen"}, "day_unreadable"),
        ({"step": "received", "by": "2020-01-01"}, "day_past"),
        ({"step": "received", "by": "2026-11-25"}, "day_closed"),
    ],
)
def test_a_step_that_cannot_be_sent_comes_back_with_what_was_typed(
    world: World, browser: AdviserBrowser, step: dict[str, str], refusal: str
) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    where = f"/mailbox/{source.address}"

    refused = browser.answer(where, step_fields(browser.get(where), "mijn antwoord", **step))

    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == [refusal]
    assert "mijn antwoord" in refused.text
    assert all(html.escape(typed) in refused.text for typed in step.values())
    assert '<details class="step-fields" open>' in refused.text


def test_a_step_form_without_its_id_is_refused(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    where = f"/mailbox/{source.address}"
    fields = step_fields(browser.get(where), "mijn antwoord", step="received", step_id="x")

    refused = browser.answer(where, fields)

    assert refused.status_code == 403
    assert "mijn antwoord" in refused.text


# ---- a form belongs to one mailbox and one page


def every_form(page: TestResponse, address: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the action and the hidden fields of each form about a mailbox on a page."""
    for action in re.findall(rf'<form[^>]* action="(/mailbox/{address}/[^"]*)"', page.text):
        yield action, closing_fields(page, action)


def test_a_form_of_one_mailbox_changes_nothing_in_another(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, proposal = proposed(world, browser, tmp_path)
    where = f"/mailbox/{source.address}"
    new = proposal_form(browser.get(f"{where}/propose"), where, "tekst", KEY)
    pages = [
        *map(browser.get, (where, proposal, f"{where}/close", f"{where}/casefile", f"{where}/propose")),
        browser.previews(where, new),
    ]
    answer_of(browser, source, Verdict.AGREED)
    for step in ("begin", "make", "deliver"):
        pages.append(browser.get(proposal))
        fields = closing_fields(pages[-1], f"{proposal}/{step}", delivered=str(TODAY))
        browser.post(f"{proposal}/{step}", fields)
    forms = dict(each for page in pages for each in every_form(page, source.address))
    other = a_source(world)
    other.writes("vraag")
    browser.get(f"/mailbox/{other.address}")
    before = other.reads().rows

    refused = {
        action.rpartition("/")[2]: browser.client.post(
            action.replace(source.address, other.address),
            data={**fields, "text": "x" * 50, "note": "x", "confirmed": "yes", "fingerprint": KEY},
            headers=browser.headers,
            content_type="multipart/form-data"
            if action.endswith(("/answer", "/propose"))
            else "application/x-www-form-urlencoded",
            buffered=True,
        )
        for action, fields in forms.items()
    }

    assert set(refused) == {
        "answer", "begin", "begin-without", "casefile", "close", "close-spam", "deliver", "make", "notes",
        "propose", "send",
    }  # fmt: skip
    said = {name: hooks(page.text, "refusal") for name, page in refused.items()}
    assert {name for name, why in said.items() if why not in (["stale"], ["foreign"])} == set()
    assert other.reads().rows == before


@pytest.mark.parametrize("name", ["entry_id", "heads", "step_id", "token"])
def test_a_form_whose_hidden_fields_were_exchanged_signs_nothing(
    world: World, browser: AdviserBrowser, name: str
) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("vraag")
    other.writes("een andere vraag")
    browser.unlock()
    settle(browser)
    path = f"/mailbox/{source.address}"
    fields = answer_fields(browser.get(path), "mijn tekst")
    foreign = answer_fields(browser.get(f"/mailbox/{other.address}"), "mijn tekst")
    before = source.reads().rows

    refused = browser.answer(path, {**fields, name: foreign[name]})

    assert fields[name] != foreign[name]
    assert refused.status_code == 403
    assert "mijn tekst" in refused.text
    assert source.reads().rows == before


# ---- closing


def closing_fields(page: TestResponse, action: str, **more: str) -> dict[str, object]:
    form = page.text[page.text.index(f'action="{action}"') :]
    hidden = dict(
        re.findall(r'<input type="hidden" name="(\w+)" value="(\w*)">', form[: form.index("</form>")])
    )
    return {**hidden, **more}


def test_a_mailbox_is_closed_with_a_last_word_and_its_day(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    settle(browser)
    where = f"/mailbox/{source.address}"
    browser.get(where)
    page = browser.get(f"{where}/close")

    closed = browser.post(f"{where}/close", closing_fields(page, f"{where}/close", text="Het ga je goed."))
    shown = browser.get(closed.headers["Location"].partition("#")[0]).text

    assert closed.status_code == 303
    assert hooks(shown, "news") == ["closed", "opens_again"]
    assert "Het ga je goed." in shown
    assert len(hooks(shown, "deleted")) == 1
    assert hooks(browser.get("/inbox").text, "waiting") == ["0"]


def test_a_form_that_opens_a_closed_mailbox_again_says_so_before_it_is_sent(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, proposal = proposed(world, browser, tmp_path)
    where = f"/mailbox/{source.address}"

    def warned() -> list[int]:
        pages = (browser.get(page) for page in (where, f"{where}/propose", proposal))
        return [hooks(page.text, "news").count("opens_again") for page in pages]

    open_before = warned()
    source.is_closed(due=TODAY + timedelta(90))
    closed = warned()
    browser.answer(where, answer_fields(browser.get(where), "nog iets"))
    open_after = warned()
    answer_of(browser, source, Verdict.AGREED)
    source.is_closed(due=TODAY + timedelta(90))
    agreed = warned()
    browser.post(f"{proposal}/begin", closing_fields(browser.get(proposal), f"{proposal}/begin"))

    assert (open_before, open_after, warned()) == ([0, 0, 0], [0, 0, 0], [0, 0, 0])
    assert (closed, agreed) == ([1, 1, 1], [1, 1, 1])


def test_spam_takes_one_press(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("tassen")
    browser.unlock()
    settle(browser)
    where = f"/mailbox/{source.address}"
    browser.get(where)
    page = browser.get(f"{where}/close")

    closed = browser.post(f"{where}/close-spam", closing_fields(page, f"{where}/close-spam"))

    assert closed.status_code == 303
    assert hooks(browser.get("/inbox").text, "waiting") == ["0"]


def test_a_closing_that_cannot_be_gives_the_last_word_back(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    settle(browser)
    where = f"/mailbox/{source.address}"
    browser.get(where)
    page = browser.get(f"{where}/close")
    fields = closing_fields(page, f"{where}/close", text="mijn laatste woord")
    empty = browser.post(f"{where}/close", {**fields, "text": " "})
    source.writes("wacht")

    crossed = browser.post(f"{where}/close", fields)
    forged = browser.post(f"{where}/close", {**fields, "token": "x"})
    source.ends()
    gone = browser.post(f"{where}/close", fields)

    assert [each.status_code for each in (empty, crossed, forged, gone)] == [409, 409, 403, 404]
    assert hooks(empty.text, "refusal") == ["text_missing"]
    assert hooks(crossed.text, "refusal") == ["source_wrote"]
    assert all("mijn laatste woord" in each.text for each in (crossed, forged, gone))
    assert browser.get(f"{where}/close").status_code == 404


# ---- proposals


def proposal_form(page: TestResponse, where: str, text: str, fingerprint: str) -> dict[str, object]:
    return {
        **closing_fields(page, f"{where}/propose"),
        "fingerprint": fingerprint,
        "text": text,
        "chosen": re.findall(r'name="chosen" value="(\w+)"', page.text),
        "files": (io.BytesIO(b"extra"), "bijlage.txt"),
    }


def preview_fields(browser: AdviserBrowser, source: ASource, *, is_kept: bool = False) -> dict[str, object]:
    """Preview a proposal, and return the hidden fields of its preview. The desk then loses the proposal."""
    where = f"/mailbox/{source.address}"
    form = proposal_form(browser.get(f"{where}/propose"), where, "mijn voorstel", KEY)
    preview = browser.previews(where, form)
    if not is_kept:
        browser.app.extensions["auto_lock"]._desk.prepared.clear()
    return closing_fields(preview, f"{where}/propose/send")


def with_an_outbox(
    world: World, browser: AdviserBrowser, tmp_path: Path, file: tuple[str, bytes] | None = None
) -> ASource:
    """Unlock a desk that can propose to pass on, with a source who has sent one message."""
    source = a_source(world)
    source.writes("vraag", file=file)
    browser.unlock()
    settle(browser)
    browser.app.extensions["auto_lock"]._desk.exporter = Paper(tmp_path)
    browser.get(f"/mailbox/{source.address}")
    return source


def proposed(world: World, browser: AdviserBrowser, tmp_path: Path, **words: str) -> tuple[ASource, str]:
    """Send a proposal with two files, and return the source and the proposal's page."""
    source = with_an_outbox(world, browser, tmp_path, file=("bewijs.pdf", b"author"))
    where = f"/mailbox/{source.address}"
    form = proposal_form(browser.get(f"{where}/propose"), where, "woord <b>voor</b> woord", KEY) | words
    preview = browser.previews(where, form)
    assert "woord &lt;b&gt;voor&lt;/b&gt; woord" in preview.text
    assert "Author: J. Jansen" in preview.text
    assert hooks(preview.text, "hidden") == ["found", "nothing"]
    assert ('id="with-it"' in preview.text) is bool(words)
    assert all(html.escape(each) in preview.text for each in words.values())
    sent = browser.post(
        f"{where}/propose/send", closing_fields(preview, f"{where}/propose/send", **{"copy-0": "cleaned"})
    )
    assert sent.status_code == 303
    shown = browser.get(where)
    assert hooks(shown.text, "state") == ["waiting"]
    found = re.search(rf'href="({where}/proposal/\w+)"', shown.text)
    assert found is not None
    return source, found[1]


def answer_of(
    browser: AdviserBrowser, source: ASource, verdict: Verdict, shown: Collection[Digest] | None = None
) -> None:
    desk = browser.app.extensions["auto_lock"]._desk
    digest = read_thread.open_thread(desk, source.keys.address, today=TODAY).thread_state.proposals[-1].digest
    note = AnswerNote(verdict=verdict, proposal=digest)
    source.says(Content(kind=Kind.ANSWER, text="prima", answer=note), shown=shown)
    browser.get(f"/mailbox/{source.address}")  # only what an adviser was shown is passed on


def test_a_proposal_is_looked_at_sent_agreed_made_and_handed_over(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, page = proposed(world, browser, tmp_path)
    assert "cleaned" in hooks(browser.get(page).text, "copy")
    answer_of(browser, source, Verdict.AGREED)

    agreed = browser.get(page)
    begun = browser.post(f"{page}/begin", closing_fields(agreed, f"{page}/begin"))
    after = browser.get(begun.headers["Location"])
    made = browser.post(f"{page}/make", closing_fields(after, f"{page}/make"))
    ready = browser.get(page)
    fields = closing_fields(ready, f"{page}/deliver", text="Per stick.", delivered=TODAY.isoformat())
    wrong = browser.post(f"{page}/deliver", {**fields, "delivered": "morgen"})
    handed = browser.post(f"{page}/deliver", fields)

    assert hooks(after.text, "news") == ["begun"]
    assert hooks(after.text, "hint") == ["slow_files"]
    assert made.data.startswith(b"-----BEGIN PGP")
    assert made.headers["Content-Disposition"].startswith("attachment")
    assert (wrong.status_code, handed.status_code) == (409, 303)
    assert hooks(wrong.text, "refusal") == ["handover_day"]
    assert "Per stick." in wrong.text
    assert "delivered" in hooks(browser.get(f"/mailbox/{source.address}").text, "step")
    assert 'href="/evidence"' in browser.get(f"/mailbox/{source.address}/casefile").text
    assert 'href="/evidence"' in browser.get("/inbox?state=closed").text
    shown = browser.get("/evidence").text
    assert "woord &lt;b&gt;voor&lt;/b&gt; woord" in shown
    assert hooks(shown, "state") == ["agreed"]
    assert "bijlage.txt" in shown


def test_what_is_said_with_each_step_of_passing_on_is_shown_and_comes_back_when_refused(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, page = proposed(world, browser, tmp_path, step_text="Lees <b>dit</b>.", next="Jij kiest.")
    where = f"/mailbox/{source.address}"
    assert hooks(browser.get(where).text, "step").count("proposal_made") == 1
    assert "Lees &lt;b&gt;dit&lt;/b&gt;." in browser.get(where).text
    answer_of(browser, source, Verdict.AGREED)
    words = {"text": "Wij beginnen.", "next": "Wij brengen het.", "by": "2026-11-30"}

    fields = closing_fields(browser.get(page), f"{page}/begin", **words)
    past = browser.post(f"{page}/begin", {**fields, "by": "2020-01-01"})
    browser.post(f"{page}/begin", fields)
    begun = browser.get(where).text
    browser.post(f"{page}/make", closing_fields(browser.get(page), f"{page}/make"))
    fields = closing_fields(browser.get(page), f"{page}/deliver", **words, delivered=TODAY.isoformat())
    closed = browser.post(f"{page}/deliver", {**fields, "by": "2026-11-25"})
    long = browser.post(f"{page}/deliver", {**fields, "next": "x" * 2_001})
    unreadable = browser.post(f"{page}/deliver", {**fields, "by": "morgen"})
    told = browser.post(f"{page}/deliver", fields)

    assert [each.status_code for each in (past, closed, long, unreadable, told)] == [409] * 4 + [303]
    refusals = [hooks(each.text, "refusal") for each in (past, closed, long, unreadable)]
    assert refusals == [["day_past"], ["day_closed"], ["step_too_long"], ["day_unreadable"]]
    assert all(
        typed in each.text
        for each in (past, closed, unreadable)
        for typed in ("Wij beginnen.", "Wij brengen")
    )
    assert '<details class="step-fields" open>' in past.text
    assert all(said in begun for said in ("Wij beginnen.", "Wij brengen het.", "November 30, 2026"))


def test_what_is_said_with_a_proposal_comes_back_with_it(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source = with_an_outbox(world, browser, tmp_path)
    where = f"/mailbox/{source.address}"
    typed = {"step_text": "Lees dit.", "next": "Jij kiest.", "by": "2026-11-25"}
    form = proposal_form(browser.get(f"{where}/propose"), where, "mijn voorstel", KEY) | typed

    refused = browser.client.post(
        f"{where}/propose", data=form, headers=browser.headers, content_type="multipart/form-data"
    )
    unsent = browser.post(
        f"{where}/propose/send", {**preview_fields(browser, source), "text": "mijn voorstel", **typed}
    )

    assert (refused.status_code, unsent.status_code) == (409, 409)
    assert hooks(refused.text, "refusal") == ["day_closed"]
    assert all(
        words in each.text for each in (refused, unsent) for words in ("mijn voorstel", *typed.values())
    )


def test_closing_while_something_is_passed_on_is_warned_about_and_not_kept_from(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, page = proposed(world, browser, tmp_path)
    closing = f"/mailbox/{source.address}/close"
    before = browser.get(closing)
    answer_of(browser, source, Verdict.AGREED)
    browser.post(f"{page}/begin", closing_fields(browser.get(page), f"{page}/begin"))
    begun = browser.get(closing)
    browser.post(f"{page}/make", closing_fields(browser.get(page), f"{page}/make"))
    made = browser.get(closing)
    closed = browser.post(closing, closing_fields(made, closing, text="Het ga je goed."))
    fields = closing_fields(
        browser.get(page), f"{page}/deliver", text="Per stick.", delivered=TODAY.isoformat()
    )
    browser.post(f"{page}/deliver", fields)

    warnings = [hooks(each.text, "under-way") for each in (before, begun, made)]
    assert warnings == [[], ["passing_on"], ["passed_on"]]
    assert f'href="{page}"' in made.text
    assert closed.status_code == 303
    assert "delivered" in hooks(browser.get(f"/mailbox/{source.address}").text, "step")
    assert hooks(browser.get(closing).text, "under-way") == []


def test_evidence_that_was_damaged_does_not_close_its_page(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    settle(browser)
    piece = Evidence(kind=EvidenceKind.PROPOSAL, day=TODAY, entry=Digest(bytes(32)), body=b"{}")
    desk = browser.app.extensions["auto_lock"]._desk
    casefiles.update_casefile(desk, source.keys.address, lambda _: Casefile(evidence=(piece,)))

    page = browser.get("/evidence")

    assert (200, ["unreadable_evidence"]) == (page.status_code, hooks(page.text, "fault"))


def test_every_list_of_the_inbox_says_that_a_file_must_be_destroyed_after_an_end(
    world: World, browser: AdviserBrowser
) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    settle(browser)
    made = PassedOn(
        recipient="sg", with_consent=True, made=TODAY, proposal=Digest(bytes(32)), begun=(b"desk", 1)
    )
    desk = browser.app.extensions["auto_lock"]._desk
    casefiles.update_casefile(desk, source.keys.address, lambda _: Casefile(passed_on=(made,)))
    source.ends()

    for path in ("/inbox", "/inbox?state=answered", "/inbox?state=closed"):
        assert hooks(browser.get(path).text, "destroy") == [source.address]


def test_what_was_taken_back_too_soon_or_declined_is_said(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, page = proposed(world, browser, tmp_path)
    answer_of(browser, source, Verdict.AGREED)
    fields = closing_fields(browser.get(page), f"{page}/begin")
    answer_of(browser, source, Verdict.TAKEN_BACK)

    refused = browser.post(f"{page}/begin", fields)

    assert refused.status_code == 409
    assert hooks(refused.text, "refusal") == ["withdrawn"]
    assert f'href="/mailbox/{source.address}/propose?again={page[-32:]}"' in refused.text
    again = browser.get(f"/mailbox/{source.address}/propose?again={page[-32:]}")
    assert "woord &lt;b&gt;voor&lt;/b&gt; woord</textarea>" in again.text


def test_without_agreement_it_takes_a_reason_and_a_second_word(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, page = proposed(world, browser, tmp_path)
    fields = closing_fields(browser.get(page), f"{page}/begin-without", text="x" * 50)

    refused = browser.post(f"{page}/begin-without", fields)
    begun = browser.post(f"{page}/begin-without", {**fields, "confirmed": "yes"})

    assert (refused.status_code, begun.status_code) == (409, 303)
    assert hooks(refused.text, "refusal") == ["reason_missing"]
    assert "x" * 50 in refused.text
    assert "without_consent" in hooks(browser.get(f"/mailbox/{source.address}").text, "step")


def test_a_proposal_that_cannot_be_made_gives_its_text_back(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source = a_source(world)
    source.writes("vraag")
    browser.unlock()
    settle(browser)
    where = f"/mailbox/{source.address}"
    assert hooks(browser.get(f"{where}/propose").text, "refusal") == ["no_recipient"]
    browser.app.extensions["auto_lock"]._desk.exporter = Paper(tmp_path)
    browser.get(where)
    form = proposal_form(browser.get(f"{where}/propose"), where, "mijn voorstel", "nobody")

    def post(**other: object) -> TestResponse:
        fields = {**form, "files": (io.BytesIO(b"x"), "a.txt"), **other}
        return browser.client.post(
            f"{where}/propose", data=fields, headers=browser.headers, content_type="multipart/form-data"
        )

    refused = [
        post(), post(token="x"), post(entry_id="x"), post(fingerprint=KEY, text=" "),
    ]  # fmt: skip
    previewed = preview_fields(browser, source)
    unsent = browser.post(f"{where}/propose/send", {**previewed, "text": "mijn tekst"})
    foreign = browser.post(f"{where}/propose/send", {"token": "x", "text": "mijn tekst"})
    source.ends()
    gone = [
        post(fingerprint=KEY),
        browser.get(f"{where}/propose"),
        browser.get(f"{where}/proposal/{'0' * 32}"),
        browser.post(f"{where}/propose/send", previewed),
    ]

    assert [each.status_code for each in refused] == [409, 409, 409, 409]
    assert hooks(refused[0].text, "refusal") == ["recipient_missing"]
    assert all("mijn voorstel" in each.text for each in refused[:3])
    assert (unsent.status_code, foreign.status_code) == (409, 403)
    assert all("mijn tekst" in each.text for each in (unsent, foreign))
    assert [each.status_code for each in gone] == [404, 404, 404, 404]


def test_a_proposals_forms_refuse_strangers_and_what_is_gone(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, page = proposed(world, browser, tmp_path)
    fields = closing_fields(browser.get(page), f"{page}/begin-without", text="x" * 50, confirmed="yes")
    typed: dict[str, object] = {**fields, "next": "Wij bellen."}
    where = f"/mailbox/{source.address}"

    foreign = browser.post(f"{page}/begin", {**typed, "token": "x"})
    assert browser.get(f"{where}/proposal/{'0' * 32}").status_code == 404
    source.ends()
    gone = browser.post(f"{page}/begin-without", typed)

    assert (foreign.status_code, gone.status_code) == (403, 404)
    assert all(words in each.text for each in (foreign, gone) for words in ("x" * 50, "Wij bellen."))


def test_a_proposal_that_the_source_deleted_has_no_page_and_is_not_passed_on(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, page = proposed(world, browser, tmp_path)
    answer_of(browser, source, Verdict.AGREED)
    fields = closing_fields(browser.get(page), f"{page}/begin", text="mijn woorden")
    words = (each for each in source.reads().transcript.entries if each.envelope.is_words)
    source.removes(*(each for each in words if each.envelope.strand))

    refused = browser.post(f"{page}/begin", fields)

    assert refused.status_code == 404
    assert hooks(refused.text, "refusal") == ["missing"]
    assert "mijn woorden" in refused.text


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_step_that_was_taken_back_in_time_is_told_and_nothing_says_it_is_passed_on(
    world: World, browser: AdviserBrowser, tmp_path: Path, language: str
) -> None:
    source, page = proposed(world, browser, tmp_path)
    browser.headers["Accept-Language"] = language
    answer_of(browser, source, Verdict.AGREED)
    before = source.reads().transcript.authentic.keys()
    begun = browser.post(f"{page}/begin", closing_fields(browser.get(page), f"{page}/begin"))
    form = closing_fields(browser.get(page), f"{page}/make")
    with world.store.writing() as session:
        peers.add(session, SERVER, b"card")
        outbox.enqueue_all(session, SERVER)
    waiting = browser.get(begun.headers["Location"])
    refused = browser.post(f"{page}/make", form)
    answer_of(browser, source, Verdict.TAKEN_BACK, before)
    back = browser.get(page)
    thread = browser.get(f"/mailbox/{source.address}")
    settle(browser)
    inbox = browser.get("/inbox?state=all")

    assert hooks(waiting.text, "news") == ["begun_unconfirmed", "sync_first"]
    assert f"{page}/make" not in waiting.text
    assert refused.status_code == 409
    assert "not_confirmed" in hooks(refused.text, "refusal")
    assert hooks(back.text, "news") == ["void"]
    assert hooks(back.text, "state") == ["taken_back"]
    assert "not_passed_on" in hooks(thread.text, "step")
    assert source.address in inbox.text
    for shown in (back, thread, inbox):
        assert "passing_on" not in hooks(shown.text, "state") + hooks(shown.text, "step")


def test_the_inbox_and_the_steps_tell_a_made_file_from_one_that_was_handed_over(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    """Attack: the source's withdrawal is held back until the file is made. The file is handed over anyway."""
    source, page = proposed(world, browser, tmp_path)
    answer_of(browser, source, Verdict.AGREED)
    before = source.reads().transcript.authentic.keys()
    browser.post(f"{page}/begin", closing_fields(browser.get(page), f"{page}/begin"))
    browser.post(f"{page}/make", closing_fields(browser.get(page), f"{page}/make"))
    settle(browser)
    made = browser.get("/inbox?state=answered").text
    answer_of(browser, source, Verdict.TAKEN_BACK, before)
    fields = {"text": "Per stick.", "delivered": TODAY.isoformat()}
    browser.post(f"{page}/deliver", closing_fields(browser.get(page), f"{page}/deliver", **fields))
    settle(browser)
    steps = hooks(browser.get(f"/mailbox/{source.address}").text, "step")

    assert hooks(made, "step") == ["passed_on"]
    assert hooks(browser.get("/inbox?state=answered").text, "step") == ["handed_over"]
    assert steps[-1] == "delivered"


def test_what_a_source_signs_as_a_proposal_has_no_page(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, page = proposed(world, browser, tmp_path)
    note = ProposalNote(recipient=PassOnRecipient.SG, name="SG", fingerprint=KEY)
    made = source.says(Content(kind=Kind.PROPOSAL, text="x", proposal=note))

    answer = browser.get(f"/mailbox/{source.address}/proposal/{made.envelope.entry_id.hex()}")

    assert answer.status_code == 404
    assert browser.get(page).status_code == 200


# ---- sealed before sending


def test_what_was_sealed_before_sending_is_read_on_the_page_and_cannot_write_into_it(
    world: World, browser: AdviserBrowser
) -> None:
    source = a_source(world)
    stranger = PQIdentity(b"x" * 32).recipient
    opened = age_armour(b"<script>alert(1)</script> &", [recipient_of(world)])
    source.writes(
        f"Dag\n{opened}\n{age_armour(b'x', [stranger])}\n{age_armour(bytes(9), [recipient_of(world)])}"
    )
    browser.unlock()

    page = browser.get(f"/mailbox/{source.address}").text

    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in page
    assert "<script" not in page
    assert hooks(page, "sealed") == ["opened", "unopened", "file"]
    assert hooks(page, "unopened") == ["other_key"]


@pytest.mark.parametrize("why", ["several", "no_openpgp", "later", "many"])
def test_why_something_was_not_opened_is_said(world: World, browser: AdviserBrowser, why: str) -> None:
    source = a_source(world)
    armour = {
        "several": age_armour(b"x", [recipient_of(world), PQIdentity(b"x" * 32).recipient]),
        "no_openpgp": "-----BEGIN PGP MESSAGE-----\n\n-----END PGP MESSAGE-----",
        "later": "".join(
            f"-----BEGIN PGP MESSAGE-----\n{number}\n-----END PGP MESSAGE-----\n"
            for number in range(DECRYPTIONS_PER_PAGE + 1)
        ),
        "many": "-----BEGIN PGP MESSAGE-----\n-----END PGP MESSAGE-----\n" * (BLOCKS_OF_A_TEXT + 1),
    }[why]
    source.writes(armour)
    browser.unlock()

    assert why in hooks(browser.get(f"/mailbox/{source.address}").text, "unopened")


def test_a_text_that_quotes_a_sealed_part_is_named_so(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    text = f"Dit schreef zij:\n{age_armour(b'x', [PQIdentity(b'x' * 32).recipient])}Groeten"
    source.writes("zie bijlage", file=("gesprek.txt", text.encode()))
    browser.unlock()

    page = browser.get(f"/mailbox/{source.address}").text

    assert (["unopened"], ["other_key"], 1) == (
        hooks(page, "sealed"),
        hooks(page, "unopened"),
        page.count("data-rest"),
    )


def test_a_file_sealed_before_sending_is_offered_opened_and_as_sent(
    world: World, browser: AdviserBrowser
) -> None:
    source = a_source(world)
    sealed = age_file(b"%PDF-1.7", [recipient_of(world)])
    source.writes("zie bijlage", file=("bewijs.age", sealed))
    browser.unlock()
    page = browser.get(f"/mailbox/{source.address}").text

    opened, as_sent = (browser.get(link) for link in download_links(browser, page))

    assert (b"%PDF-1.7", sealed) == (opened.data, as_sent.data)
    assert 'filename="bewijs.pdf"' in opened.headers["Content-Disposition"]
    assert "default-src 'none'" in opened.headers["Content-Security-Policy"]


def test_a_sealed_file_that_names_another_mailbox_cannot_be_chosen_for_a_proposal(
    world: World, browser: AdviserBrowser, tmp_path: Path
) -> None:
    source, victim = with_an_outbox(world, browser, tmp_path), a_source(world)
    for mailbox, name in ((victim, "stolen.age"), (source, "own.age")):
        content = sealing_words(mailbox.keys.address).replace("-", "-\u200b").upper().encode()
        source.writes("zie bijlage", file=(name, age_file(content, [recipient_of(world)])))

    page = browser.get(f"/mailbox/{source.address}/propose").text

    assert hooks(page, "named") == ["other"]
    assert len(re.findall('name="chosen"', page)) == 1
    assert "own.age" in page


def test_a_sealed_mail_is_shown_as_a_text_and_its_files_can_be_saved(
    world: World, browser: AdviserBrowser
) -> None:
    source = a_source(world)
    mail = (
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nMijn vraag\n"
        b"--b\nContent-Type: application/pdf; name=bewijs.pdf\n\n%PDF-\n--b--\n"
    )
    source.writes(f"Dag {age_armour(mail, [recipient_of(world)])}")
    browser.unlock()

    page = browser.get(f"/mailbox/{source.address}").text
    links = download_links(browser, page)
    saved = [browser.get(link) for link in links]

    assert "Mijn vraag" in page
    assert hooks(page, "sealed") == ["opened", "file", "file"]
    assert hooks(page, "named") == ["none"]
    assert [b"%PDF-", mail] == [each.data for each in saved]
    names = [each.headers["Content-Disposition"] for each in saved]
    assert all(name in said for name, said in zip(("bewijs.pdf", "message.eml"), names, strict=True))
    assert browser.get(f"{links[0].rpartition('/')[0]}/3").status_code == 404


def test_a_page_says_what_is_wrong_with_a_sealed_file(
    world: World, browser: AdviserBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = a_source(world)
    key = [recipient_of(world)]
    sealed = age_file(bytes(300_000), key)
    source.writes("half", file=("half.age", sealed[:150_000]))
    source.writes("for another", file=("other.age", age_file(b"x", [PQIdentity(b"x" * 32).recipient])))
    source.writes("with a greeting", file=("letter.txt", f"Dag\n{age_armour(b'x', key)}".encode()))
    browser.unlock()

    page = browser.get(f"/mailbox/{source.address}").text

    assert hooks(page, "unopened") == ["damaged", "other_key"]
    assert hooks(page, "sealed") == ["unopened", "unopened", "opened"]
    assert (1, 0) == (page.count("data-rest"), page.count("data-unchecked"))

    monkeypatch.setattr(presealed, "_CHECK_SECONDS", 0)
    source.writes("large", file=("large.age", sealed))

    assert browser.get(f"/mailbox/{source.address}").text.count("data-unchecked") == 1


def test_what_was_pasted_sealed_can_be_saved(world: World, browser: AdviserBrowser) -> None:
    source = a_source(world)
    wrote = source.writes(
        age_armour(bytes(9), [recipient_of(world)]) + age_armour(b"x", [PQIdentity(b"x" * 32).recipient])
    )
    browser.unlock()
    place = f"/mailbox/{source.address}/entries/{wrote.envelope.entry_id.hex()}/sealed"

    assert bytes(9) == browser.get(f"{place}/1").data
    assert hooks(browser.get(f"{place}/2").text, "refusal") == ["file_sealed"]
    assert [200, 409, 404] == [browser.get(f"{place}/{number}").status_code for number in (1, 2, 3)]
