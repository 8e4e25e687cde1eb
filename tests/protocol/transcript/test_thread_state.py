"""Thread state: the steps of a mailbox, from its verified entries."""

from datetime import date, timedelta

import pytest

from protocol.content import ClosingNote, Content, Kind, StepName, StepNote
from protocol.identifiers import Digest
from protocol.transcript.thread_state import thread_state
from tests.protocol.mailbox_factories import CLOSING, DAY, DUE, LAPTOP, MESSAGE, WORKSTATION, Talk

NEXT = date(2026, 12, 1)
OTHER_PROPOSAL = Digest(b"x" * 32)


@pytest.fixture
def talk() -> Talk:
    return Talk()


def says(talk: Talk, step: StepName, text: str = "", proposal: Digest | None = None) -> None:
    note = StepNote(step=step, next="wij bellen", by=NEXT, proposal=proposal)
    talk.step(step, text=text, note=note)


def hands_over(talk: Talk, due: date | None) -> None:
    note = StepNote(step=StepName.PASSED_ON, to="SG", proposal=OTHER_PROPOSAL, delivered=DAY)
    talk.step(StepName.PASSED_ON, note=note, due=due)


def test_an_empty_mailbox_has_no_steps(talk: Talk) -> None:
    state = thread_state(talk.keys.address, talk.check(), [])
    assert (state.steps, state.proposals, state.current, state.closing) == ((), (), None, None)


def test_a_derived_step_occurs_once(talk: Talk) -> None:
    talk.write(talk.source)
    talk.write(talk.source)
    for _ in range(2):
        talk.day += timedelta(days=1)
        talk.read(WORKSTATION)
        talk.write(WORKSTATION)
        talk.write(talk.source)
    talk.read(talk.source)
    steps = talk.state().steps
    assert [step.step for step in steps] == ["received", "being_read", "in_conversation"]
    assert [step.day for step in steps] == [DAY, DAY + timedelta(1), DAY + timedelta(1)]
    assert all(step.is_derived for step in steps)


def test_a_written_step_is_shown_as_it_was_written(talk: Talk) -> None:
    talk.write(talk.source)
    says(talk, StepName.BEING_READ, "Wij lezen je bericht.")
    talk.read(WORKSTATION)
    step = talk.state().current
    assert step is not None
    assert (step.step, step.text, step.next) == ("being_read", "Wij lezen je bericht.", "wij bellen")
    assert (step.by, step.is_derived) == (NEXT, False)
    assert talk.line() == ["received", "being_read"]


def test_a_step_may_be_written_again(talk: Talk) -> None:
    talk.write(talk.source)
    for _ in range(2):
        says(talk, StepName.ADVICE_GIVEN)
    assert talk.line() == ["received", "advice_given", "advice_given"]


def test_a_written_step_replaces_the_same_derived_step(talk: Talk) -> None:
    talk.write(talk.source)
    talk.write(WORKSTATION)
    says(talk, StepName.IN_CONVERSATION, "Wij praten verder.")
    says(talk, StepName.IN_CONVERSATION, "Nog altijd.")
    assert [step.text for step in talk.state().steps] == ["", "Wij praten verder.", "Nog altijd."]


def test_an_entry_that_does_not_open_was_still_received(talk: Talk) -> None:
    talk.remove(talk.write(talk.source))
    answer = talk.write(WORKSTATION)
    steps = talk.state(unreadable=[answer]).steps
    assert [step.step for step in steps] == ["received", "in_conversation"]


def test_removals_and_the_end_are_no_steps(talk: Talk) -> None:
    talk.remove(talk.write(talk.source))
    talk.end()
    assert talk.line() == ["received"]


def test_every_proposal_is_a_step_that_names_its_recipient(talk: Talk) -> None:
    talk.write(talk.source)
    talk.propose("een")
    talk.propose("twee")
    steps = talk.state().steps
    assert [(step.step, step.to) for step in steps] == [
        ("received", ""), ("proposal_made", "SG"), ("proposal_made", "SG"),
    ]  # fmt: skip


def test_a_proposal_with_the_advisers_words_is_one_step(talk: Talk) -> None:
    talk.write(talk.source)
    proposal = talk.propose("een")
    says(talk, StepName.PROPOSAL_MADE, "Lees het rustig.", proposal)
    made = talk.state().current
    assert talk.line() == ["received", "proposal_made"]
    assert made is not None
    assert (made.to, made.text, made.next, made.by) == ("SG", "Lees het rustig.", "wij bellen", NEXT)


