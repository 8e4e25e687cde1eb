"""Waiting for an answer, for all combinations of the last entries of both sides."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from protocol.content import ClosingNote, Content, Kind, StepName, StepNote, Verdict
from protocol.entry import SignedEntry
from protocol.transcript.waiting import non_answers, waiting_since, waiting_words
from tests.protocol.mailbox_factories import CLOSING, DAY, DUE, LAPTOP, MESSAGE, TO_SG, WORKSTATION, Talk

AUTOMATIC = Content(kind=Kind.CLOSING, text="", closing=ClosingNote(automatic=True))


def a_step(step: StepName, text: str = "", following: str = "") -> Content:
    return Content(kind=Kind.STEP, text=text, step=StepNote(step=step, next=following))


A_PROPOSAL = Content(kind=Kind.PROPOSAL, text="x", proposal=TO_SG)
PASSED_ON = Content(
    kind=Kind.STEP,
    text="The law asks it.",
    step=StepNote(step=StepName.PASSED_ON, to="SG", without_consent=True),
)

# What the source did last, and whether they wait then if the desk does nothing.
SOURCES: dict[str, tuple[Callable[[Talk], object], bool]] = {
    "nothing": (lambda _talk: None, False),
    "a message": (lambda talk: talk.write(talk.source), True),
    "a message and a receipt": (lambda talk: (talk.write(talk.source), talk.read(talk.source)), True),
    "a receipt": (lambda talk: talk.read(talk.source), False),
    "a message that they removed": (lambda talk: talk.remove(talk.write(talk.source)), False),
    "an answer to a proposal": (lambda talk: talk.answer(Verdict.AGREED, talk.propose()), True),
    "an end": (lambda talk: talk.end(), False),
}

# What the desk did after it, and whether this answers by envelope, and for a reader who can decrypt.
DESKS: dict[str, tuple[Callable[[Talk], object], bool, bool]] = {
    "nothing": (lambda _talk: None, False, False),
    "a receipt": (lambda talk: talk.read(WORKSTATION), False, False),
    "a message": (lambda talk: talk.write(WORKSTATION), True, True),
    "a message of another workstation": (lambda talk: talk.write(LAPTOP), True, True),
    "a message and a receipt": (lambda talk: (talk.write(WORKSTATION), talk.read(WORKSTATION)), True, True),
    "a receipt and a message": (lambda talk: (talk.read(WORKSTATION), talk.write(WORKSTATION)), True, True),
    "a message that crossed": (
        lambda talk: talk.write(WORKSTATION, hidden=list(talk.entries)), False, False,
    ),
    "a message to whose writer nothing opened": (
        lambda talk: talk.write(WORKSTATION, not_shown=list(talk.entries)), False, False,
    ),
    "a message of one who had not seen it, after a receipt of another": (
        lambda talk: (talk.read(LAPTOP), talk.write(WORKSTATION, not_shown=list(talk.entries))), False, False,
    ),
    "a proposal": (
        lambda talk: talk.write(WORKSTATION, A_PROPOSAL), True, True,
    ),
    "a step: received": (
        lambda talk: talk.write(WORKSTATION, a_step(StepName.RECEIVED, "Thanks.")), True, False,
    ),
    "a step: being read": (
        lambda talk: talk.write(WORKSTATION, a_step(StepName.BEING_READ, "Thanks.", "We read.")), True, False,
    ),
    "a step: in conversation, without words": (
        lambda talk: talk.write(WORKSTATION, a_step(StepName.IN_CONVERSATION, " ", "\n")), True, False,
    ),
    "a step: in conversation, with words": (
        lambda talk: talk.write(WORKSTATION, a_step(StepName.IN_CONVERSATION, "We talk.")), True, True,
    ),
    "a step: advice, without words": (
        lambda talk: talk.write(WORKSTATION, a_step(StepName.ADVICE_GIVEN)), True, False,
    ),
    "a step: advice, with what is next": (
        lambda talk: talk.write(WORKSTATION, a_step(StepName.ADVICE_GIVEN, "", "You choose.")), True, True,
    ),
    "a step: reopened": (lambda talk: talk.write(WORKSTATION, a_step(StepName.REOPENED)), True, True),
    "a step: passed on": (lambda talk: talk.write(WORKSTATION, PASSED_ON), True, True),
    "a closing": (lambda talk: talk.close(), True, True),
    "an automatic closing": (lambda talk: talk.close(content=AUTOMATIC), True, False),
    "an automatic closing and a message": (
        lambda talk: (talk.close(content=AUTOMATIC), talk.write(WORKSTATION)), True, True,
    ),
    "a message that the source removed": (lambda talk: talk.remove(talk.write(WORKSTATION)), True, True),
    "a confirmation that the source removed": (
        lambda talk: talk.remove(talk.write(WORKSTATION, a_step(StepName.RECEIVED))), True, True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("desk", DESKS)
@pytest.mark.parametrize("source", SOURCES)
def test_who_waits_at_both_levels(source: str, desk: str) -> None:
    write, waits = SOURCES[source]
    answer, is_answer_by_envelope, is_answer = DESKS[desk]
    talk = Talk()
    write(talk)
    answer(talk)
    transcript = talk.check()
    unanswering = non_answers(talk.opened(transcript))
    assert bool(waiting_words(transcript)) is (waits and not is_answer_by_envelope)
    assert bool(waiting_words(transcript, unanswering)) is (waits and not is_answer)
    assert (waiting_since(transcript, unanswering) == DAY) is (waits and not is_answer)


@pytest.mark.parametrize("source", SOURCES)
def test_the_source_waits_again_for_what_they_wrote_after_the_answer(source: str) -> None:
    write, waits = SOURCES[source]
    talk = Talk()
    earlier = talk.write(talk.source)
    talk.write(WORKSTATION)
    talk.day = DAY + timedelta(days=2)
    write(talk)
    transcript = talk.check()
    assert earlier not in waiting_words(transcript)
    assert waiting_since(transcript) == (talk.day if waits else None)


def test_a_message_that_crossed_the_answer_waits_and_the_one_before_does_not() -> None:
    talk = Talk()
    talk.write(talk.source)
    crossed = talk.write(talk.source, day=DAY + timedelta(days=1))
    talk.write(WORKSTATION, hidden=[crossed])
    assert waiting_words(talk.check()) == (crossed,)
    assert waiting_since(talk.check()) == DAY + timedelta(days=1)


def test_the_day_of_the_oldest_message_counts() -> None:
    talk = Talk()
    late = talk.write(talk.source, day=DAY + timedelta(days=3))
    early = talk.write(talk.source, hidden=[late])
    assert waiting_words(talk.check()) == (early, late)
    assert waiting_since(talk.check()) == DAY


def test_words_that_do_not_open_count_as_an_answer() -> None:
    """Attack: otherwise the operator could make an adviser answer twice, by changing one byte."""
    talk = Talk()
    talk.write(talk.source)
    confirmation = talk.write(WORKSTATION, a_step(StepName.RECEIVED))
    opened = talk.opened(unreadable=[confirmation])
    assert non_answers(opened) == frozenset()
    assert non_answers(talk.opened()) == {confirmation.digest}
    assert waiting_words(talk.check(), non_answers(opened)) == ()


def test_a_closing_by_an_adviser_answers_and_an_automatic_one_does_not() -> None:
    talk = Talk()
    message: SignedEntry = talk.write(talk.source, MESSAGE)
    automatic = talk.close(content=AUTOMATIC)
    assert waiting_words(talk.check(), non_answers(talk.opened())) == (message,)
    talk.close(content=CLOSING, due=DUE)
    assert non_answers(talk.opened()) == {automatic.digest}
    assert waiting_words(talk.check(), non_answers(talk.opened())) == ()
