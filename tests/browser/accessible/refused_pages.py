"""Pages for sources that refuse something, or tell of a fault, an absence or a published report."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from werkzeug.test import TestResponse

from protocol.content import PassOnRecipient
from protocol.letterhead import Absence, Report
from source_app.public_desk import PublicDesk
from source_app.services import consent
from store import public_files
from tests.source_app.answering_proposals import form_of, path_of, say
from tests.source_app.desks import TODAY, ADesk, multipart
from tests.source_app.views import broken_stores

_PRACTISE = "/en/practise"


def refused_pages(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    yield from _passphrases(a_desk)
    yield from _messages(a_desk)
    yield from _answers(a_desk)
    yield from _faults(a_desk)
    yield from _published(a_desk)


@contextmanager
def _with(a_desk: ADesk, desk: PublicDesk) -> Iterator[None]:
    before = a_desk.desk
    a_desk.app.extensions["desk"] = desk
    yield
    a_desk.app.extensions["desk"] = before


def _passphrases(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser = a_desk.browser()
    shown = browser.get("/en/begin")
    ticket = browser.hidden(shown, _PRACTISE)
    words = re.findall(r"<span>([a-z]+)</span>", shown.text)
    typed = {
        "empty": [],
        "one word differs": [*words[:-1], "qzxqzx"],
        "two words joined": [words[0] + words[1], *words[2:]],
        "another order": words[::-1],
        "too many words": [*words, *words],
    }
    for name, each in typed.items():
        yield f"practise, {name}", browser.post(_PRACTISE, {**ticket, "words": " ".join(each)})
    yield "practise, no cookie", a_desk.browser().post(_PRACTISE, {**ticket, "words": " ".join(words)})
    browser.post(_PRACTISE, {**ticket, "words": " ".join(words)})
    with _with(a_desk, replace(a_desk.desk, new_mailboxes=1)):
        a_desk.browser().start()
        yield "begin, limit", a_desk.browser().get("/en/begin")
    yield "begin, words used", browser.post("/en/begin", ticket)
    empty = a_desk.browser()
    yield "log in, empty", empty.get(empty.log_in("").location)
    for fault in (broken_stores.missing, broken_stores.busy):
        repair = fault(a_desk)
        yield f"log in, {fault.__name__}", a_desk.browser().log_in("tafel")
        repair()


def _messages(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser = a_desk.browser()
    browser.start()
    fields = browser.form_context()
    late, stranger = a_desk.browser(), a_desk.browser()
    yield "write, logged out", (asked := late.write("a", form_context=fields))
    waiting = {**late.hidden(asked, "/en/log-in"), "text": "a"}
    yield "write, logged out, wrong words", late.log_in("tafel", **waiting)
    stranger.start()
    yield "write, another mailbox", stranger.write("a", form_context=fields)
    yield "write, stale", browser.write("a", [("a.txt", b"1")], {**fields, "token": "stale"})
    yield "write, too large", browser.write("a", [("a.txt", b"x" * 9_000_000)])
    yield "write, too long, encrypted", browser.write("-----BEGIN PGP MESSAGE-----" + "x" * 50_001)
    body = multipart({**fields, "text": "a"}, [("a.txt", b"1" * 100_000)], end=False)
    yield "write, cut off", browser.send(body[:-50_000], length=len(body))
    yield "write, unreadable", browser.write("a", [("a" * 100_000, b"1")])
    with _with(a_desk, replace(a_desk.desk, limits=replace(a_desk.desk.limits, entries=0))):
        yield "write, full", browser.write("a")
    browser.write("a", form_context=fields)
    yield "write, changed", browser.write("b", form_context=fields)
    for fault in (broken_stores.without_room, broken_stores.read_only):
        repair = fault(a_desk)
        yield f"write, {fault.__name__}", browser.write("a", [("a.txt", b"1")])
        repair()


def _answers(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser = a_desk.browser()
    browser.start()
    browser.write("the first message")
    keys = a_desk.keys_of(browser)
    old = a_desk.propose(keys, "old", recipient=PassOnRecipient.INTEGRITY)
    old_form = form_of(browser, old)
    made = a_desk.propose(keys, "a text", recipient=PassOnRecipient.COMPLAINTS)
    path, form = path_of(made), form_of(browser, made)
    yield "proposal, obsolete answer", browser.post(path_of(old), {**old_form, "verdict": "declined"})
    yield "proposal, too long", say(browser, made, "changes_asked", text="x" * 50_001)
    foreign = {**form, "token": "stale"}
    yield "proposal, before the log-in", browser.post(path, {**foreign, "verdict": "declined"})
    other = "00" * 32
    action = consent.answer_action(made.envelope.entry_id.hex(), other)
    false = {**a_desk.form_context(keys).hidden_fields(a_desk.token_of(browser), action), "digest": other}
    yield "proposal, another text", browser.post(path, {**false, "verdict": "declined"})
    full = replace(a_desk.desk.limits, entries=1 - consent._SPARE_ENTRIES)
    with _with(a_desk, replace(a_desk.desk, limits=full)):
        yield "proposal, full", say(browser, made, "declined")
    a_desk.close(keys, "bye", TODAY + timedelta(days=90))
    yield "proposal, mailbox closed", browser.get(path)
    second = form_of(browser, made)
    say(browser, made, "agreed", sure="y")
    yield "proposal, answered", browser.post(path, {**second, "verdict": "declined"})
    later = form_of(browser, made)
    a_desk.pass_on(keys, made)
    yield "proposal, too late", browser.post(path, {**later, "verdict": "taken_back"})
    end = "/en/mailbox/end"
    yield "end, with a proposal", browser.get(end)
    ended = browser.post(end, {**browser.hidden(browser.get(end), end), "sure": "y"})
    yield "ended, with a proposal", browser.get(ended.location)


def _faults(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser = a_desk.browser()
    browser.start()
    yield "error, wrong method", browser.get("/en/mailbox/keep")
    yield "error, too large", browser.post("/en/begin", {"words": "x" * 1_000_000})
    repair = broken_stores.missing(a_desk)
    yield "error, store", browser.get("/en/mailbox")
    repair()
    a_desk.end(browser)
    yield "error, gone", browser.get("/en/mailbox")


def _published(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser = a_desk.browser()
    browser.start()
    browser.write("the first message")
    files = {f"report-2026-en.{kind}": kind.encode() for kind in ("html", "pdf", "csv")}
    with a_desk.store.writing() as writing:
        for name, body in files.items():
            public_files.put(writing, name, body)
    named = [*files.items(), ("report-2025-en.html", b"missing")]
    letterhead = a_desk.letterhead.successor(
        reports=tuple(Report(name, TODAY, hashlib.sha256(body).digest()) for name, body in named),
        absences=(
            Absence(since=TODAY, until=TODAY + timedelta(days=3)),
            Absence(since=TODAY + timedelta(days=10), until=TODAY + timedelta(days=12)),
        ),
        answer_working_days=len(a_desk.letterhead.working_days),
        openpgp_fingerprint="AB" * 20,
        openpgp_key="-----BEGIN PGP PUBLIC KEY BLOCK-----",
    )
    a_desk.app.extensions["newest_letterhead"] = lambda: letterhead
    with _with(a_desk, replace(a_desk.desk, letterhead=letterhead)):
        for path in ("", "help", "seal", "reports", "mailbox", "reports/report-2025-en.html"):
            yield f"{path or 'start'}, with all that a desk publishes", browser.get(f"/en/{path}")
    a_desk.app.extensions["newest_letterhead"] = lambda: a_desk.letterhead
