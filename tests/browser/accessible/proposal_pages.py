"""Pages for sources about what is passed on, and about what a deletion or an end does to a proposal."""

from collections.abc import Iterator

from werkzeug.test import TestResponse

from protocol.content import StepName
from protocol.entry import SignedEntry
from protocol.mailbox_keys import MailboxKeys
from tests.source_app.answering_proposals import path_of, say
from tests.source_app.desks import TODAY, ADesk, SourceBrowser

_MAILBOX, _END = "/en/mailbox", "/en/mailbox/end"
_REASON = "The law obliges us."


def proposal_pages(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    yield from _of_an_answer(a_desk)
    yield from _of_a_withdrawal(a_desk)
    yield from _of_passing_on(a_desk)


def _asked(a_desk: ADesk) -> tuple[SourceBrowser, MailboxKeys, SignedEntry]:
    browser = a_desk.browser()
    browser.start()
    browser.write("the first message", [("a.txt", b"1" * 2_000)])
    keys = a_desk.keys_of(browser)
    return browser, keys, a_desk.propose(keys, "a text")


def _delete_path(browser: SourceBrowser) -> str:
    """Return the path of the page to delete the source's newest message."""
    page = browser.get(_MAILBOX).text
    return f"{_MAILBOX}/delete/" + page.partition(f"{_MAILBOX}/delete/")[2][:32]


def _of_an_answer(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser, _, made = _asked(a_desk)
    yield "proposal, agreed with a wish", say(browser, made, "agreed", sure="y", text="shorter")
    say(browser, made, "agreed", sure="y")
    yield "delete, an agreement", browser.get(_delete_path(browser))
    yield "end, with an agreement", browser.get(_END)
    browser.write("after the agreement")
    after = _delete_path(browser)
    asked = browser.get(after)
    yield "delete, after an agreement", asked
    a_desk.add_workstation(b"desk-two", since=TODAY)
    deleted = browser.post(after, browser.hidden(asked, after))
    a_desk.receipt(a_desk.keys_of(browser))
    yield "mailbox, just deleted", browser.get(deleted.location)


def _of_a_withdrawal(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser, keys, made = _asked(a_desk)
    replica = a_desk.transcript(keys)
    say(browser, made, "declined")
    yield "delete, a no", browser.get(_delete_path(browser))
    a_desk.pass_on(keys, made, reason=_REASON, replica=replica)
    yield "mailbox, wanted without agreement", browser.get(_MAILBOX)
    a_desk.pass_on(keys, made, reason=_REASON)
    yield "proposal, without agreement", browser.get(path_of(made))


def _of_passing_on(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser, keys, made = _asked(a_desk)
    say(browser, made, "agreed", sure="y")
    a_desk.pass_on(keys, made)
    yield "mailbox, passing on", browser.get(_MAILBOX)
    yield "delete, an agreement that stays", browser.get(_delete_path(browser))
    a_desk.pass_on(keys, made, StepName.PASSED_ON, delivered=TODAY)
    yield "mailbox, handed over", browser.get(_MAILBOX)
