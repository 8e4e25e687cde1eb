"""Steps are sent with an answer or alone, in one transaction, and never for a day on which no one works."""

from datetime import date, timedelta

import pytest

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import SendRefusal
from journalist_app.services.mailbox import steps
from journalist_app.services.mailbox.answering import AnswerSender, ReplyForm
from journalist_app.services.mailbox.steps import StepForm
from journalist_app.services.whole_desk import unlocking
from protocol.content import StepName
from protocol.identifiers import EntryId
from stored_mailbox.entry_form import FormContext
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source
from tests.journalist_app.opening import heads_on_page, opens
from tests.journalist_app.refusals import refuses

ANSWER_ID, STEP_ID = EntryId(b"a" * 16), EntryId(b"s" * 16)
THURSDAY = TODAY + timedelta(days=3)
STEP = StepForm("in_conversation", "Wij zoeken het uit.", "Wij antwoorden.", THURSDAY.isoformat())


def unlocked(world: World) -> OpenDesk:
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def form_for(desk: OpenDesk, source: ASource, text: str, step: StepForm | None) -> ReplyForm:
    heads, unseen = heads_on_page(desk, source.keys.address, today=TODAY)
    return ReplyForm(FormContext(source.keys.address, ANSWER_ID, heads, unseen), text, step, STEP_ID)


def send(desk: OpenDesk, form: ReplyForm) -> None:
    with AnswerSender(desk, form, today=TODAY, half_hour=1) as under_way:
        if not under_way.is_sent:
            under_way.send()


def test_an_answer_and_its_step_reach_the_source_together(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)

    send(desk, form_for(desk, source, "antwoord", STEP))

    shown = opens(desk, source.keys.address, today=TODAY)
    current = shown.thread_state.current
    assert [each.text for each in shown.entries] == ["vraag", "antwoord"]
    assert current is not None
    assert (current.step, current.text, current.next, current.by) == (
        StepName.IN_CONVERSATION, "Wij zoeken het uit.", "Wij antwoorden.", THURSDAY,
    )  # fmt: skip
    assert shown.faults == ()


def test_a_step_can_go_alone(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)

    send(desk, form_for(desk, source, "  \n", STEP))

    shown = opens(desk, source.keys.address, today=TODAY)
    assert [each.text for each in shown.entries] == ["vraag"]
    assert [step.step for step in shown.thread_state.steps] == ["received", "being_read", "in_conversation"]


def test_a_form_without_text_or_step_is_refused(world: World) -> None:
    source = a_source(world)
    desk = unlocked(world)

    for step in (
        None,
        StepForm(text="\u200b\ufeff\u2800\u3164\u00ad\u200e", next="\u2800", by=THURSDAY.isoformat()),
    ):
        with refuses(SendRefusal.TEXT_MISSING):
            send(desk, form_for(desk, source, " ", step))


def test_a_file_without_a_text_that_says_what_it_is_is_refused(world: World) -> None:
    source = a_source(world)
    desk = unlocked(world)

    with (
        AnswerSender(desk, form_for(desk, source, "", STEP), today=TODAY, half_hour=1) as under_way,
        refuses(SendRefusal.TEXT_MISSING),
    ):
        under_way.add_file("a.pdf", iter([b"x"]))


def test_a_double_click_sends_answer_and_step_once(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source, "antwoord", STEP)

    for _ in range(2):
        send(desk, form)

    shown = opens(desk, source.keys.address, today=TODAY)
    assert len(shown.entries) == 2
    assert [step.step for step in shown.thread_state.steps][2:] == ["in_conversation"]


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("antwoord", StepForm("advice_given", STEP.text, STEP.next, STEP.by)),
        ("antwoord", StepForm(STEP.step, "iets anders", STEP.next, STEP.by)),
        ("antwoord", StepForm(STEP.step, STEP.text, STEP.next, "")),
        ("ander antwoord", STEP),
    ],
)
def test_a_form_used_again_for_another_step_is_told(world: World, text: str, step: StepForm) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source, "antwoord", STEP)
    send(desk, form)

    with refuses(SendRefusal.FORM_REUSED):
        send(desk, ReplyForm(form.context, text, step, STEP_ID))


def test_a_form_used_again_with_a_step_that_was_not_sent_is_told(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source, "antwoord", None)
    send(desk, form)

    with refuses(SendRefusal.FORM_REUSED):
        send(desk, ReplyForm(form.context, "antwoord", STEP, STEP_ID))


def test_a_step_upon_something_unread_is_not_sent(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source, "", STEP)
    source.writes("nog iets")

    with refuses(SendRefusal.SOURCE_WROTE):
        send(desk, form)


@pytest.mark.parametrize(
    ("form", "refused"),
    [
        (StepForm("", "een zin"), SendRefusal.STEP_MISSING),
        (StepForm("", "", "iets"), SendRefusal.STEP_MISSING),
        (StepForm("gereed"), SendRefusal.STEP_MISSING),
        (StepForm("closed"), SendRefusal.STEP_MISSING),
        (StepForm("passed_on"), SendRefusal.STEP_MISSING),
        (StepForm("received", "x" * 2_001), SendRefusal.STEP_TOO_LONG),
        (StepForm("received", "", "x" * 2_001), SendRefusal.STEP_TOO_LONG),
        (StepForm("received", by="morgen"), SendRefusal.DAY_UNREADABLE),
        (StepForm("received", by="2026-02-30"), SendRefusal.DAY_UNREADABLE),
        (StepForm("received", by="2026-11-19"), SendRefusal.DAY_PAST),
        (StepForm("received", by="2026-11-25"), SendRefusal.DAY_CLOSED),
    ],
)
def test_a_step_that_promises_nothing_or_too_much_is_refused(
    world: World, form: StepForm, refused: SendRefusal
) -> None:
    source = a_source(world)
    desk = unlocked(world)

    with refuses(refused):
        send(desk, form_for(desk, source, "antwoord", form))

    assert opens(desk, source.keys.address, today=TODAY).entries == ()


def test_a_day_may_be_today_or_none(world: World) -> None:
    assert steps.parse_expected_day("2026-11-23", world.letterhead, TODAY) == TODAY
    assert steps.parse_expected_day(" ", world.letterhead, TODAY) is None
    assert steps.parse_expected_day("20261126", world.letterhead, TODAY) == date(2026, 11, 26)
