"""A GET request writes only the session's own row and, after the page was made, a read receipt."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
import pytest

from protocol.envelope import Author, EntryClass, Envelope
from protocol.letterhead import Report
from protocol.mailbox_keys import MailboxKeys
from protocol.session import token_hash
from source_app.services import login
from store import letterheads, public_files
from store.errors import StoreReadOnlyError
from tests.pages import hooks
from tests.refused_writes import WriteGuard, watch_all_connections
from tests.source_app.desks import TODAY, ADesk, SourceBrowser, make_desk
from tests.source_app.test_attacks import delete, messages, sql
from tests.store_snapshots import snapshot, written

_RECEIPT_COLUMNS = {"version", "last_day"}  # of the mailbox's row
_AS_IT_IS = {"pages.leave": 303}
_ITS_SESSION = ("update session",)
_ITS_RECEIPT = ("insert entry", "update mailbox")
_WITH_RECEIPT = {"mailbox.show_mailbox", "mailbox.show_printable"}
_REPORT = b"<p>a yearly report"


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> WriteGuard:
    return watch_all_connections(monkeypatch)


@pytest.fixture
def a_desk(guard: WriteGuard, tmp_path: Path) -> Iterator[ADesk]:  # noqa: ARG001  # first the guard
    """Return a desk with an OpenPGP key, a yearly report and a contact for security."""
    made = make_desk(tmp_path, security_contact="mailto:security@example.org")
    report = Report(title="report-2026-en.html", published=TODAY, sha256=hashlib.sha256(_REPORT).digest())
    letterhead = msgspec.structs.replace(made.letterhead, openpgp_key="armour", reports=(report,))
    made.app.extensions["newest_letterhead"] = lambda: letterhead
    made.app.extensions["desk"] = replace(made.desk, letterhead=letterhead)
    with made.store.writing() as writing:
        public_files.put(writing, report.title, _REPORT)
    yield made
    made.store.close()


@pytest.fixture
def source(a_desk: ADesk) -> SourceBrowser:
    return a_full_mailbox(a_desk)


def a_full_mailbox(a_desk: ADesk) -> SourceBrowser:
    """Return the browser of a source whose mailbox has something for every page, and news."""
    browser = a_desk.browser()
    browser.start()
    browser.write("a question", [("a.txt", b"a file")])
    keys = a_desk.keys_of(browser)
    a_desk.receipt(keys)
    a_desk.propose(keys, "a text to pass on")
    a_desk.close(keys, "goodbye", date(2026, 6, 3))
    with a_desk.store.writing() as session:
        letterheads.add(session, 1, b"letterhead", b"signature")
    return browser


def paths_of(a_desk: ADesk, source: SourceBrowser, lang: str = "en") -> dict[str, str]:
    """Return a path for every GET route of the site, by endpoint."""
    thread = a_desk.thread_of(source)
    own = thread.entries[0]
    values = {
        "lang": lang,
        "number": str(a_desk.app.extensions["signposts"]["en"].first),
        "name": "report-2026-en.html",
        "attachment_id": own.files[0].id,
    }
    ids = {"mailbox.show_proposal": next(each.id for each in thread.asked)}
    paths = {}
    with a_desk.app.test_request_context():
        for rule in a_desk.app.url_map.iter_rules():
            if "GET" in (rule.methods or ()):
                given = {"entry_id": ids.get(rule.endpoint, own.id), **values}
                wanted = {name: given[name] for name in rule.arguments}  # a new argument needs a value here
                paths[rule.endpoint] = a_desk.app.url_map.bind("localhost").build(rule.endpoint, wanted)
    return paths


def test_sqlite_refuses_every_write_of_a_get_but_that_of_its_session_and_its_receipt(
    guard: WriteGuard, a_desk: ADesk, source: SourceBrowser
) -> None:
    keys, paths = a_desk.keys_of(source), paths_of(a_desk, source)
    del paths["pages.leave"]  # VACUUM rewrites the file of the sessions: see the next tests
    for endpoint, path in paths.items():
        a_desk.answer(keys, "news")

        with guard.refusing_all_but(*_ITS_SESSION, *(_ITS_RECEIPT if endpoint in _WITH_RECEIPT else ())):
            answer = source.get(path)

        assert (answer.status_code, guard.refused) == (200, []), endpoint


def a_stranger(a_desk: ADesk, source: SourceBrowser) -> SourceBrowser:  # noqa: ARG001  # as the others
    return a_desk.browser()


def after_wrong_words(a_desk: ADesk, source: SourceBrowser) -> SourceBrowser:
    visitor = a_stranger(a_desk, source)
    visitor.log_in("not these words")
    return visitor


def without_a_session(a_desk: ADesk, source: SourceBrowser) -> SourceBrowser:
    """Return a browser whose cookie names a session that is gone."""
    login.log_out(a_desk.desk, a_desk.token_of(source))
    return source


def whose_mailbox_ended(a_desk: ADesk, source: SourceBrowser) -> SourceBrowser:
    a_desk.end(source)
    return source


def with_faults(a_desk: ADesk, source: SourceBrowser) -> SourceBrowser:
    """Return a source whose deleted text came back, and whose other texts are lost."""
    delete(source, messages(a_desk, a_desk.keys_of(source))[0])
    other = "CASE WHEN header IS NULL THEN x'00' END"
    sql(a_desk, f"UPDATE sealed SET header = {other} WHERE id IN (SELECT id FROM entry)")  # noqa: S608  # ours
    assert {"lost", "restored"} <= set(hooks(source.get("/en/mailbox").text, "notice"))
    return source


@pytest.mark.parametrize(
    "state", [a_stranger, after_wrong_words, without_a_session, whose_mailbox_ended, with_faults]
)
def test_sqlite_refuses_every_write_of_a_get_in_another_state(
    guard: WriteGuard,
    a_desk: ADesk,
    source: SourceBrowser,
    state: Callable[[ADesk, SourceBrowser], SourceBrowser],
) -> None:
    paths = paths_of(a_desk, source)
    del paths["pages.leave"]
    visitor = state(a_desk, source)

    for endpoint, path in paths.items():
        with guard.refusing_all_but(*_ITS_SESSION):
            answer = visitor.get(path)

        assert answer.status_code in {200, 303, 404}, endpoint
        assert guard.refused == [], endpoint


def test_a_page_with_news_writes_its_receipt_and_nothing_else(a_desk: ADesk, source: SourceBrowser) -> None:
    keys = a_desk.keys_of(source)
    for endpoint, path in paths_of(a_desk, source).items():
        a_desk.answer(keys, "news")
        before = snapshot(a_desk.store)

        page = source.client.get(path)
        while_it_is_sent = snapshot(a_desk.store)
        page.close()

        assert written(before, while_it_is_sent) == {}, endpoint
        changes = written(before, snapshot(a_desk.store))
        if endpoint not in _WITH_RECEIPT:
            assert changes == {}, endpoint
        else:
            _assert_one_receipt(a_desk, keys, before, changes)
        if endpoint == "pages.leave":
            source.log_in(source.passphrase)


def _assert_one_receipt(
    a_desk: ADesk,
    keys: MailboxKeys,
    before: Mapping[str, object],
    changes: dict[str, list[dict[str, object]]],
) -> None:
    assert changes.keys() == {"entry", "mailbox"}
    (entry,) = changes["entry"]
    assert isinstance(entry["envelope"], bytes)
    envelope = Envelope.from_bytes(entry["envelope"])
    assert (envelope.entry_class, envelope.author) == (EntryClass.RECEIPT, Author.SOURCE)
    (mailbox,) = changes["mailbox"]
    rows = before["mailbox"]
    assert isinstance(rows, dict)
    (was,) = [dict(row) for row in rows if dict(row)["address"] == keys.address]
    assert {name for name in mailbox if mailbox[name] != was[name]} <= _RECEIPT_COLUMNS
    assert a_desk.transcript(keys).faults == ()


def test_every_get_answers_although_the_store_refuses_all_writes(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    paths = paths_of(a_desk, source)

    def refuse() -> None:
        raise StoreReadOnlyError("no writes")

    a_desk.app.extensions["desk"] = a_desk.overtaken(refuse, 10_000)
    for endpoint, path in paths.items():
        assert source.get(path).status_code == _AS_IT_IS.get(endpoint, 200), endpoint
        if endpoint == "pages.leave":
            source.log_in(source.passphrase)


def test_of_the_sessions_a_get_writes_its_own_row_alone(a_desk: ADesk, source: SourceBrowser) -> None:
    other = a_full_mailbox(a_desk)
    other.get("/en/mailbox")
    for endpoint, path in paths_of(a_desk, source).items():
        own = token_hash(a_desk.token_of(source))
        before = snapshot(a_desk.config.sessions_path)

        source.get(path)

        changes = written(before, snapshot(a_desk.config.sessions_path)).get("session", [])
        assert {row["token_hash"] for row in changes} <= {own}, endpoint
        if endpoint == "pages.leave":
            assert source.log_in(source.passphrase).status_code == 303


def test_the_head_of_a_page_and_a_prefetched_page_write_nothing(a_desk: ADesk, source: SourceBrowser) -> None:
    paths = paths_of(a_desk, source)
    before = [snapshot(place) for place in (a_desk.store, a_desk.config.sessions_path)]

    for path in paths.values():
        source.client.head(path, buffered=True)
        source.client.get(path, headers={"Sec-Purpose": "prefetch"}, buffered=True)

    after = [snapshot(place) for place in (a_desk.store, a_desk.config.sessions_path)]
    assert [written(*each) for each in zip(before, after, strict=True)] == [{}, {}]
