"""The source sees every step: what the desk has done, what comes next and on which day."""

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from protocol.content import Kind, StepName, StepNote
from protocol.identifiers import Digest
from protocol.letterhead import Absence, Letterhead
from protocol.mailbox_keys import MailboxKeys
from source_app.services.absences import shown_absences
from source_app.services.thread import Expected, is_mailbox_closed, read_thread
from source_app.views.request_hooks import CONVERSATION_STEP_BYTES
from tests.pages import hook, hooks
from tests.source_app.answering_proposals import say
from tests.source_app.desks import TODAY, ADesk, SourceBrowser

pytestmark = [pytest.mark.usefixtures("_on_database"), pytest.mark.databases("sqlite", "postgresql")]


_SOON = date(2026, 3, 5)
_AWAY = "2026-03-02/2026-03-09"


@pytest.fixture
def source(a_desk: ADesk) -> SourceBrowser:
    browser = a_desk.browser()
    browser.start()
    return browser


def _line(page: str) -> list[str]:
    """Return the items of the page's list of steps: done, now or later, and which step."""
    return [f"{when} {step}" for when, step, _ in _items(page)]


def _now(page: str) -> str:
    """Return the markup of the current step."""
    (now,) = [item for when, _, item in _items(page) if when == "now"]
    return now


def _items(page: str) -> list[tuple[str, str, str]]:
    items = re.findall(r'(<li class="(done|now|later)".*?</li>)', page, re.DOTALL)
    return [(when, *hooks(item, "step"), item) for item, when in items]


