"""Pages for sources in states that are rarer than those of `tests.source_app.views.test_public_pages`."""

import secrets
from collections.abc import Iterator
from datetime import date, timedelta

from sqlalchemy import update
from werkzeug.test import TestResponse

from protocol.content import StepName, StepNote, Verdict
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import DeskWriter
from source_app.services.consent import append_consent
from store.database.schema import EntryRow
from tests.source_app.answering_proposals import path_of, say
from tests.source_app.desks import STRAND, TODAY, ADesk, SourceBrowser, ToGo
from tests.source_app.services.test_consent import an_answer

_DUE = date(2026, 6, 3)


def rarer_pages(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    yield "begin, words of another language", a_desk.browser().get("/fr/begin")
    yield from _answered_proposals(a_desk)
    yield from _passed_on(a_desk)
    yield from _deleted(a_desk)
    yield from _written_again(a_desk)
    yield from _damaged(a_desk)


def _a_mailbox(a_desk: ADesk) -> tuple[SourceBrowser, MailboxKeys]:
    browser = a_desk.browser()
    browser.start()
    browser.write("the first message")
    return browser, a_desk.keys_of(browser)


def _answered_proposals(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser, keys = _a_mailbox(a_desk)
    for verdict in ("declined", "changes_asked", "agreed", "taken_back"):
        made = a_desk.propose(keys, "a text", files=[ToGo("a.txt", b"1", about="a name", is_cleaned=True)])
        for each in ("agreed", "taken_back") if verdict == "taken_back" else (verdict,):
            say(browser, made, each, text="another name" if each == "changes_asked" else "", sure="y")
        yield f"mailbox, {verdict}", browser.get("/en/mailbox")
        yield f"proposal, {verdict}", browser.get(path_of(made))
    yield "proposal, obsolete", browser.get(path_of(a_desk.propose(keys, "old")))
    answer = browser.get("/en/mailbox").text.partition("/en/mailbox/delete/")[2][:32]
    yield "delete, an answer", browser.get(f"/en/mailbox/delete/{answer}")


def _passed_on(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser, keys = _a_mailbox(a_desk)
    made = a_desk.propose(keys, "a text")
    say(browser, made, "agreed", sure="y")
    a_desk.pass_on(keys, made)
    a_desk.pass_on(keys, made, StepName.PASSED_ON)
    yield "mailbox, file made", browser.get("/en/mailbox")
    a_desk.pass_on(keys, made, StepName.PASSED_ON, delivered=TODAY)
    yield "proposal, passed on", browser.get(path_of(made))
    for _ in range(6):
        a_desk.say_step(keys, "a step", StepNote(step=StepName.ADVICE_GIVEN))
    yield "mailbox, passed on, with many steps", browser.get("/en/mailbox")
    law = StepNote(step=StepName.PASSED_ON, to="the police", without_consent=True)
    a_desk.say_step(keys, "The law obliges us.", law)
    yield "mailbox, without agreement", browser.get("/en/mailbox")
    yield from _crossed(a_desk)


def _crossed(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser, keys = _a_mailbox(a_desk)
    made = a_desk.propose(keys, "a text")
    say(browser, made, "agreed", sure="y")
    replica = a_desk.transcript(keys)
    append_consent(a_desk.desk, keys, an_answer(a_desk, keys, made, Verdict.TAKEN_BACK), today=TODAY)
    a_desk.pass_on(keys, made, replica=replica)
    yield "mailbox, taken back in time", browser.get("/en/mailbox")
    a_desk.pass_on(keys, made, StepName.PASSED_ON)
    yield "mailbox, file made too late", browser.get("/en/mailbox")
    yield "proposal, file made too late", browser.get(path_of(made))
    a_desk.pass_on(keys, made, StepName.PASSED_ON, delivered=TODAY)
    yield "mailbox, handed over all the same", browser.get("/en/mailbox")


def _deleted(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser, keys = _a_mailbox(a_desk)
    answer = a_desk.answer(keys, "an answer").envelope.entry_id
    yield "entry", browser.get(f"/en/mailbox/entry/{answer.hex()}")
    late = StepNote(step=StepName.IN_CONVERSATION, next="We ask.", by=TODAY - timedelta(days=1))
    step = a_desk.say_step(keys, "", late).envelope.entry_id
    yield "mailbox, late", browser.get("/en/mailbox")
    for entry_id in (answer, step):
        a_desk.delete(keys, entry_id)
    a_desk.receipt(keys)
    yield "mailbox, answer deleted", browser.get("/en/mailbox")
    made = a_desk.propose(keys, "a text")
    say(browser, made, "agreed", sure="y")
    after = browser.write("after the agreement").location.rpartition("/")[2]
    a_desk.delete(keys, bytes.fromhex(after))
    yield "proposal, deleted after agreeing", browser.get(path_of(made))


def _written_again(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser, keys = _a_mailbox(a_desk)
    a_desk.close(keys, "bye", _DUE)
    fields = browser.form_context()
    yield "received, reopened", browser.get(browser.write("again", form_context=fields).location)
    fields = browser.form_context()
    a_desk.answer(keys, "news")
    yield "received, with news", browser.get(browser.write("at the same time", form_context=fields).location)
    yield "write, the passphrase", browser.write(f"My words are {browser.passphrase}")
    left = {**browser.form_context(), "text": "not sent", "look": "/en/mailbox"}
    browser.post("/en/mailbox/keep", left)
    yield "mailbox, unsent", browser.get("/en/mailbox")
    yield "write, unsent", browser.get("/en/mailbox/write")
    for letter in "abcdef":  # the same text twice would be one message
        browser.write(letter * 49_000)
    yield "mailbox, long", browser.get("/en/mailbox")
    yield "save, long", browser.get("/en/mailbox/save")


def _damaged(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser, keys = _a_mailbox(a_desk)
    a_desk.answer(keys, "FORGED", writer=DeskWriter(STRAND, secrets.token_bytes(32)))
    yield "mailbox, forged", browser.get("/en/mailbox")
    browser, _ = _a_mailbox(a_desk)
    with a_desk.store.writing() as writing:
        writing.execute(update(EntryRow).values(envelope=b"nonsense"))
    yield "mailbox, damaged", browser.get("/en/mailbox")
