"""Facts about one mailbox for the inbox: deadlines and summaries."""

from datetime import date, timedelta

import msgspec
import pytest

from journalist_app.desk.casefile import Casefile
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.inbox.deadlines import DeadlineKind, days_after, deadlines_of
from journalist_app.inbox.mailbox_summary import SUMMARY_STEPS, MailboxSummary
from journalist_app.services import inbox_lists
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk import unlocking
from protocol.content import ClosingNote, Content, Kind, StepName, StepNote
from protocol.identifiers import Address, Digest
from tests.journalist_app import desk_readers
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source

CARD = MailboxSummary(b"a" * 20, (), TODAY, "received")


def dues(
    summary: MailboxSummary, world: World, today: date = TODAY, reminder: date | None = None
) -> list[tuple[DeadlineKind, date]]:
    return [(each.kind, each.day) for each in deadlines_of(summary, reminder, world.letterhead, today)]


def unlocked(world: World) -> OpenDesk:
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    return desk


def card_in(desk: OpenDesk, source: ASource) -> MailboxSummary:
    return next(summary for summary in desk.index.summaries() if summary.address == source.keys.address)


# ---- deadlines


def test_a_new_message_must_be_confirmed_answered_and_dealt_with(world: World) -> None:
    summary = msgspec.structs.replace(CARD, asked=TODAY, waiting=TODAY)

    assert [
        (DeadlineKind.CONFIRM, TODAY + timedelta(days=7)),
        (DeadlineKind.ANSWER, world.letterhead.expect_by(TODAY)),
        (DeadlineKind.SUBSTANCE, date(2027, 2, 23)),
    ] == sorted(dues(summary, world), key=lambda each: each[1])


def test_nothing_is_due_after_confirmation_answer_and_advice(world: World) -> None:
    summary = msgspec.structs.replace(CARD, asked=TODAY, is_confirmed=True, has_substance=True)

    assert [] == dues(summary, world)


def test_the_soonest_deadline_comes_first_and_only_a_past_one_is_late(world: World) -> None:
    summary = msgspec.structs.replace(CARD, promised=TODAY)
    found = deadlines_of(summary, TODAY - timedelta(days=1), world.letterhead, TODAY)

    assert [(DeadlineKind.REMINDER, True), (DeadlineKind.PROMISED, False)] == [
        (e.kind, e.is_late) for e in found
    ]
    assert TODAY - timedelta(days=1) == found[0].day


def test_a_closed_mailbox_has_only_its_reminder(world: World) -> None:
    summary = msgspec.structs.replace(CARD, asked=TODAY, waiting=TODAY, promised=TODAY, is_closed=True)

    assert [(DeadlineKind.REMINDER, TODAY)] == dues(summary, world, reminder=TODAY)


# ---- summaries


def test_a_summary_says_who_waits_and_since_when(world: World) -> None:
    source = a_source(world)
    source.writes("een", day=TODAY - timedelta(days=4))
    source.writes("twee")

    summary = card_in(desk := unlocked(world), source)

    assert (TODAY - timedelta(days=4), TODAY - timedelta(days=4), False) == (
        summary.asked, summary.waiting, summary.is_confirmed,
    )  # fmt: skip
    desk.stop()


def test_an_answer_ends_the_waiting_and_confirms(world: World) -> None:
    source = a_source(world)
    source.writes("vraag", day=TODAY - timedelta(days=4))
    source.is_answered("antwoord")

    summary = card_in(desk := unlocked(world), source)

    assert (None, True, False) == (summary.waiting, summary.is_confirmed, summary.is_closed)
    desk.stop()


def test_a_deleted_message_does_not_wait_for_an_answer(world: World) -> None:
    source = a_source(world)
    source.removes(source.writes("weg"))

    summary = card_in(desk := unlocked(world), source)

    assert (None, None) == (summary.asked, summary.waiting)
    desk.stop()


