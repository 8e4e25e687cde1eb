"""Sentences about a proposal are true at that moment: of this proposal, this answer and this day."""

import re
from datetime import date

import pytest

from protocol.content import Kind, StepName
from protocol.entry import SignedEntry
from protocol.mailbox_keys import MailboxKeys
from tests.pages import hook, hooks
from tests.source_app.answering_proposals import path_of, say, shown
from tests.source_app.desks import TODAY, ADesk, SourceBrowser


@pytest.fixture
def made(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys) -> SignedEntry:
    assert source.passphrase
    return a_desk.propose(keys, "a text")


def _now(page: str) -> str:
    return page.partition('<li class="now"')[2].partition("</li>")[0]


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [((), None), (("agreed", "taken_back"), "taken_back"), (("declined",), "declined")],
)
def test_passing_on_without_agreement_is_not_called_an_agreement_that_can_no_longer_be_taken_back(
    a_desk: ADesk,
    source: SourceBrowser,
    keys: MailboxKeys,
    made: SignedEntry,
    answers: tuple[str, ...],
    verdict: str | None,
) -> None:
    for each in answers:
        say(source, made, each, sure="y")
    receipt = shown(a_desk, keys, made).answer_receipt
    a_desk.pass_on(keys, made, reason="The law obliges us.")

    begun = source.get(path_of(made)).text
    a_desk.pass_on(keys, made, StepName.PASSED_ON, reason="The law obliges us.")
    passed_on = source.get(path_of(made)).text

    for page in (begun, passed_on):
        assert hooks(page, "state") == ["without_agreement"]
        assert hooks(page, "answered") == ([] if verdict is None else [verdict])
        assert "You can no longer take back" not in page
        assert "The law obliges us." in page
        assert receipt in page


def test_a_proposal_that_was_handed_over_says_on_which_day(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")
    a_desk.pass_on(keys, made)
    before = source.get("/en/mailbox").text
    a_desk.pass_on(keys, made, StepName.PASSED_ON)
    file_made = source.get("/en/mailbox").text
    a_desk.pass_on(keys, made, StepName.PASSED_ON, delivered=TODAY)

    page = source.get(path_of(made)).text

    assert [hooks(_now(each), "next") for each in (before, file_made)] == [["make_file"], ["hand_over"]]
    assert hooks(page, "state") == ["handed_over"]
    assert "2 March 2026" in page.partition(hook("state", "handed_over"))[2].partition("</span>")[0]


def test_a_no_speaks_of_this_proposal_when_another_one_was_passed_on(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")
    a_desk.pass_on(keys, made)
    a_desk.pass_on(keys, made, StepName.PASSED_ON, delivered=TODAY)
    second = a_desk.propose(keys, "another text")
    asked = source.get(path_of(second)).text
    say(source, second, "declined")

    for page in (asked, source.get("/en/mailbox").text, source.get(path_of(second)).text):
        assert "pass on nothing" not in page


def test_a_step_leads_to_its_proposal_if_there_are_several(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    """Fault: beside "You said no", "The information was passed on" seemed to be about the same proposal."""
    say(source, made, "agreed", sure="y")
    a_desk.pass_on(keys, made)
    alone = source.get("/en/mailbox").text
    second = a_desk.propose(keys, "another text")
    say(source, second, "declined")
    a_desk.pass_on(keys, made, StepName.PASSED_ON, delivered=TODAY)

    mailbox = source.get("/en/mailbox").text

    assert hooks(alone, "step-of") == []
    assert hooks(_now(mailbox), "step-of") == [made.envelope.entry_id.hex()]
    assert f'href="{path_of(made)}"' in _now(mailbox)


@pytest.mark.parametrize("verdict", ["agreed", "declined", "changes_asked"])
def test_an_answer_is_still_told_when_a_newer_proposal_has_come(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry, verdict: str
) -> None:
    """Fault: a declined proposal became one that "we no longer carry out", and the list lost the answer.

    Fault: the list said "You agreed to this proposal" without the words that this proposal no longer counts.
    """
    more = {"sure": "y"} if verdict == "agreed" else {"text": "shorter"}
    say(source, made, verdict, **more)
    a_desk.propose(keys, "a newer text")

    mailbox, page = source.get("/en/mailbox").text, source.get(path_of(made)).text

    assert (hooks(page, "state"), hooks(page, "answered")) == (["obsolete"], [verdict])
    steps = re.findall(r'<li class="done">.*?</li>', mailbox, re.DOTALL)
    assert [hooks(step, "answered") for step in steps if "proposal_made" in step] == [[verdict, "obsolete"]]


def test_a_closed_mailbox_with_an_open_proposal_says_one_thing(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    """Fault: "we ask you to answer" stood above "you do not have to do anything"."""
    a_desk.close(keys, "bye", date(2026, 6, 3))

    closed = source.get("/en/mailbox").text
    say(source, made, "agreed", sure="y")
    opened = source.get("/en/mailbox").text

    assert hooks(closed, "notice")[:3] == ["closed", "opens_again", "answer_opens"]
    assert hooks(_now(closed), "next") == ["may_answer"]
    assert hooks(_now(opened), "step") == ["reopened"]
    assert hooks(_now(opened), "next") == ["make_file"]
    later = opened.partition('<li class="later"')[2].partition("</ol>")[0]
    assert hooks(later, "step") == ["closed"]


def test_an_answer_after_a_page_with_the_closing_comes_after_the_closing(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    """Fault: a read receipt comes a second after its page, and the form of a fast reader named no closing."""
    source.get("/en/mailbox")
    a_desk.close(keys, "bye", date(2026, 6, 3))
    late: list[object] = []
    a_desk.app.extensions["in_background"] = late.append
    source.get("/en/mailbox")
    say(source, made, "agreed", sure="y")

    thread = a_desk.thread_of(source)

    assert late
    assert [entry.kind for entry in thread.entries][-2:] == [Kind.CLOSING, Kind.ANSWER]


def test_the_way_to_take_back_stays_on_top_after_another_message(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")
    pages = [source.get("/en/mailbox").text]
    source.write("thank you")
    pages.append(source.get("/en/mailbox").text)
    a_desk.answer(keys, "you are welcome")
    pages.append(source.get("/en/mailbox").text)

    for page in pages:
        top = page.partition('id="thread-state"')[0]
        assert hooks(top, "state") == ["agreed"]
        assert path_of(made) in top.partition(hook("notice", "agreed"))[2]
    say(source, made, "taken_back")
    assert "agreed" not in hooks(source.get("/en/mailbox").text, "notice")


def test_the_box_for_changes_says_that_a_no_sends_its_text(source: SourceBrowser, made: SignedEntry) -> None:
    page = source.get(path_of(made)).text
    say(source, made, "declined")
    declined = source.get(path_of(made)).text

    assert page.index('id="text-hint"') < page.index("<textarea") < page.index('value="declined"')
    assert 'aria-describedby="text-hint"' in page
    assert "text-hint" not in declined  # there is no button to say no again
