"""Every answer 503 or 507 is one log line with nothing of the request, and names when to try again."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from werkzeug.test import TestResponse

from deploy.quiet_log import QuietFormatter
from protocol.content import Verdict
from protocol.letterhead import Report
from source_app.views import error_pages
from tests.planted import finds_the_fault
from tests.source_app.desks import ADesk, SourceBrowser
from tests.source_app.views import broken_stores
from tests.source_app.views.broken_stores import Repair

TEXT = "a text that no log may hold"
READS = {"conversation", "save", "form", "receipt", "proposal", "file", "letterhead"}
WRITES = {"consent", "delete", "text", "text with a file", "write the end"}
ENTRIES = {"practise", "log in"}
# What fails because of each fault. The report is always missing.
FAULTS: dict[Callable[[ADesk], Repair], set[str]] = {
    broken_stores.locked: WRITES | {"practise"},
    broken_stores.read_only: WRITES | {"practise"},
    broken_stores.full: WRITES,
    broken_stores.changing: WRITES,
    broken_stores.missing: READS | WRITES | ENTRIES,
    broken_stores.damaged: READS | WRITES | ENTRIES,
    broken_stores.without_sessions: READS | WRITES | ENTRIES,
    broken_stores.busy: ENTRIES,
    broken_stores.without_room: {"text with a file"},
    broken_stores.disk_nearly_full: {"text with a file"},
}
FAULTS_OF_A_SERVER = {
    broken_stores.server_gone: READS | WRITES | ENTRIES,
    broken_stores.server_without_connections: READS | WRITES | ENTRIES,
    broken_stores.server_read_only: READS | WRITES | ENTRIES,  # it may be a standby, with outdated rows
}
Ask = Callable[[], TestResponse]


def _prepare(a_desk: ADesk, source: SourceBrowser, name: str) -> Ask:
    """Fetch the form of a request, and return a function that sends the request."""
    own = a_desk.thread_of(source).entries[0]
    proposal = a_desk.propose(a_desk.keys_of(source), "a text to pass on").envelope.entry_id.hex()
    pages = {
        "conversation": "/en/mailbox",
        "save": "/en/mailbox/save",
        "form": "/en/mailbox/write",
        "receipt": f"/en/mailbox/received/{own.id}",
        "proposal": f"/en/mailbox/proposal/{proposal}",
        "file": f"/en/mailbox/files/{own.files[0].id}",
        "letterhead": "/en/seal/letterhead.json",
        "report": "/en/reports/report-2026-en.pdf",
        "leave": "/en/leave",
    }
    if name in pages:
        return lambda: source.get(pages[name])
    if name in {"text", "text with a file"}:
        form, files = source.form_context(), [("secret.txt", b"x" * 2_000_000)]
        return lambda: source.write(TEXT, files if name.endswith("file") else [], form)
    if name == "log in":
        return lambda: source.log_in(source.passphrase, text=TEXT)
    if name == "practise":
        visitor = a_desk.browser()
        shown = visitor.get("/en/begin")
        words = " ".join(re.findall(r"<span>([a-z]+)</span>", shown.text))
        fields = {**visitor.hidden(shown, "/en/practise"), "words": words}
        return lambda: visitor.post("/en/practise", fields)
    path, more = {
        "consent": (pages["proposal"], {"verdict": Verdict.CHANGES_ASKED, "text": TEXT}),
        "delete": (source.write("a mistake").location.replace("received", "delete"), {}),
        "write the end": ("/en/mailbox/end", {"sure": "y"}),
    }[name]
    form = {**source.hidden(source.get(path), path), **more}
    return lambda: source.post(path, form)


@pytest.fixture
def source(a_desk: ADesk) -> SourceBrowser:
    report = Report(title="report-2026-en.pdf", sha256=bytes(32), published=date(2026, 1, 1))
    letterhead = a_desk.letterhead.successor(reports=(report,))
    a_desk.app.extensions["desk"] = replace(a_desk.desk, letterhead=letterhead)
    a_desk.app.extensions["newest_letterhead"] = lambda: letterhead
    a_desk.letterhead = letterhead
    browser = a_desk.browser()
    browser.start()
    browser.write("the first message", [("a.txt", b"a file")])
    return browser


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [QuietFormatter().format(record) for record in caplog.records]


def _asserts_one_line_each(
    a_desk: ADesk, source: SourceBrowser, caplog: pytest.LogCaptureFixture, breaks: Callable[[ADesk], Repair]
) -> set[str]:
    """Send every request while the fault lasts. Return the names of those that got 503 or 507."""
    refused = set()
    for name in (
        *sorted(READS | {"report"}),
        *sorted(ENTRIES),
        "leave",
        *sorted(WRITES),
    ):  # the end is the last
        ask = _prepare(a_desk, source, name)
        repair = breaks(a_desk)
        caplog.clear()
        with ask() as answer:
            is_refused = answer.status_code in {503, 507}
        repair()
        told = [line for line in _lines(caplog) if not re.search(" (read receipt|log-out): ", line)]
        assert is_refused or answer.status_code < 500, name
        assert is_refused == ("Retry-After" in answer.headers), name
        assert is_refused == len(told), name
        assert all(re.fullmatch(r"[0-9-]{10} error answered 50[37]: [A-Za-z]+", line) for line in told), name
        refused |= {name} if is_refused else set()
        if name in {"leave", "log in"}:
            source.log_in(source.passphrase)
    return refused


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_answer_that_says_come_back_later_is_one_line_and_names_a_time(
    a_desk: ADesk, source: SourceBrowser, caplog: pytest.LogCaptureFixture, fault: Callable[[ADesk], Repair]
) -> None:
    refused = _asserts_one_line_each(a_desk, source, caplog, fault)

    assert FAULTS[fault] | {"report"} == refused


@pytest.mark.usefixtures("_on_database")
@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("fault", FAULTS_OF_A_SERVER, ids=lambda fault: fault.__name__)
def test_a_site_without_its_database_server_says_so_and_works_again_with_it(
    a_desk: ADesk, source: SourceBrowser, caplog: pytest.LogCaptureFixture, fault: Callable[[ADesk], Repair]
) -> None:
    refused = _asserts_one_line_each(a_desk, source, caplog, fault)

    assert FAULTS_OF_A_SERVER[fault] | {"report"} == refused


@pytest.mark.usefixtures("_on_database")
@pytest.mark.databases("postgresql")
def test_a_text_that_was_typed_while_the_database_server_was_gone_is_shown_again(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    form = source.form_context()
    repair = broken_stores.server_gone(a_desk)
    refused = source.write(TEXT, form_context=form)
    repair()

    assert refused.status_code == 503
    assert TEXT in refused.text
    assert source.write(TEXT, form_context=form).status_code == 303
    assert source.write(TEXT, form_context=form).status_code == 303  # sent twice, and stored once
    assert source.get("/en/mailbox").text.count(TEXT) == 1


@pytest.mark.parametrize("path", ["leave", "log-out"])
def test_whoever_leaves_in_a_hurry_stays_on_no_page_with_an_error(
    a_desk: ADesk, source: SourceBrowser, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    repair = broken_stores.without_sessions(a_desk)
    caplog.clear()

    left = source.get("/en/leave") if path == "leave" else source.post("/en/log-out", {})

    repair()
    assert left.status_code == 303
    assert source.client.get_cookie("mailbox") is None
    assert ["log-out: StoreMissingError"] == caplog.messages


def test_a_planted_fault_is_found_a_silent_refusal(
    a_desk: ADesk, source: SourceBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = a_desk.app.after_request_funcs[None]
    hooks.remove(error_pages._tell_unavailable)

    with finds_the_fault():
        _asserts_one_line_each(a_desk, source, caplog, broken_stores.busy)