def test_an_empty_mailbox_has_an_empty_summary_and_is_in_no_list(world: World) -> None:
    source = a_source(world)
    desk = unlocked(world)

    assert (None, "") == (card_in(desk, source).newest, card_in(desk, source).step)
    shown = inbox_lists.read_inbox(desk, InboxFilter(), TODAY)
    assert ((), 0, 0) == (shown.rows, shown.waiting, shown.answered)
    desk.stop()


@pytest.mark.parametrize(
    ("step", "text", "is_answer"),
    [
        (StepName.RECEIVED, "Wij hebben je bericht.", False),
        (StepName.BEING_READ, "Wij lezen je bericht.", False),
        (StepName.IN_CONVERSATION, "", False),
        (StepName.ADVICE_GIVEN, "Dit kun je doen.", True),
    ],
)
def test_a_step_that_only_confirms_leaves_the_source_waiting_for_an_answer(
    world: World, step: StepName, text: str, *, is_answer: bool
) -> None:
    source = a_source(world)
    source.writes("vraag", day=TODAY - timedelta(days=4))
    source.is_told(Content(kind=Kind.STEP, text=text, step=StepNote(step=step)))

    summary = card_in(desk := unlocked(world), source)
    shown = inbox_lists.read_inbox(desk, InboxFilter("answered" if is_answer else "waiting"), TODAY)

    assert summary.is_confirmed
    assert (summary.waiting is None, summary.has_substance) == (is_answer, is_answer)
    assert [row.is_waiting for row in shown.rows] == [not is_answer]
    assert is_answer is (DeadlineKind.ANSWER not in dict(dues(summary, world)))
    assert DeadlineKind.CONFIRM not in dict(dues(summary, world))
    desk.stop()


