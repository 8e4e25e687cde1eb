"""Closed, reopened, retained, gone: and every way in which that promise could be broken."""

import threading
from datetime import date, timedelta

import msgspec
import pytest
from protocol.statements.deletion_order import is_order_void, sign_order, verify_order

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of
from journalist_app.errors import (
    MailboxNotFoundError,
    RecordUnsoundError,
    SendRefusal,
    SendRefusedError,
    UnsoundMailboxError,
)
from journalist_app.services import inbox_lists
from journalist_app.services.closing import close_mailbox, deletion_upkeep, ended_mailboxes
from journalist_app.services.desk import background_check, unlocking, yearly_report
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.mailbox import order_deletion, read_thread
from journalist_app.services.mailbox.answering import AnswerSender, ReplyForm
from journalist_app.services.mailbox.send_entries import AdviserFormContext
from journalist_app.services.mailbox.steps import StepForm
from journalist_app.services.records import casefiles
from protocol import ledger as ledger_format
from protocol.casefile import Casefile, Evidence, EvidenceKind, PassedOn
from protocol.content import TEXT_CHARS, StepName
from protocol.identifiers import Digest, EntryId
from protocol.ledger import Dimension, Tally
from protocol.sealed_record import RecordKind
from protocol.strand import DeskWriter
from protocol.trusted_state import TrustedState
from store import deletion_orders, mailboxes, peers, records
from store import ledger_tallies as ledger
from tests.journalist_app.desk_factories import (
    PASSPHRASE,
    TODAY,
    ASource,
    World,
    a_letterhead,
    a_source,
    publish,
)
from tests.journalist_app.refusals import refuses
from tests.store.factories import all_tallies

CLOSING_ID = EntryId(b"c" * 16)
DELETES_AFTER = 90
EVIDENCE = Evidence(kind=EvidenceKind.ANSWER, day=TODAY, entry=Digest(bytes(32)), body=b"{}")


def unlocked(world: World) -> OpenDesk:
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def context_for(
    desk: OpenDesk, source: ASource, entry_id: EntryId = CLOSING_ID, *, today: date = TODAY
) -> AdviserFormContext:
    seen = read_thread.read_conversation(desk, source.keys.address, today=today).source_said
    return AdviserFormContext(source.keys.address, entry_id, bytes.fromhex(seen))


def close(desk: OpenDesk, source: ASource, *, today: date = TODAY) -> None:
    close_mailbox.close_mailbox(desk, context_for(desk, source, today=today), "Het ga je goed.", today=today)


def order_in(world: World, source: ASource) -> deletion_orders.StoredOrder | None:
    with world.store.reading() as session:
        return deletion_orders.find(session, source.keys.address)


def ordered_in(world: World, source: ASource) -> deletion_orders.StoredOrder:
    found = order_in(world, source)
    assert found is not None
    return found


def is_void_now(world: World, desk: OpenDesk, source: ASource) -> bool:
    ordered = verify_order(ordered_in(world, source).statement, strands=world.letterhead.strand_keys)
    return is_order_void(ordered, conversation_of(desk, source.keys.address).entries)


def opened_tallies(world: World, tallies: tuple[bytes, ...]) -> list[Tally]:
    return [
        ledger_format.open_tally(each, world.keyring.identities, world.letterhead.strand_keys)
        for each in tallies
    ]


def counted(world: World, tallies: tuple[bytes, ...]) -> dict[str, str]:
    opened = opened_tallies(world, tallies)
    return {each.dimension.value: each.value for each in opened if each.dimension is not Dimension.NOTHING}


def purge(world: World, source: ASource, day: date) -> None:
    """Do what the server does on the day: see `deploy.cleanup.server_cleanup`."""
    stored = ordered_in(world, source)
    with world.store.writing() as session:
        mailboxes.purge_mailbox(
            session, source.keys.address, statement=stored.statement, day=day, tallies=stored.tallies
        )


