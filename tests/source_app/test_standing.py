"""Told about every step: the source sees where things stand, what comes next and when."""

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from protocol.content import Kind, StepName, StepNote
from protocol.identifiers import Digest
from protocol.letterhead import Absence, Letterhead
from protocol.mailbox_keys import MailboxKeys
from source_app.services import deleting, reading
from source_app.services.absences import away
from source_app.services.reading import Expected
from tests.source_app.desks import TODAY, ADesk, Browser
from web.page_padding import STEP_BYTES

_SOON = date(2026, 3, 5)


@pytest.fixture
def source(a_desk: ADesk) -> Browser:
    browser = a_desk.browser()
    browser.start()
    return browser


@pytest.fixture
def keys(a_desk: ADesk, source: Browser) -> MailboxKeys:
    return a_desk.keys_of(source)


def _line(page: str) -> list[str]:
    """Return the items of the line of steps as a text browser shows them."""
    items = re.findall(r'<li class="(?:done|now|later)".*?</li>', page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", item).split()) for item in items]


def test_an_empty_mailbox_has_no_line_yet(a_desk: ADesk, source: Browser) -> None:
    assert a_desk.thread_of(source).steps == ()
    assert "Where things stand" not in source.get("/en/mailbox").text


def test_a_first_message_is_received_and_the_rest_is_to_come(source: Browser) -> None:
    source.write("hello")

    line = _line(source.get("/en/mailbox").text)

    assert line == [
        (
            "Now: Received Monday 2 March 2026 "
            "Next: An adviser reads what you wrote. Expect it by Thursday 5 March 2026."
        ),
        "Later: Being read",
        "Later: In conversation",
        "Later: Advice given",
        "Later: Closed",
    ]


def test_the_current_step_is_told_by_words_and_to_a_screen_reader(
    a_desk: ADesk, source: Browser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.answer(keys, "", kind=Kind.SEEN)
    a_desk.answer(keys, "an answer")

    page = source.get("/en/mailbox").text

    assert page.count('aria-current="step"') == 1
    assert re.search(
        r'<li class="now" aria-current="step">\s*<p><span[^>]*>Now:</span> <strong>In conv', page
    )
    assert [line.split(" Monday")[0] for line in _line(page)[:3]] == [
        "Done: Received",
        "Done: Being read",
        "Now: In conversation",
    ]
    assert page.index("Where things stand") < page.index("<article")


def test_what_the_adviser_says_of_a_step_stands_in_the_line(
    a_desk: ADesk, source: Browser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.say_step(
        keys,
        "Here is what I would do.\nTwo lines & more.",
        StepNote(step=StepName.ADVICE_GIVEN, next="You think about it.", by=_SOON),
    )

    thread = a_desk.thread_of(source)
    page = source.get("/en/mailbox").text

    assert thread.expect_step == Expected(_SOON, is_late=False)
    assert (
        "Now: Advice given Monday 2 March 2026 Here is what I would do. Two lines &amp; more. "
        "Next: You think about it. Expect it by Thursday 5 March 2026." in _line(page)
    )
    assert "A new step: Advice given" in page
    assert "There is news for you" in page


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (StepNote(step=StepName.RECEIVED), "Now: Received"),
        (StepNote(step=StepName.BEING_READ), "Next: An adviser answers you here, in your mailbox."),
        (StepNote(step=StepName.IN_CONVERSATION), "Next: You can write whenever you like."),
        (StepNote(step=StepName.PROPOSAL_MADE), "Now: Proposal made"),
        (StepNote(step=StepName.REOPENED), "Now: Opened again"),
        (StepNote(step=StepName.PASSING_ON, to="X", without_consent=True), "Now: Being passed on to X"),
        (
            StepNote(step=StepName.PASSED_ON, to="X", without_consent=True, delivered=TODAY),
            "It was handed over on Monday 2 March 2026.",
        ),
    ],
    ids=lambda each: each.step if isinstance(each, StepNote) else "",
)
def test_every_step_has_words_of_its_own_and_says_what_is_next(
    a_desk: ADesk, source: Browser, keys: MailboxKeys, note: StepNote, words: str
) -> None:
    source.write("hello")
    a_desk.say_step(keys, "a reason", note)

    (now,) = [line for line in _line(source.get("/en/mailbox").text) if line.startswith("Now:")]

    assert words in now
    assert "Next: " in now


def test_a_proposal_and_what_the_adviser_says_with_it_are_one_step(
    a_desk: ADesk, source: Browser, keys: MailboxKeys
) -> None:
    source.write("hello")
    made = a_desk.propose(keys, "The exact text.")
    digest = a_desk.thread_of(source).asked[0].digest
    note = StepNote(
        step=StepName.PROPOSAL_MADE, next="You choose.", by=_SOON, proposal=Digest(bytes.fromhex(digest))
    )
    a_desk.say_step(keys, "Read it in your own time.", note)

    thread = a_desk.thread_of(source)
    page = source.get("/en/mailbox").text

    assert [line for line in _line(page) if "Proposal made" in line] == [
        (
            "Now: Proposal made Monday 2 March 2026 Read it in your own time. "
            "Next: You choose. Expect it by Thursday 5 March 2026."
        )
    ]
    assert [each.digest for each in thread.asked] == [digest]
    assert "We ask what you want" in page
    assert "There is news for you" not in page
    assert (
        "Read it in your own time."
        not in source.get(f"/en/mailbox/proposal/{made.envelope.entry_id.hex()}").text
    )


@pytest.mark.parametrize(
    ("note", "text", "waits"),
    [
        (StepNote(step=StepName.RECEIVED), "We have it.", True),
        (StepNote(step=StepName.BEING_READ), "We read it.", True),
        (StepNote(step=StepName.ADVICE_GIVEN), "This is what you can do.", False),
    ],
    ids=lambda each: each.step if isinstance(each, StepNote) else "",
)
def test_the_day_of_the_answer_stands_until_there_is_one(
    a_desk: ADesk, source: Browser, keys: MailboxKeys, note: StepNote, text: str, *, waits: bool
) -> None:
    source.write("hello")
    a_desk.say_step(keys, text, note)

    (now,) = [line for line in _line(source.get("/en/mailbox").text) if line.startswith("Now:")]

    assert ("Expect it by Thursday 5 March 2026." in now) is waits


def test_a_long_line_folds_away_what_is_earlier(a_desk: ADesk, source: Browser, keys: MailboxKeys) -> None:
    source.write("hello")
    for number in range(8):
        a_desk.say_step(keys, f"word {number}", StepNote(step=StepName.ADVICE_GIVEN))

    page = source.get("/en/mailbox").text

    assert page.count("<details>") == 1
    assert (
        page.index("Earlier steps") < page.index("word 0") < page.index("</details>") < page.index("word 7")
    )
    assert page.count('aria-current="step"') == 1


# ---- by when -----------------------------------------------------------------------------------------


def test_what_is_late_is_said_kindly_and_blames_nobody(
    a_desk: ADesk, source: Browser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.app.extensions["today"] = lambda: date(2026, 3, 6)

    page = source.get("/en/mailbox").text

    assert "We promised this by Thursday 5 March 2026, and we are late. That is our doing, not yours." in page
    late = reading.read_thread(a_desk.desk, keys, today=date(2026, 3, 6))
    assert late.expect == Expected(_SOON, is_late=True)
    on_the_day = reading.read_thread(a_desk.desk, keys, today=_SOON)
    assert on_the_day.expect == Expected(_SOON, is_late=False)


def test_a_promise_of_the_adviser_is_late_too(a_desk: ADesk, source: Browser, keys: MailboxKeys) -> None:
    source.write("hello")
    a_desk.say_step(keys, "", StepNote(step=StepName.IN_CONVERSATION, by=_SOON))
    a_desk.app.extensions["today"] = lambda: date(2026, 3, 6)

    assert "We promised this by Thursday 5 March 2026, and we are late." in source.get("/en/mailbox").text
    late = reading.read_thread(a_desk.desk, keys, today=date(2026, 3, 6))
    assert late.expect_step == Expected(_SOON, is_late=True)


def _with_absence(a_desk: ADesk, since: date, until: date) -> None:
    letterhead = _letterhead_with(a_desk, Absence(since=since, until=until))
    a_desk.app.extensions["newest_letterhead"] = lambda: letterhead


def _letterhead_with(a_desk: ADesk, *absences: Absence) -> Letterhead:
    return a_desk.letterhead.successor(absences=absences)


def test_an_absence_moves_the_day_and_is_told(a_desk: ADesk, source: Browser) -> None:
    source.write("hello")
    _with_absence(a_desk, TODAY, date(2026, 3, 9))

    page = source.get("/en/mailbox").text

    assert "Expect it by Thursday 12 March 2026." in page
    assert "We are away until 9 March, and back on Tuesday 10 March." in page


@pytest.mark.parametrize("path", ["/en/", "/en/help"])
def test_an_absence_stands_on_the_public_pages(a_desk: ADesk, path: str) -> None:
    assert "We are away" not in a_desk.browser().get(path).text
    _with_absence(a_desk, TODAY, date(2026, 3, 9))

    page = a_desk.browser().get(path).text

    assert "We are away at this moment" in page
    assert "from 2 March up to and including 9 March" in page
    assert "We are back on Tuesday 10 March 2026." in page


def test_absences_of_now_and_soon_are_told_in_order_and_no_others(a_desk: ADesk) -> None:
    def days(since: int, until: int) -> Absence:
        return Absence(since=TODAY + timedelta(days=since), until=TODAY + timedelta(days=until))

    letterhead = _letterhead_with(a_desk, days(21, 30), days(-9, -1), days(-1, 0), days(22, 23))

    told = away(letterhead, TODAY)

    assert [(each.since, each.is_now) for each in told] == [
        (TODAY - timedelta(days=1), True),
        (TODAY + timedelta(days=21), False),
    ]
    assert told[0].back_on == date(2026, 3, 3)
    assert "Soon we are away for a while" not in a_desk.browser().get("/en/").text


@pytest.mark.parametrize(("lang", "whole"), [("en", "of our own accord"), ("nl", "uit onszelf")])
def test_the_norms_of_service_are_public_and_of_the_desks_own_accord(
    a_desk: ADesk, lang: str, whole: str
) -> None:
    page = a_desk.browser().get(f"/{lang}/help").text

    assert "2019/1937" in page
    assert whole in page
    assert re.search(r"\b7 da(ys|gen)\b", page)
    assert re.search(r"\b3 m(onths|aanden)\b", page)


# ---- closing -----------------------------------------------------------------------------------------


def test_a_closed_mailbox_says_its_last_word_and_its_last_day_on_top(
    a_desk: ADesk, source: Browser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.close(keys, "Take care of yourself.", date(2026, 6, 3))

    page = source.get("/en/mailbox").text

    top = page[: page.index("Where things stand")]
    assert "This mailbox is closed" in top
    assert "Take care of yourself." in top
    assert "On Wednesday 3 June 2026 everything in it is deleted" in top
    assert "Do you write again before that day? Then the mailbox opens again and nothing is deleted." in top
    assert "The adviser closed this mailbox" in page
    assert _line(page)[-1].startswith("Now: Closed")
    assert a_desk.thread_of(source).expect_step is None


def test_a_mailbox_is_still_closed_when_something_was_handed_over_since(
    a_desk: ADesk, source: Browser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.close(keys, "Goodbye.", date(2026, 6, 3))
    a_desk.say_step(
        keys,
        "In person.",
        StepNote(step=StepName.PASSED_ON, to="X", proposal=Digest(bytes(32)), delivered=TODAY, by=_SOON),
    )

    thread = a_desk.thread_of(source)
    page = source.get("/en/mailbox").text

    assert "On Wednesday 3 June 2026 everything in it is deleted" in page
    assert _line(page)[-1].startswith("Now: Passed on to X")
    assert thread.expect_step == Expected(_SOON, is_late=False)
    assert reading.is_closed(a_desk.desk, keys)
    assert "If you send a message it opens again" in source.get("/en/mailbox/write").text


def test_a_closing_without_a_word_is_a_closing(a_desk: ADesk, source: Browser, keys: MailboxKeys) -> None:
    source.write("hello")
    a_desk.close(keys, "", date(2026, 6, 3))

    page = source.get("/en/mailbox").text

    assert "On Wednesday 3 June 2026 everything in it is deleted" in page
    assert "The last word" not in page


def test_writing_again_reopens_and_says_so_before_and_after(
    a_desk: ADesk, source: Browser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.close(keys, "Goodbye.", date(2026, 6, 3))

    assert "If you send a message it opens again" in source.get("/en/mailbox/write").text
    sent = source.write("one more thing")
    receipt = source.get(sent.location).text
    page = source.get("/en/mailbox").text

    assert "Your mailbox was closed. It is open again, and it is not deleted." in receipt
    assert "This mailbox is closed" not in page
    assert [line for line in _line(page) if line.startswith("Now: Opened again")]
    assert "opens again" not in source.get("/en/mailbox/write").text
    again = source.write("and another")
    assert "Your mailbox was closed" not in source.get(again.location).text


def test_a_mark_reopens_nothing(a_desk: ADesk, source: Browser, keys: MailboxKeys) -> None:
    source.write("hello")
    a_desk.close(keys, "Goodbye.", date(2026, 6, 3))

    for _ in range(3):
        assert "This mailbox is closed" in source.get("/en/mailbox").text

    assert reading.is_closed(a_desk.desk, keys)


def test_a_closing_that_its_source_deleted_is_still_a_closed_mailbox_without_a_word(
    a_desk: ADesk, source: Browser, keys: MailboxKeys
) -> None:
    source.write("hello")
    closing = a_desk.close(keys, "Goodbye.", date(2026, 6, 3))
    a_desk.say_step(keys, "", StepNote(step=StepName.CLOSED))
    deleting.delete_entry(a_desk.desk, keys, closing.envelope.entry_id, today=TODAY)

    thread = a_desk.thread_of(source)

    assert thread.closing is None
    assert thread.steps[-1].step is StepName.CLOSED
    assert source.get("/en/mailbox").status_code == 200


def test_a_proposal_in_a_closed_mailbox_says_that_an_answer_opens_it(
    a_desk: ADesk, source: Browser, keys: MailboxKeys
) -> None:
    source.write("hello")
    made = a_desk.propose(keys, "a text")
    a_desk.close(keys, "Goodbye.", date(2026, 6, 3))

    page = source.get(f"/en/mailbox/proposal/{made.envelope.entry_id.hex()}").text

    assert "Your mailbox is closed. If you answer, it opens again." in page


# ---- what an observer sees ---------------------------------------------------------------------------


def test_a_mailbox_with_a_proposal_is_no_larger_than_one_without(
    a_desk: ADesk, source: Browser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.answer(keys, "an answer")
    a_desk.propose(keys, "A text of some length. " * 20)

    sizes = {
        len(source.get("/en/mailbox").data),
        len(source.get("/nl/mailbox").data),
        len(a_desk.browser().log_in("abacus").data),
    }

    assert sizes == {STEP_BYTES}


def test_the_desk_of_another_day_is_not_this_ones(a_desk: ADesk, keys: MailboxKeys, source: Browser) -> None:
    """A line of steps rests on what verifies: entries signed with a key of no strand say no step."""
    source.write("hello")
    stranger = replace(a_desk.writer, seed=bytes(32))
    a_desk.answer(keys, "", kind=Kind.STEP, writer=stranger, step=StepNote(step=StepName.CLOSED))

    thread = a_desk.thread_of(source)

    assert StepName.CLOSED not in [step.step for step in thread.steps]
    assert thread.left_out