def _said(markup: str) -> str:
    """Return the text of a piece of a page, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


def test_an_empty_mailbox_has_no_line_yet(a_desk: ADesk, source: SourceBrowser) -> None:
    assert a_desk.thread_of(source).steps == ()
    assert 'id="thread-state"' not in source.get("/en/mailbox").text


def test_a_first_message_is_received_and_the_rest_is_to_come(source: SourceBrowser) -> None:
    source.write("hello")

    page = source.get("/en/mailbox").text

    assert _line(page) == [
        "now received",
        "later being_read",
        "later in_conversation",
        "later advice_given",
        "later closed",
    ]
    assert "Monday 2 March 2026" in _said(_now(page))
    assert hooks(_now(page), "next") == ["reads"]
    assert hooks(_now(page), "expected") == ["2026-03-05"]
    assert "Thursday 5 March 2026" in _said(_now(page))


def test_the_current_step_is_told_by_words_and_to_a_screen_reader(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.receipt(keys)
    a_desk.answer(keys, "an answer")

    page = source.get("/en/mailbox").text

    assert page.count('aria-current="step"') == 1
    assert re.search(
        rf'<li class="now" aria-current="step">\s*<p><span class="stage">\w+:</span> '
        rf"<strong><span {hook('step', 'in_conversation')}>\w",
        page,
    )
    assert _line(page)[:3] == ["done received", "done being_read", "now in_conversation"]
    stages = re.findall(r'<li class="(\w+)"[^>]*>\s*<p><span class="stage">(\w+:)</span>', page)
    assert len(set(stages)) == len({words for _, words in stages}) == 3
    assert page.index('id="thread-state"') < page.index("<article")


def test_the_advisers_text_of_a_step_is_shown(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
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
    assert hooks(_now(page), "step") == ["advice_given"]
    assert re.search(
        r"Monday 2 March 2026 Here is what I would do\. Two lines &amp; more\. \w+: You think about it\. "
        r".*\bThursday 5 March 2026",
        _said(_now(page)),
    )
    assert hooks(_now(page), "next") == []
    assert hooks(_now(page), "expected") == ["2026-03-05"]
    assert re.search(rf"{hook('entry', 'step')}>[^<]*<span {hook('step', 'advice_given')}>", page)
    assert hooks(page, "notice") == ["news"]


@pytest.mark.parametrize(
    ("note", "comes_next"),
    [
        (StepNote(step=StepName.RECEIVED), "reads"),
        (StepNote(step=StepName.BEING_READ), "answers"),
        (StepNote(step=StepName.IN_CONVERSATION), "may_write"),
        (StepNote(step=StepName.ADVICE_GIVEN), "source_decides"),
        (StepNote(step=StepName.PROPOSAL_MADE), "read_proposal"),
        (StepNote(step=StepName.REOPENED), "may_write"),
        (StepNote(step=StepName.PASSING_ON, to="X", without_consent=True), "make_file"),
        (StepNote(step=StepName.PASSED_ON, to="X", without_consent=True, delivered=TODAY), "tells"),
    ],
    ids=lambda each: each.step if isinstance(each, StepNote) else "",
)
def test_every_step_has_words_of_its_own_and_says_what_is_next(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, note: StepNote, comes_next: str
) -> None:
    source.write("hello")
    a_desk.say_step(keys, "a reason", note)

    now = _now(source.get("/en/mailbox").text)

    assert hooks(now, "step") == [note.step]
    assert re.search(rf"{hook('step', note.step)}>\w[^<]*(<bdi>{note.to}</bdi>)?</span>", now)
    assert re.search(rf"{hook('next', comes_next)}>\w", now)
    assert hooks(now, "handed-over") == (["2026-03-02"] if isinstance(note.delivered, date) else [])
    assert ("Monday 2 March 2026" in _said(now.partition("data-handed-over")[2])) is isinstance(
        note.delivered, date
    )


@pytest.mark.parametrize(
    ("delivered", "step", "comes_next"), [(None, "file_made", "hand_over"), (TODAY, "passed_on", "tells")]
)
def test_information_is_passed_on_only_when_the_recipient_got_the_file(
    a_desk: ADesk,
    source: SourceBrowser,
    keys: MailboxKeys,
    delivered: date | None,
    step: str,
    comes_next: str,
) -> None:
    source.write("hello")
    note = StepNote(step=StepName.PASSED_ON, to="X", without_consent=True, delivered=delivered)
    a_desk.say_step(keys, "a reason", note)

    page = source.get("/en/mailbox").text

    assert {"file_made", "passed_on"} & set(hooks(page, "step")) == {step}
    assert (hooks(_now(page), "step"), hooks(_now(page), "next")) == ([step], [comes_next])
    assert re.search(rf"{hook('entry', 'step')}>[^<]*<span {hook('step', step)}>[^<]*<bdi>X</bdi>", page)


def test_a_proposal_and_what_the_adviser_says_with_it_are_one_step(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
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

    assert [line for line in _line(page) if "proposal_made" in line] == ["now proposal_made"]
    assert re.search(
        r"Monday 2 March 2026 Read it in your own time\. \w+: You choose\. .*\bThursday 5 March 2026",
        _said(_now(page)),
    )
    assert hooks(_now(page), "expected") == ["2026-03-05"]
    assert [each.digest for each in thread.asked] == [digest]
    assert hooks(page, "notice") == ["asked"]
    assert (
        "Read it in your own time."
        not in source.get(f"/en/mailbox/proposal/{made.envelope.entry_id.hex()}").text
    )


def test_after_an_answer_the_mailbox_does_not_ask_for_an_answer_again(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    proposal = a_desk.propose(keys, "The exact text.")
    digest = a_desk.thread_of(source).asked[0].digest
    note = StepNote(step=StepName.PROPOSAL_MADE, proposal=Digest(bytes.fromhex(digest)))
    a_desk.say_step(keys, "Read it in your own time.", note)
    before = _now(source.get("/en/mailbox").text)
    say(source, proposal, "declined")
    after = _now(source.get("/en/mailbox").text)

    assert ["Read it in your own time." in now for now in (before, after)] == [True, False]

    assert hooks(before, "next") == ["read_proposal"]
    assert hooks(after, "step") == ["proposal_answered"]
    assert hooks(after, "next") == ["answers"]


@pytest.mark.parametrize(
    ("note", "text", "waits"),
    [
        (StepNote(step=StepName.RECEIVED), "We have it.", True),
        (StepNote(step=StepName.BEING_READ), "We read it.", True),
        (StepNote(step=StepName.ADVICE_GIVEN), "This is what you can do.", False),
    ],
    ids=lambda each: each.step if isinstance(each, StepNote) else "",
)
def test_the_expected_day_is_shown_until_there_is_an_answer(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, note: StepNote, text: str, *, waits: bool
) -> None:
    source.write("hello")
    a_desk.say_step(keys, text, note)

    now = _now(source.get("/en/mailbox").text)

    assert hooks(now, "expected") == (["2026-03-05"] if waits else [])
    assert ("Thursday 5 March 2026" in _said(now)) is waits


def test_early_steps_of_a_long_list_are_folded(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    for number in range(8):
        a_desk.say_step(keys, f"word {number}", StepNote(step=StepName.ADVICE_GIVEN))

    page = source.get("/en/mailbox").text

    assert page.count("<details") == 1
    assert (
        page.index(hook("notice", "earlier_steps"))
        < page.index("word 0")
        < page.index("</details>")
        < page.index("word 7")
    )
    assert page.count('aria-current="step"') == 1


# ---- by when -----------------------------------------------------------------------------------------


def test_a_late_answer_is_shown_as_late(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys) -> None:
    source.write("hello")
    a_desk.app.extensions["today"] = lambda: date(2026, 3, 6)

    page = source.get("/en/mailbox").text

    assert hooks(page, "late") == ["2026-03-05"] * 2
    assert hooks(page, "expected") == []
    assert "Thursday 5 March 2026" in page
    late = read_thread(a_desk.desk, keys, today=date(2026, 3, 6))
    assert late.expect == Expected(_SOON, is_late=True)
    on_the_day = read_thread(a_desk.desk, keys, today=_SOON)
    assert on_the_day.expect == Expected(_SOON, is_late=False)


def test_a_promise_of_the_adviser_is_late_too(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.say_step(keys, "", StepNote(step=StepName.IN_CONVERSATION, by=_SOON))
    a_desk.app.extensions["today"] = lambda: date(2026, 3, 6)

    now = _now(source.get("/en/mailbox").text)
    assert hooks(now, "late") == ["2026-03-05"]
    assert hooks(now, "expected") == []
    late = read_thread(a_desk.desk, keys, today=date(2026, 3, 6))
    assert late.expect_step == Expected(_SOON, is_late=True)


def _with_absence(a_desk: ADesk, since: date, until: date) -> None:
    letterhead = _letterhead_with(a_desk, Absence(since=since, until=until))
    a_desk.app.extensions["newest_letterhead"] = lambda: letterhead


def _letterhead_with(a_desk: ADesk, *absences: Absence) -> Letterhead:
    return a_desk.letterhead.successor(absences=absences)


def test_an_absence_moves_the_expected_day_and_is_announced(a_desk: ADesk, source: SourceBrowser) -> None:
    source.write("hello")
    _with_absence(a_desk, TODAY, date(2026, 3, 9))

    page = source.get("/en/mailbox").text

    assert hooks(page, "expected") == ["2026-03-12"] * 2
    assert "Thursday 12 March 2026" in page
    assert re.search(rf"{hook('absence', _AWAY)}[^>]*>[^<]*\b9 March\b[^<]*\bTuesday 10 March\b", page)


@pytest.mark.parametrize("path", ["/en/", "/en/help"])
def test_an_absence_is_announced_on_the_public_pages(a_desk: ADesk, path: str) -> None:
    assert hooks(a_desk.browser().get(path).text, "absence") == []
    _with_absence(a_desk, TODAY, date(2026, 3, 9))

    page = a_desk.browser().get(path).text

    assert hooks(page, "absence") == [_AWAY]
    assert hooks(page, "away") == ["now"]
    told = _said(page.partition(hook("absence", _AWAY))[2].partition("</div>")[0])
    assert re.search(r"\b2 March\b.*\b9 March\b.*\bTuesday 10 March 2026\b", told)


def test_present_and_near_absences_are_announced_in_order(a_desk: ADesk) -> None:
    def days(since: int, until: int) -> Absence:
        return Absence(since=TODAY + timedelta(days=since), until=TODAY + timedelta(days=until))

    letterhead = _letterhead_with(a_desk, days(21, 30), days(-9, -1), days(-1, 0), days(22, 23))

    told = shown_absences(letterhead, TODAY)

    assert [(each.since, each.is_now) for each in told] == [
        (TODAY - timedelta(days=1), True),
        (TODAY + timedelta(days=21), False),
    ]
    assert told[0].back_on == date(2026, 3, 3)
    assert hooks(a_desk.browser().get("/en/").text, "absence") == []


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_the_norms_of_service_are_public_and_of_the_desks_own_accord(a_desk: ADesk, lang: str) -> None:
    page = a_desk.browser().get(f"/{lang}/help").text

    assert re.search(rf"{hook('notice', 'norms_by_choice')}>[^<]*2019/1937", page)
    assert re.search(r"\b7 da(ys|gen)\b", page)
    assert re.search(r"\b3 m(onths|aanden)\b", page)


# ---- closing -----------------------------------------------------------------------------------------


def test_a_closed_mailbox_says_its_last_word_and_its_last_day_on_top(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.close(keys, "Take care of yourself.", date(2026, 6, 3))

    page = source.get("/en/mailbox").text

    top = page[: page.index('id="thread-state"')]
    assert hooks(top, "notice") == ["closed", "opens_again", "last_word"]
    assert "Take care of yourself." in top
    assert hooks(top, "delete-on") == ["2026-06-03"]
    assert "Wednesday 3 June 2026" in top
    assert "closing" in hooks(page, "entry")
    assert _line(page)[-1] == "now closed"
    assert a_desk.thread_of(source).expect_step is None


def test_a_mailbox_is_still_closed_when_something_was_handed_over_since(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.close(keys, "Goodbye.", date(2026, 6, 3))
    a_desk.say_step(
        keys,
        "In person.",
        StepNote(step=StepName.PASSED_ON, to="X", without_consent=True, delivered=TODAY, by=_SOON),
        due=date(2026, 6, 3),
    )

    thread = a_desk.thread_of(source)
    page = source.get("/en/mailbox").text

    assert hooks(page, "delete-on") == ["2026-06-03"]
    assert _line(page)[-1] == "now passed_on"
    assert re.search(rf"{hook('step', 'passed_on')}>[^<]*<bdi>X</bdi></span>", _now(page))
    assert thread.expect_step == Expected(_SOON, is_late=False)
    assert is_mailbox_closed(a_desk.desk, keys)
    assert hooks(source.get("/en/mailbox/write").text, "notice") == ["opens_again"]


def test_a_reopened_mailbox_names_no_day_of_deletion(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.close(keys, "Goodbye.", date(2026, 6, 3))
    source.write("one more question")

    for page in ("/en/mailbox", "/en/mailbox/save"):
        assert "3 June 2026" not in source.get(page).text


def test_a_step_is_new_only_when_it_is_shown_for_the_first_time(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.say_step(keys, "This is what you can do.", StepNote(step=StepName.ADVICE_GIVEN))

    pages = [source.get("/en/mailbox").text for _ in range(2)]

    assert ["There is something new in your mailbox" in page for page in pages] == [True, False]


def test_a_closing_without_a_word_is_a_closing(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.close(keys, "", date(2026, 6, 3))

    page = source.get("/en/mailbox").text

    assert hooks(page, "delete-on") == ["2026-06-03"]
    assert hooks(page, "notice") == ["closed", "opens_again"]


def test_writing_again_reopens_and_says_so_before_and_after(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.close(keys, "Goodbye.", date(2026, 6, 3))

    assert hooks(source.get("/en/mailbox/write").text, "notice") == ["opens_again"]
    sent = source.write("one more thing")
    receipt = source.get(sent.location).text
    page = source.get("/en/mailbox").text

    assert hooks(receipt, "notice") == ["received", "reopened", "news"]  # no page had shown the closing
    assert "closed" not in hooks(page, "notice")
    assert "now reopened" in _line(page)
    assert hooks(source.get("/en/mailbox/write").text, "notice") == []
    again = source.write("and another")
    assert hooks(source.get(again.location).text, "notice") == ["received"]


def test_a_read_receipt_does_not_reopen_a_mailbox(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.close(keys, "Goodbye.", date(2026, 6, 3))

    for _ in range(3):
        assert "closed" in hooks(source.get("/en/mailbox").text, "notice")

    assert is_mailbox_closed(a_desk.desk, keys)


def test_a_closing_that_its_source_deleted_is_still_a_closed_mailbox_without_a_word(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    closing = a_desk.close(keys, "Goodbye.", date(2026, 6, 3))
    a_desk.delete(keys, closing.envelope.entry_id)

    thread = a_desk.thread_of(source)
    page = source.get("/en/mailbox").text

    assert thread.closing is not None
    assert thread.steps[-1].step is StepName.CLOSED
    assert hooks(page, "delete-on") == ["2026-06-03"]
    assert "last_word" not in hooks(page, "notice")


def test_a_proposal_in_a_closed_mailbox_says_that_an_answer_opens_it(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    made = a_desk.propose(keys, "a text")
    a_desk.close(keys, "Goodbye.", date(2026, 6, 3))

    page = source.get(f"/en/mailbox/proposal/{made.envelope.entry_id.hex()}").text

    assert "opens_again" in hooks(page, "notice")


# ---- what an observer sees ---------------------------------------------------------------------------


def test_a_mailbox_with_a_proposal_is_no_larger_than_one_without(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("hello")
    a_desk.answer(keys, "an answer")
    a_desk.propose(keys, "A text of some length. " * 20)

    sizes = {
        len(source.get("/en/mailbox").data),
        len(source.get("/nl/mailbox").data),
        len(a_desk.browser().log_in_and_follow("abacus").data),
    }

    assert sizes == {CONVERSATION_STEP_BYTES}


def test_the_desk_of_another_day_is_not_this_ones(
    a_desk: ADesk, keys: MailboxKeys, source: SourceBrowser
) -> None:
    """The list of steps uses only verified entries: a step signed with an unknown key is left out."""
    source.write("hello")
    stranger = replace(a_desk.writer, seed=bytes(32))
    a_desk.answer(keys, "", kind=Kind.STEP, writer=stranger, step=StepNote(step=StepName.ADVICE_GIVEN))

    thread = a_desk.thread_of(source)

    assert StepName.ADVICE_GIVEN not in [step.step for step in thread.steps]
    assert thread.mailbox.left_out