def answered(
    desk: OpenDesk, source: ASource, text: str, step: StepForm | None = None, *, today: date = TODAY
) -> None:
    seen = bytes.fromhex(read_thread.read_conversation(desk, source.keys.address, today=today).source_said)
    form = ReplyForm(source.keys.address, EntryId(b"a" * 16), seen, text, step, EntryId(b"s" * 16))
    with AnswerSender(desk, form, today=today, half_hour=1) as under_way:
        under_way.send()


# ---- closing


def test_closing_says_a_last_word_and_orders_the_deletion(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    desk = unlocked(world)

    close(desk, source)

    closed = read_thread.read_conversation(desk, source.keys.address, today=TODAY).thread_state.closing
    stored = ordered_in(world, source)
    assert closed is not None
    assert closed.text == "Het ga je goed."
    assert closed.by == stored.due
    assert TODAY + timedelta(DELETES_AFTER) <= stored.due <= TODAY + timedelta(DELETES_AFTER + 7)
    assert order_deletion.verify_stored_order(desk, stored) is not None
    assert not is_void_now(world, desk, source)
    assert casefiles.read_casefile(desk, source.keys.address).keep_until == stored.due
    assert not casefiles.read_casefile(desk, source.keys.address).is_spam


def test_the_day_of_deletion_does_not_tell_the_day_of_closing(world: World) -> None:
    desk = unlocked(world)

    days = {order_deletion.choose_deletion_day(desk, TODAY) - TODAY for _ in range(400)}

    assert days == {timedelta(DELETES_AFTER + more) for more in range(8)}


def test_without_a_last_word_nothing_is_closed(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)

    for text, refused in (
        (" \n", SendRefusal.TEXT_MISSING),
        ("x" * (TEXT_CHARS + 1), SendRefusal.TEXT_TOO_LONG),
    ):
        with refuses(refused):
            close_mailbox.close_mailbox(desk, context_for(desk, source), text, today=TODAY)

    assert order_in(world, source) is None


def test_a_double_click_closes_once(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    before = ordered_in(world, source)

    close(desk, source)

    assert ordered_in(world, source) == before
    steps = read_thread.read_conversation(desk, source.keys.address, today=TODAY).thread_state.steps
    assert [step.step for step in steps].count(StepName.CLOSED) == 1


def test_a_source_who_writes_meanwhile_is_not_closed_upon(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form_context = context_for(desk, source)
    source.writes("wacht")

    with refuses(SendRefusal.SOURCE_WROTE):
        close_mailbox.close_mailbox(desk, form_context, "tot ziens", today=TODAY)

    assert order_in(world, source) is None
    background_check.check_store(desk, TODAY)
    assert casefiles.read_casefile(desk, source.keys.address).keep_until is None


def test_what_is_counted_at_closing_is_what_happened(world: World) -> None:
    source = a_source(world)
    source.writes("vraag", day=TODAY - timedelta(days=7))
    source.is_answered("antwoord", day=TODAY - timedelta(days=4))
    source.looks()
    desk = unlocked(world)
    passed = PassedOn(recipient="sg", with_consent=True, made=TODAY, proposal=Digest(bytes(32)))
    casefiles.update_casefile(
        desk,
        source.keys.address,
        lambda _: Casefile(
            theme="intimidation", route="talk", region="asia", outcome="x", passed_on=(passed,)
        ),
    )

    close(desk, source)

    assert counted(world, ordered_in(world, source).tallies) == {
        "mailbox": "read",
        "theme": "intimidation",
        "route": "talk",
        "region": "asia",
        "outcome": "x",
        "came_back": "yes",
        "first_answer": "2",
        "passed_on": "with_consent",
    }


def test_a_casefile_that_was_tampered_with_stops_the_closing(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    casefiles.update_casefile(desk, source.keys.address, lambda casefile: casefile)
    world.execute("DELETE FROM record")

    with pytest.raises(RecordUnsoundError):
        close(desk, source)

    assert order_in(world, source) is None


# ---- spam


def test_spam_is_closed_in_one_step_and_counted_as_that_alone(world: World) -> None:
    source = a_source(world)
    source.writes("Goedkope tassen!")
    desk = unlocked(world)
    form_context = context_for(desk, source)

    for _ in range(2):
        close_mailbox.close_as_spam(desk, form_context, today=TODAY)

    stored = ordered_in(world, source)
    assert TODAY < stored.due <= TODAY + timedelta(days=8)
    assert counted(world, stored.tallies) == {"mailbox": "spam"}
    assert len(stored.tallies) == ledger_format.ROWS
    assert casefiles.read_casefile(desk, source.keys.address).is_spam
    inbox = inbox_lists.read_inbox(desk, InboxFilter("waiting", 1), TODAY)
    assert inbox.waiting == 0


def test_what_could_not_be_closed_is_not_called_spam(world: World) -> None:
    source = a_source(world)
    source.writes("tassen")
    desk = unlocked(world)
    form_context = context_for(desk, source)
    source.writes("Nee, echt: ik heb hulp nodig.")

    with refuses(SendRefusal.SOURCE_WROTE):
        close_mailbox.close_as_spam(desk, form_context, today=TODAY)

    assert not casefiles.read_casefile(desk, source.keys.address).is_spam


# ---- reopening


def test_writing_again_opens_it_and_the_order_goes(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    source.writes("toch nog iets")
    assert is_void_now(world, desk, source)

    background_check.check_store(desk, TODAY)

    assert order_in(world, source) is None
    background_check.check_store(desk, TODAY)
    assert casefiles.read_casefile(desk, source.keys.address).keep_until is None
    assert order_in(world, source) is None
    (row,) = inbox_lists.read_inbox(desk, InboxFilter("waiting", 1), TODAY).rows
    assert row.is_waiting
    current = read_thread.read_conversation(desk, source.keys.address, today=TODAY).thread_state.steps[-1]
    assert current.step in {StepName.REOPENED, StepName.BEING_READ}


def test_reading_the_last_word_opens_nothing_and_is_counted(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    desk = unlocked(world)
    close(desk, source)
    due = ordered_in(world, source).due
    assert counted(world, ordered_in(world, source).tallies)["came_back"] == "no"
    source.looks()

    background_check.check_store(desk, TODAY + timedelta(days=1))

    stored = ordered_in(world, source)
    assert stored.due == due
    assert counted(world, stored.tallies)["came_back"] == "yes"
    assert not is_void_now(world, desk, source)


def test_an_answer_in_a_closed_mailbox_leaves_it_closed_under_a_fresh_order(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    before = ordered_in(world, source)

    answered(desk, source, "Nog een ding.")

    after = ordered_in(world, source)
    assert (after.due, after.statement != before.statement) == (before.due, True)
    assert not is_void_now(world, desk, source)


def test_a_new_step_opens_a_closed_mailbox_again(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)

    answered(desk, source, "Wij gaan verder.", StepForm("in_conversation"))

    assert order_in(world, source) is None
    background_check.check_store(desk, TODAY)
    assert order_in(world, source) is None
    assert casefiles.read_casefile(desk, source.keys.address).keep_until is None


# ---- what keeps the promise


def test_a_closing_whose_order_was_lost_gets_one_at_the_next_check(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    due = ordered_in(world, source).due
    with world.store.writing() as session:
        deletion_orders.drop(session, source.keys.address)

    background_check.check_store(unlocked(world), TODAY)

    stored = ordered_in(world, source)
    assert stored.due == due
    assert order_deletion.verify_stored_order(desk, stored) is not None


def test_a_closing_whose_day_passed_without_an_order_is_ordered_for_today(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    close(unlocked(world), source)
    with world.store.writing() as session:
        deletion_orders.drop(session, source.keys.address)
    later = TODAY + timedelta(days=200)

    background_check.check_store(unlocked(world), later)

    assert ordered_in(world, source).due == later


@pytest.mark.parametrize("forged", ["another desk's", "another mailbox's", "another day", "rubbish"])
def test_an_order_that_is_not_ours_is_dropped_and_made_anew(world: World, forged: str) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("vraag")
    other.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    close_mailbox.close_mailbox(desk, context_for(desk, other), "dag", today=TODAY)
    ours = ordered_in(world, source)
    heads = conversation_of(desk, source.keys.address).heads
    stranger = DeskWriter(world.keyring.strand.id, b"x" * 32)
    statements = {
        "another desk's": sign_order(
            source.keys.address, heads, due=TODAY, tallies=(), by=stranger, day=TODAY
        ),
        "another mailbox's": ordered_in(world, other).statement,
        "another day": ours.statement,
        "rubbish": b"rubbish",
    }
    with world.store.writing() as session:
        deletion_orders.put(session, source.keys.address, statements[forged], TODAY, ())

    background_check.check_store(desk, TODAY)
    background_check.check_store(desk, TODAY)

    found = order_deletion.verify_stored_order(desk, ordered_in(world, source))
    assert found is not None
    assert found.due == ours.due


def test_an_order_over_a_mailbox_that_fails_verification_is_left_to_the_adviser(world: World) -> None:
    source = a_source(world)
    source.writes("een")
    source.writes("twee")
    desk = unlocked(world)
    close(desk, source)
    before = ordered_in(world, source)
    source.looks()
    world.execute("DELETE FROM entry WHERE author = 0 AND number = 1")

    background_check.check_store(desk, TODAY)

    assert ordered_in(world, source) == before
    assert source.keys.address in desk.unsound
    with world.store.writing() as session:
        deletion_orders.drop(session, source.keys.address)
    background_check.check_store(desk, TODAY)
    assert order_in(world, source) is None


def test_an_order_over_a_mailbox_that_ended_meanwhile_is_passed_by(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    stored = ordered_in(world, source)
    source.ends()

    deletion_upkeep._maintain_order(desk, stored, TODAY)

    assert order_in(world, source) is None


# ---- abandoned


def abandoned(world: World) -> ASource:
    source = a_source(world, day=TODAY - timedelta(days=500))
    source.writes("vraag", day=TODAY - timedelta(days=400))
    source.is_answered("antwoord", day=TODAY - timedelta(days=390))
    return source


def test_an_abandoned_mailbox_gets_an_order_when_the_desk_is_unlocked(world: World) -> None:
    source = abandoned(world)
    desk = unlocked(world)

    background_check.check_store(desk, TODAY)

    stored = ordered_in(world, source)
    assert TODAY < stored.due <= TODAY + timedelta(days=8)
    assert counted(world, stored.tallies)["mailbox"] == "read"
    assert casefiles.read_casefile(desk, source.keys.address).keep_until is None


def test_an_abandoned_mailbox_that_nobody_read_is_counted_as_that(world: World) -> None:
    source = a_source(world, day=TODAY - timedelta(days=500))
    source.writes("vraag", day=TODAY - timedelta(days=400))

    background_check.check_store(unlocked(world), TODAY)

    assert counted(world, ordered_in(world, source).tallies) == {"mailbox": "ended_unread"}


def test_an_abandoned_mailbox_under_order_keeps_its_day(world: World) -> None:
    source = abandoned(world)
    desk = unlocked(world)
    background_check.check_store(desk, TODAY)
    before = ordered_in(world, source)

    background_check.check_store(desk, TODAY + timedelta(days=1))

    assert ordered_in(world, source) == before


def test_a_mark_does_not_keep_an_abandoned_mailbox(world: World) -> None:
    source = abandoned(world)
    source.looks(day=TODAY)

    background_check.check_store(unlocked(world), TODAY)

    assert order_in(world, source) is not None


def test_what_is_not_abandoned_stays(world: World) -> None:
    talking = a_source(world, day=TODAY - timedelta(days=500))
    talking.writes("vraag", day=TODAY - timedelta(days=400))
    talking.writes("nog iets", day=TODAY - timedelta(days=300))
    empty = a_source(world, day=TODAY - timedelta(days=500))
    unsound = abandoned(world)
    world.execute(
        "UPDATE entry SET signature = :none WHERE address = :address",
        none=bytes(64),
        address=unsound.keys.address,
    )

    background_check.check_store(unlocked(world), TODAY)

    assert [order_in(world, each) for each in (talking, empty, unsound)] == [None, None, None]


def test_the_letterhead_says_after_how_many_months_a_mailbox_is_abandoned(world: World) -> None:
    source = abandoned(world)
    letterhead = msgspec.structs.replace(a_letterhead(world.keyring, serial=2), abandoned_months=24)
    publish(world.store, world.keyring, letterhead)

    background_check.check_store(unlocked(world), TODAY)

    assert order_in(world, source) is None


# ---- gone


def test_a_mailbox_that_our_order_deleted_is_known_to_be_so(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    due = ordered_in(world, source).due
    purge(world, source, due)
    assert inbox_lists.read_inbox(desk, InboxFilter("closed", 1), due).unsound == ()

    background_check.check_store(desk, due)

    assert desk.unsound == {}
    assert (
        inbox_lists.read_inbox(desk, InboxFilter("closed", 1), TODAY).unsound == ()
    )  # nor is its casefile missed
    assert source.keys.address in desk.trusted_state.ended
    with world.store.reading() as session:
        assert mailboxes.ended_mailboxes(session) == []
        assert ledger.count(session) == ledger_format.ROWS
    again = unlocked(world)
    background_check.check_store(again, due)
    assert again.unsound == {}


@pytest.mark.parametrize("how", ["before its day", "another mailbox's order", "by a stranger"])
def test_a_mailbox_deleted_without_a_right_order_is_told(world: World, how: str) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("vraag")
    other.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    close_mailbox.close_mailbox(desk, context_for(desk, other), "dag", today=TODAY)
    stored, others = ordered_in(world, source), ordered_in(world, other)
    stranger = DeskWriter(world.keyring.strand.id, b"x" * 32)
    statement, day = {
        "before its day": (stored.statement, TODAY),
        "another mailbox's order": (others.statement, others.due),
        "by a stranger": (
            sign_order(source.keys.address, {}, due=TODAY, tallies=(), by=stranger, day=TODAY),
            TODAY,
        ),
    }[how]
    with world.store.writing() as session:
        mailboxes.purge_mailbox(session, source.keys.address, statement=statement, day=day, tallies=())

    background_check.check_store(desk, TODAY)

    faults = [row.faults for row in inbox_lists.read_inbox(desk, InboxFilter("closed", 1), TODAY).unsound]
    assert ("false_ending",) in faults


def test_a_mailbox_that_its_source_ended_is_counted_when_the_adviser_has_seen_it(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    desk = unlocked(world)
    casefiles.update_casefile(desk, source.keys.address, lambda _: Casefile(theme="intimidation"))
    source.ends()

    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    with world.store.reading() as session:
        tallies = counted(world, tuple(all_tallies(session)))
    assert (tallies["mailbox"], tallies["theme"]) == ("read", "intimidation")
    assert casefiles.read_casefile(desk, source.keys.address) == Casefile()
    with pytest.raises(MailboxNotFoundError):
        ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)


WRITTEN, ANSWERED, NEW_YEAR = date(2026, 12, 28), date(2026, 12, 29), date(2027, 1, 3)


def answered_at_the_turn_of_the_year(world: World) -> tuple[ASource, OpenDesk]:
    source = a_source(world, day=WRITTEN)
    source.writes("vraag", day=WRITTEN)
    desk = unlocked(world)
    answered(desk, source, "antwoord", today=ANSWERED)
    return source, desk


def seen_to_have_ended(world: World, desk: OpenDesk, source: ASource) -> dict[str, str]:
    """End a mailbox as its source, see it end as the adviser, and return what is counted, with its year."""
    source.ends(day=NEW_YEAR)
    ended_mailboxes.acknowledge_ended(desk, source.keys.address, NEW_YEAR)
    with world.store.reading() as session:
        tallies = tuple(all_tallies(session))
        assert records.revisions(session, RecordKind.CASEFILE) == []
    (year,) = {tally.year for tally in opened_tallies(world, tallies)}
    return {"year": str(year), **counted(world, tallies)}


def assert_counted(tallies: dict[str, str], *, came_back: str) -> None:
    assert {"year": "2026", "mailbox": "read", "first_answer": "1", "came_back": came_back} == {
        name: tallies[name] for name in ("year", "mailbox", "first_answer", "came_back")
    }


def test_a_mailbox_that_its_source_ended_counts_in_the_year_of_its_first_message_as_answered_and_read(
    world: World,
) -> None:
    source, desk = answered_at_the_turn_of_the_year(world)
    source.looks(day=date(2027, 1, 2))
    background_check.check_store(desk, date(2027, 1, 2))

    assert_counted(seen_to_have_ended(world, desk, source), came_back="yes")


def test_a_closed_mailbox_that_its_source_ended_counts_as_any_other(world: World) -> None:
    source, desk = answered_at_the_turn_of_the_year(world)
    close(desk, source, today=ANSWERED)
    source.looks(day=date(2027, 1, 2))
    background_check.check_store(desk, date(2027, 1, 2))

    assert_counted(seen_to_have_ended(world, desk, source), came_back="yes")


def test_who_reads_the_answer_and_ends_the_mailbox_at_once_came_back(world: World) -> None:
    """No check ran in between, so no one noticed the source's read receipt."""
    source, desk = answered_at_the_turn_of_the_year(world)
    source.looks(day=NEW_YEAR)

    assert_counted(seen_to_have_ended(world, desk, source), came_back="yes")


def test_who_ends_the_mailbox_without_a_look_at_the_answer_did_not_come_back(world: World) -> None:
    source, desk = answered_at_the_turn_of_the_year(world)

    assert_counted(seen_to_have_ended(world, desk, source), came_back="no")


def test_an_answer_that_had_not_come_when_the_mailbox_ended_was_not_read(world: World) -> None:
    source, desk = answered_at_the_turn_of_the_year(world)
    source.looks(day=NEW_YEAR)
    number, digest = desk.trusted_state.mailboxes[source.keys.address][world.keyring.strand.id]
    desk.remember(source.keys.address, {world.keyring.strand.id: (number + 1, digest)})

    assert_counted(seen_to_have_ended(world, desk, source), came_back="no")


def test_a_workstation_that_remembers_nothing_makes_up_no_reading(world: World) -> None:
    source, desk = answered_at_the_turn_of_the_year(world)
    source.looks(day=NEW_YEAR)
    desk.trusted_state = TrustedState(records=desk.trusted_state.records)

    assert_counted(seen_to_have_ended(world, desk, source), came_back="no")


def test_a_mailbox_that_was_counted_is_shown_and_counted_no_more_while_a_peer_waits_to_be_told(
    world: World,
) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    with world.store.writing() as session:
        peers.add(session, b"strand-2", b"card")
    desk = unlocked(world)
    source.ends()
    year = TODAY.year
    assert (1, 1) == (
        len(inbox_lists.read_inbox(desk, InboxFilter("closed", 1), TODAY).ended),
        yearly_report.read_report_year(desk, year, TODAY).ended,
    )

    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    with world.store.reading() as session:
        (line,) = mailboxes.ended_mailboxes(session)
        assert ledger_format.ROWS == ledger.count(session)
    assert line.is_counted
    shown = inbox_lists.read_inbox(desk, InboxFilter("closed", 1), TODAY)
    assert ((), ()) == (shown.ended, shown.unsound)
    assert 0 == yearly_report.read_report_year(desk, year, TODAY).ended
    with pytest.raises(MailboxNotFoundError):
        ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)
    background_check.check_store(desk, TODAY)
    assert {} == desk.unsound


def test_a_mailbox_that_ended_unread_is_a_line_of_its_own(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.ends()
    desk = unlocked(world)

    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    with world.store.reading() as session:
        assert counted(world, tuple(all_tallies(session))) == {"mailbox": "ended_unread"}


def test_a_false_ending_is_not_counted(world: World) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("vraag")
    source.ends(forged_by=other.keys)
    desk = unlocked(world)

    with pytest.raises(UnsoundMailboxError):
        ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    with world.store.reading() as session:
        assert ledger.count(session) == 0


def test_evidence_outlives_a_mailbox_that_its_source_ended_until_its_day(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    casefiles.update_casefile(
        desk, source.keys.address, lambda _: Casefile(theme="intimidation", evidence=(EVIDENCE,))
    )
    read_thread.read_conversation(desk, source.keys.address, today=TODAY)
    assert casefiles.read_casefile(desk, source.keys.address).first_message == TODAY
    source.ends()

    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    kept = casefiles.read_casefile(desk, source.keys.address)
    assert kept == Casefile(evidence=(EVIDENCE,), keep_until=kept.keep_until)
    assert kept.keep_until is not None
    background_check.check_store(desk, kept.keep_until)
    assert casefiles.read_casefile(desk, source.keys.address).evidence == (EVIDENCE,)
    background_check.check_store(desk, kept.keep_until + timedelta(days=1))
    assert casefiles.read_casefile(desk, source.keys.address) == Casefile()
    assert desk.unsound == {}


@pytest.mark.parametrize("theme", ["", "intimidation"])
def test_of_what_another_workstation_counted_the_evidence_stays_and_nothing_else(
    world: World, theme: str
) -> None:
    source = a_source(world)
    source.writes("vraag")
    with world.store.writing() as session:
        peers.add(session, b"strand-2", b"card")
    desk = unlocked(world)
    casefiles.update_casefile(
        desk, source.keys.address, lambda _: Casefile(theme=theme, evidence=(EVIDENCE,))
    )
    source.ends()
    with world.store.writing() as session:
        mailboxes.mark_counted(session, source.keys.address)

    background_check.check_store(desk, TODAY)

    kept = casefiles.read_casefile(desk, source.keys.address)
    assert (kept.theme, kept.evidence) == ("", (EVIDENCE,))
    assert source.keys.address in desk.trusted_state.ended


def test_a_casefile_that_comes_after_its_mailbox_is_gone_keeps_its_evidence_alone(world: World) -> None:
    """Another workstation wrote it, and did not know yet."""
    source = a_source(world)
    source.writes("vraag")
    source.ends()
    desk = unlocked(world)
    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)
    casefiles.update_casefile(
        desk, source.keys.address, lambda _: Casefile(theme="intimidation", evidence=(EVIDENCE,))
    )

    background_check.check_store(desk, TODAY)

    kept = casefiles.read_casefile(desk, source.keys.address)
    assert (kept.theme, kept.evidence) == ("", (EVIDENCE,))
    assert kept.keep_until is not None
    assert kept.keep_until > TODAY


def test_the_casefile_of_a_mailbox_that_came_back_is_left_to_the_adviser(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    casefiles.update_casefile(desk, source.keys.address, lambda _: Casefile(theme="intimidation"))
    desk.forget_ended(source.keys.address)

    deletion_upkeep.maintain_deletions(desk, TODAY)

    assert casefiles.read_casefile(desk, source.keys.address).theme == "intimidation"


def test_a_desk_that_is_being_locked_stops_tending(world: World) -> None:
    source = abandoned(world)
    closed = a_source(world)
    closed.writes("vraag")
    desk = unlocked(world)
    close(desk, closed)
    closed.writes("toch")
    desk.stopping.set()

    deletion_upkeep.maintain_deletions(desk, TODAY)
    deletion_upkeep._order_abandoned(desk, set(), TODAY)

    assert order_in(world, closed) is not None
    assert order_in(world, source) is None


def test_an_abandoned_mailbox_that_ends_meanwhile_is_passed_by(world: World) -> None:
    source = abandoned(world)
    desk = unlocked(world)
    source.ends()

    deletion_upkeep._order_if_abandoned(desk, source.keys.address, TODAY, TODAY)

    assert order_in(world, source) is None


def test_a_source_who_writes_at_the_moment_of_closing_is_heard(world: World) -> None:
    """Whichever comes first, the mailbox is never both waiting and under an order that counts."""
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form_context = context_for(desk, source)
    gate = threading.Barrier(2)
    refused: list[SendRefusal] = []

    def closes() -> None:
        gate.wait()
        try:
            close_mailbox.close_mailbox(desk, form_context, "tot ziens", today=TODAY)
        except SendRefusedError as why:
            refused.append(why.reason)

    thread = threading.Thread(target=closes)
    thread.start()
    gate.wait()
    source.writes("wacht")
    thread.join()

    assert refused == [SendRefusal.SOURCE_WROTE] or is_void_now(world, desk, source)