def test_a_step_about_a_proposal_replaces_its_derived_step_in_any_place(talk: Talk) -> None:
    first, second = talk.propose("een"), talk.propose("twee")
    says(talk, StepName.PROPOSAL_MADE, "Over het eerste.", first)
    says(talk, StepName.PROPOSAL_MADE, "Over het tweede.", second)
    steps = talk.state().steps
    assert [(step.step, step.text) for step in steps] == [
        ("proposal_made", "Over het eerste."), ("proposal_made", "Over het tweede."),
    ]  # fmt: skip


def test_a_step_about_a_removed_proposal_is_a_step_of_its_own(talk: Talk) -> None:
    talk.write(talk.source)
    proposal = talk.propose()
    talk.remove(talk.entries[-1])
    says(talk, StepName.PROPOSAL_MADE, "", proposal)
    assert talk.line() == ["received", "in_conversation", "proposal_made"]


# ---- closing


def test_a_closed_mailbox_is_reopened_by_writing(talk: Talk) -> None:
    talk.write(talk.source)
    talk.write(WORKSTATION)
    talk.close()
    talk.read(talk.source)
    closed = talk.state()
    assert closed.closing is not None
    assert closed.closing == closed.current
    assert (closed.closing.step, closed.closing.text, closed.closing.by) == ("closed", "Het ga je goed.", DUE)
    still = talk.line()

    talk.write(talk.source)
    talk.read(WORKSTATION)
    talk.write(WORKSTATION)
    assert talk.state().closing is None
    assert still == ["received", "in_conversation", "closed"]
    assert talk.line() == [*still, "reopened", "being_read", "in_conversation"]


def test_a_message_of_the_desk_reopens_a_closed_mailbox(talk: Talk) -> None:
    talk.write(talk.source)
    talk.close()
    talk.write(WORKSTATION)
    assert talk.line() == ["received", "closed", "reopened"]
    assert talk.state().closing is None


@pytest.mark.parametrize("by_source", [True, False])
def test_words_that_crossed_the_closing_reopen_the_mailbox(talk: Talk, *, by_source: bool) -> None:
    talk.write(talk.source)
    talk.write(LAPTOP)
    crossed = talk.write(talk.source if by_source else LAPTOP)
    talk.close(hidden=[crossed])
    assert talk.line() == ["received", "in_conversation", "closed", "reopened"]
    assert talk.state().closing is None
    assert talk.state().steps[-1].entry_id == crossed.envelope.entry_id


def test_a_read_receipt_that_crossed_the_closing_does_not_reopen_the_mailbox(talk: Talk) -> None:
    talk.write(talk.source)
    receipt = talk.read(talk.source)
    talk.close(hidden=[receipt])
    assert talk.line() == ["received", "closed"]
    assert talk.state().closing is not None


def test_two_closings_that_crossed_close_the_mailbox_until_the_latest_day(talk: Talk) -> None:
    message = talk.write(talk.source)
    first = talk.close(due=DUE + timedelta(days=1))
    talk.close(LAPTOP, hidden=[first, message], day=DAY + timedelta(days=1))
    state = talk.state()
    assert talk.line() == ["received", "closed", "closed"]
    assert state.closing is not None
    assert state.closing.by == DUE + timedelta(days=1)


def test_a_closed_mailbox_stays_closed_while_the_desk_reads(talk: Talk) -> None:
    talk.write(talk.source)
    talk.close()
    talk.read(WORKSTATION)
    assert talk.line() == ["received", "closed"]


def test_an_automatic_closing_closes(talk: Talk) -> None:
    talk.write(talk.source)
    talk.close(content=Content(kind=Kind.CLOSING, text="", closing=ClosingNote(automatic=True)))
    assert talk.line() == ["received", "closed"]
    assert talk.state().closing is not None


def test_a_closing_that_does_not_open_still_closes(talk: Talk) -> None:
    """The day of deletion is in the envelope, and the server deletes on that day. So the page must say so."""
    talk.write(talk.source)
    closing = talk.close()
    for state in (talk.state(unreadable=[closing]), (talk.remove(closing), talk.state())[1]):
        assert [step.step for step in state.steps] == ["received", "closed"]
        assert state.closing is not None
        assert (state.closing.by, state.closing.text, state.closing.is_derived) == (DUE, "", True)


def test_handing_over_does_not_reopen_a_mailbox_if_it_repeats_the_day(talk: Talk) -> None:
    talk.write(talk.source)
    talk.close()
    hands_over(talk, DUE)
    closing = talk.state().closing
    assert closing is not None
    assert (closing.by, closing.text) == (DUE, CLOSING.text)

    hands_over(talk, None)
    assert talk.state().closing is None
    talk.close()
    assert talk.state().closing is not None
    says(talk, StepName.IN_CONVERSATION)
    assert talk.state().closing is None
    talk.close()
    hands_over(talk, DUE)
    talk.write(talk.source, MESSAGE)
    assert (talk.state().closing, talk.line()[-1]) == (None, "reopened")