def test_a_step_advice_given_without_text_meets_the_norm_for_advice(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_told(Content(kind=Kind.STEP, text="", step=StepNote(step=StepName.ADVICE_GIVEN)))

    summary = card_in(desk := unlocked(world), source)

    assert summary.has_substance
    assert summary.waiting is not None
    desk.stop()


def test_a_handed_over_step_does_not_reopen_a_closed_mailbox(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_told(Content(kind=Kind.CLOSING, text="Dag.", closing=ClosingNote()), due=TODAY)
    note = StepNote(step=StepName.PASSED_ON, to="SG", proposal=Digest(bytes(32)), delivered=TODAY)
    source.is_told(Content(kind=Kind.STEP, text="", step=note), due=TODAY)

    summary = card_in(desk := unlocked(world), source)

    assert (summary.is_closed, summary.waiting, summary.promised) == (True, None, None)
    desk.stop()


@pytest.mark.parametrize(("delivered", "step"), [(None, "passed_on"), (TODAY, "handed_over")])
def test_a_filter_tells_a_file_that_is_ready_from_a_file_that_was_handed_over(
    world: World, delivered: date | None, step: str
) -> None:
    source = a_source(world)
    source.writes("vraag")
    note = StepNote(step=StepName.PASSED_ON, to="SG", without_consent=True, delivered=delivered)
    source.is_told(Content(kind=Kind.STEP, text="De wet verplicht ons.", step=note))
    desk = unlocked(world)

    found = {
        each
        for each in SUMMARY_STEPS
        for state in ("waiting", "answered")
        if inbox_lists.read_inbox(desk, InboxFilter(state, step=each), TODAY).rows
    }

    assert found == {step} == {card_in(desk, source).step}
    desk.stop()


# ---- order of the inbox


def test_the_mailbox_with_the_first_deadline_is_on_top(world: World) -> None:
    later, sooner = a_source(world), a_source(world)
    later.writes("vraag")
    sooner.writes("vraag", day=TODAY - timedelta(days=30))
    desk = unlocked(world)

    shown = inbox_lists.read_inbox(desk, InboxFilter(), TODAY)

    assert [sooner.address, later.address] == [row.address for row in shown.rows]
    assert {"waiting": 1, "answered": 0, "closed": 0} == shown.late
    assert (True, False) == (shown.rows[0].due[0].is_late, shown.rows[1].due[0].is_late)
    desk.stop()


def test_a_reminder_brings_an_answered_mailbox_to_the_top(world: World) -> None:
    first, second = a_source(world), a_source(world)
    for source in (first, second):
        source.writes("vraag")
        source.is_answered("antwoord")
    desk = unlocked(world)
    typed = {**casefiles.form_values(Casefile()), "reminder": TODAY.isoformat()}

    casefiles.save_casefile(desk, second.keys.address, casefiles.form_digest(Casefile()), typed)

    assert second.address == inbox_lists.read_inbox(desk, InboxFilter("answered"), TODAY).rows[0].address
    desk.stop()


@pytest.mark.parametrize(
    "wanted",
    [
        InboxFilter(theme="bullying"),
        InboxFilter(tag="spoed"),
        InboxFilter(step="received", theme="bullying"),
        InboxFilter(is_late=True),
    ],
)
def test_a_filter_hides_the_mailboxes_that_do_not_match(world: World, wanted: InboxFilter) -> None:
    fits, other = a_source(world), a_source(world)
    fits.writes("vraag", day=TODAY - timedelta(days=30))
    other.writes("vraag")
    desk = unlocked(world)
    typed = {**casefiles.form_values(Casefile()), "labels": "spoed", "theme": "bullying"}
    casefiles.save_casefile(desk, fits.keys.address, casefiles.form_digest(Casefile()), typed)

    shown = inbox_lists.read_inbox(desk, wanted, TODAY)

    assert [fits.address] == [row.address for row in shown.rows]
    assert ("bullying", ("spoed",)) == (shown.rows[0].theme, shown.rows[0].labels)
    assert ("spoed",) == shown.tags
    desk.stop()


def test_labels_that_a_thief_invented_do_not_fill_the_inbox(world: World) -> None:
    """Attack: with a retired key, someone signs casefiles of mailboxes that do not exist, full of labels."""
    sources = [a_source(world) for _ in range(6)]
    for each in sources:
        each.writes("vraag")
    desk = unlocked(world)
    absent = Address(bytes(20))
    casefiles.set_in_casefile(desk, absent, labels=("of no mailbox",))
    for at, each in enumerate(sources):
        labels = tuple(f"{at}-{number}" for number in range(49))
        casefiles.set_in_casefile(desk, each.keys.address, labels=("zeker", *labels))

    tags = inbox_lists.read_inbox(desk, InboxFilter(), TODAY).tags

    assert "of no mailbox" not in tags
    assert ("zeker", 200) == (tags[-1], len(tags))
    desk.stop()


def test_a_label_with_several_spellings_is_shown_in_the_one_used_most(world: World) -> None:
    sources = [a_source(world) for _ in range(3)]
    for each in sources:
        each.writes("vraag")
    desk = unlocked(world)
    for each, label in zip(sources, ("Spoed", "spoed", "spoed"), strict=True):
        casefiles.set_in_casefile(desk, each.keys.address, labels=(label,))

    assert inbox_lists.read_inbox(desk, InboxFilter(), TODAY).tags == ("spoed",)
    desk.stop()


def test_until_the_whole_store_is_read_no_filter_hides_a_mailbox(world: World) -> None:
    a_source(world).writes("vraag")
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)

    assert 1 == len(inbox_lists.read_inbox(desk, InboxFilter(theme="bullying"), TODAY).rows)
    assert () == inbox_lists.read_inbox(desk, InboxFilter("closed"), TODAY).rows


def test_a_deadline_is_never_after_the_last_day_of_the_calendar() -> None:
    assert days_after(date.max, 7) == date.max
    assert days_after(date(2026, 12, 30), 7) == date(2027, 1, 6)
