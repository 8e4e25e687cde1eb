"""Closing and deletion of mailboxes, and every way in which someone could break these promises."""

import secrets
import sqlite3
import threading
from contextlib import closing
from datetime import date, timedelta

import msgspec
import pytest
from nacl.signing import SigningKey

from journalist_app.desk.casefile import Casefile, Evidence, EvidenceKind, PassedOn
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of
from journalist_app.errors import (
    CasefileRefusal,
    MailboxNotFoundError,
    RecordUnsoundError,
    SendRefusal,
    SendRefusedError,
    UnsoundMailboxError,
)
from journalist_app.services import inbox_lists
from journalist_app.services.closing import close_mailbox, deletion_upkeep, ended_mailboxes
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.mailbox.answering import AnswerSender, ReplyForm
from journalist_app.services.mailbox.steps import StepForm
from journalist_app.services.records import casefiles, drafts, unsent_forms
from journalist_app.services.whole_desk import background_check, unlocking, yearly_report
from protocol import ledger as ledger_format
from protocol.content import TEXT_CHARS, ClosingNote, Content, Kind, StepName
from protocol.entry import open_entry, sign_entry
from protocol.identifiers import Digest, EntryId, StrandId
from protocol.ledger import Dimension, Tally
from protocol.letterhead import Strand
from protocol.sealed_record import RecordKind
from protocol.strand import DeskWriter
from protocol.transcript.closing import closed_until, last_words, may_delete
from protocol.transcript.ending import proof_to_bytes
from protocol.trusted_state import SeenMailbox, TrustedState
from store import ledger_tallies as ledger
from store import mailbox_tallies, mailboxes, records
from store.errors import StoreError
from stored_mailbox.entry_form import FormContext
from tests.journalist_app.desk_factories import (
    PASSPHRASE,
    TODAY,
    ASource,
    World,
    a_letterhead,
    a_source,
    append,
    publish,
)
from tests.journalist_app.opening import heads_on_page, opens
from tests.journalist_app.refusals import refuses
from tests.planted import finds_the_fault
from tests.store.factories import all_tallies

CLOSING_ID = EntryId(b"c" * 16)
DELETES_AFTER = 90
EVIDENCE = Evidence(kind=EvidenceKind.ANSWER, day=TODAY, entry=Digest(bytes(32)), body=b"{}")


def unlocked(world: World) -> OpenDesk:
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def context_for(
    desk: OpenDesk, source: ASource, entry_id: EntryId = CLOSING_ID, *, today: date = TODAY
) -> FormContext:
    heads, unseen = heads_on_page(desk, source.keys.address, today=today)
    return FormContext(source.keys.address, entry_id, heads, unseen)


def close(desk: OpenDesk, source: ASource, *, today: date = TODAY) -> None:
    close_mailbox.close_mailbox(desk, context_for(desk, source, today=today), "Het ga je goed.", today=today)


def due_of(source: ASource) -> date | None:
    """Return the day from which the mailbox may be deleted, according to its entries alone."""
    return closed_until(source.reads().transcript)


def day_of(source: ASource) -> date:
    due = due_of(source)
    assert due is not None
    return due


def tallies_of(world: World, source: ASource) -> tuple[bytes, ...]:
    with world.store.reading() as session:
        return mailbox_tallies.find(session, source.keys.address)


def opened_tallies(world: World, tallies: tuple[bytes, ...]) -> list[Tally]:
    return [
        ledger_format.open_tally(each, world.keyring.identities, world.letterhead.strand_keys)
        for each in tallies
    ]


def counted(world: World, tallies: tuple[bytes, ...]) -> dict[str, str]:
    opened = opened_tallies(world, tallies)
    return {each.dimension.value: each.value for each in opened if each.dimension is not Dimension.NOTHING}


def purge(world: World, source: ASource, day: date, proof: bytes | None = None) -> None:
    """Delete the mailbox as the server's clean-up does on the day (`deploy.sweeping.retention`)."""
    found = proof or proof_to_bytes(last_words(source.reads().transcript))
    with world.store.writing() as session:
        mailboxes.purge_mailbox(session, source.keys.address, proof=found, day=day)


def answered(
    desk: OpenDesk, source: ASource, text: str, step: StepForm | None = None, *, today: date = TODAY
) -> None:
    heads, unseen = heads_on_page(desk, source.keys.address, today=today)
    form = ReplyForm(
        FormContext(source.keys.address, EntryId(b"a" * 16), heads, unseen), text, step, EntryId(b"s" * 16)
    )
    with AnswerSender(desk, form, today=today, half_hour=1) as under_way:
        under_way.send()


# ---- closing


def test_closing_says_a_last_word_and_the_day_of_deletion(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    desk = unlocked(world)

    close(desk, source)

    closed = opens(desk, source.keys.address, today=TODAY).thread_state.closing
    due = day_of(source)
    assert closed is not None
    assert closed.text == "Het ga je goed."
    assert closed.by == due
    assert TODAY + timedelta(DELETES_AFTER) <= due <= TODAY + timedelta(DELETES_AFTER + 7)
    assert may_delete(source.reads().transcript, world.letterhead.strand_keys, due)
    assert not may_delete(source.reads().transcript, world.letterhead.strand_keys, due - timedelta(1))
    assert casefiles.read_casefile(desk, source.keys.address).keep_until == due
    assert not casefiles.read_casefile(desk, source.keys.address).is_spam


def test_the_day_of_deletion_does_not_tell_the_day_of_closing(world: World) -> None:
    desk = unlocked(world)

    days = {close_mailbox.choose_deletion_day(desk, TODAY) - TODAY for _ in range(400)}

    assert days == {timedelta(DELETES_AFTER + more) for more in range(8)}


def test_without_a_last_word_nothing_is_closed(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)

    for text, refused in (
        (" \n", SendRefusal.TEXT_MISSING),
        ("\u200b\ufeff\u2800\u3164\u00ad\u200e", SendRefusal.TEXT_MISSING),
        ("x" * (TEXT_CHARS + 1), SendRefusal.TEXT_TOO_LONG),
    ):
        with refuses(refused):
            close_mailbox.close_mailbox(desk, context_for(desk, source), text, today=TODAY)

    assert due_of(source) is None


def test_a_double_click_closes_once(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    before = day_of(source), casefiles.read_casefile(desk, source.keys.address)

    close(desk, source)

    assert (day_of(source), casefiles.read_casefile(desk, source.keys.address)) == before
    steps = opens(desk, source.keys.address, today=TODAY).thread_state.steps
    assert [step.step for step in steps].count(StepName.CLOSED) == 1


def test_a_source_who_writes_meanwhile_is_not_closed_upon(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form_context = context_for(desk, source)
    source.writes("wacht")

    with refuses(SendRefusal.SOURCE_WROTE):
        close_mailbox.close_mailbox(desk, form_context, "tot ziens", today=TODAY)

    assert due_of(source) is None
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

    assert counted(world, tallies_of(world, source)) == {
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

    assert due_of(source) is None


# ---- spam


def test_spam_is_closed_in_one_step_and_counted_as_that_alone(world: World) -> None:
    source = a_source(world)
    source.writes("Goedkope tassen!")
    desk = unlocked(world)
    form_context = context_for(desk, source)

    for _ in range(2):
        close_mailbox.close_as_spam(desk, form_context, today=TODAY)

    assert TODAY < day_of(source) <= TODAY + timedelta(days=8)
    assert counted(world, tallies_of(world, source)) == {"mailbox": "spam"}
    assert len(tallies_of(world, source)) == ledger_format.ROWS
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


def test_writing_again_opens_it(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    source.writes("toch nog iets")
    assert due_of(source) is None

    background_check.check_store(desk, TODAY)

    assert desk.trusted_state.seen(source.keys.address).closed is None
    assert casefiles.read_casefile(desk, source.keys.address).keep_until is None
    (row,) = inbox_lists.read_inbox(desk, InboxFilter("waiting", 1), TODAY).rows
    assert row.is_waiting
    steps = opens(desk, source.keys.address, today=TODAY).thread_state.steps
    assert StepName.REOPENED in {step.step for step in steps}


def test_words_that_crossed_a_closing_keep_the_mailbox(world: World) -> None:
    source = a_source(world)
    first = source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)

    source.says(Content(kind=Kind.MESSAGE, text="wacht"), shown=[first.digest])

    assert due_of(source) is None


def test_reading_the_last_word_opens_nothing_and_is_counted(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    desk = unlocked(world)
    close(desk, source)
    due = day_of(source)
    assert counted(world, tallies_of(world, source))["came_back"] == "no"
    source.looks()

    background_check.check_store(desk, TODAY + timedelta(days=1))

    assert day_of(source) == due
    assert counted(world, tallies_of(world, source))["came_back"] == "yes"


def test_any_set_of_tallies_of_one_mailbox_counts_once(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    early = opened_tallies(world, tallies_of(world, source))
    casefiles.update_casefile(
        desk, source.keys.address, lambda now: msgspec.structs.replace(now, theme="bullying")
    )
    late = opened_tallies(world, tallies_of(world, source))

    assert {each.id for each in early} == {each.id for each in late}
    assert set(ledger_format.counted_tallies([*early, *late])) == set(late)


def test_tallies_of_a_closed_mailbox_that_were_copied_do_not_count_beside_those_of_its_end(
    world: World,
) -> None:
    """Attack: before the source ends the mailbox, the operator copies its tallies into the ledger."""
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    with world.store.writing() as session:
        ledger.add(session, mailbox_tallies.find(session, source.keys.address))
    source.ends()
    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    with world.store.reading() as session:
        left = opened_tallies(world, tuple(all_tallies(session)))
    assert len(left) == 2 * ledger_format.ROWS
    assert len(ledger_format.counted_tallies(left)) == ledger_format.ROWS


def test_tallies_that_a_retired_workstation_put_beside_a_mailbox_are_replaced(world: World) -> None:
    """Attack: someone with its key puts tallies of a higher revision beside a closed mailbox."""
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    ours = opened_tallies(world, tallies_of(world, source))
    by = DeskWriter(StrandId(b"desk-old"), bytes(32))
    key = bytes(SigningKey(by.seed).verify_key)
    old = Strand(id=by.strand, name="oud", verify_key=key, since=TODAY, until=TODAY)
    desk.letterhead = desk.letterhead.successor(strands=(*desk.letterhead.strands, old))
    forged = [msgspec.structs.replace(each, revision=each.revision + 1, value="x") for each in ours]
    with world.store.writing() as session:
        sealed = ledger_format.seal_tallies(forged, world.letterhead, by)
        mailbox_tallies.put(session, source.keys.address, sealed)

    deletion_upkeep.maintain_deletions(desk, TODAY)

    assert set(opened_tallies(world, tallies_of(world, source))) == set(ours)


def test_what_stays_of_a_deleted_mailbox_does_not_link_its_tallies_to_it(world: World) -> None:
    """The keyring and the remembered address cannot link the tallies without the mailbox's deleted key."""
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    key = source.keys.verify_key
    close(desk, source)
    source.ends()
    assert key.hex() in everything_in(world)

    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    assert source.keys.address in desk.trusted_state.ended
    assert key.hex() not in everything_in(world)
    with world.store.reading() as session:
        ids = {each.id for each in opened_tallies(world, tuple(all_tallies(session)))}
    seed = ledger_format.tally_seed(desk.keyring.desk_key.seed, source.keys.address)
    derived = ledger_format.make_tallies({}, seed=seed, revision=1, year=2026)
    assert ids.isdisjoint(each.id for each in derived)


def everything_in(world: World) -> str:
    with closing(sqlite3.connect(world.store.path)) as connection:
        return "\n".join(connection.iterdump()).lower()


def test_keys_that_were_swapped_for_a_moment_leave_no_tallies_under_other_ids(world: World) -> None:
    """Attack: tallies with other ids would be counted in addition to the right ones."""
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    before = {each.id for each in opened_tallies(world, tallies_of(world, source))}
    world.execute("UPDATE mailbox SET verify_key = zeroblob(32)")
    casefiles.set_in_casefile(desk, source.keys.address, theme="bullying")
    deletion_upkeep.maintain_deletions(desk, TODAY)
    assert tallies_of(world, source) == ()
    world.execute("UPDATE mailbox SET verify_key = :key", key=source.keys.verify_key)

    deletion_upkeep.maintain_deletions(desk, TODAY)

    assert {each.id for each in opened_tallies(world, tallies_of(world, source))} == before


def test_a_planted_fault_is_found_new_ids_for_each_set_of_tallies(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_format, "_derive", lambda *_: secrets.token_bytes(ledger_format.ID_BYTES))
    with finds_the_fault():
        test_any_set_of_tallies_of_one_mailbox_counts_once(world)


def test_a_casefile_that_is_too_long_changes_no_tallies(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    before = tallies_of(world, source), casefiles.read_casefile(desk, source.keys.address)
    full = tuple(
        Evidence(kind=EvidenceKind.ANSWER, day=TODAY, entry=Digest(bytes([at]) * 32), body=bytes(350_000))
        for at in range(3)
    )

    with refuses(CasefileRefusal.FULL):
        casefiles.update_casefile(
            desk,
            source.keys.address,
            lambda now: msgspec.structs.replace(now, theme="bullying", evidence=full),
        )

    assert before == (tallies_of(world, source), casefiles.read_casefile(desk, source.keys.address))


@pytest.mark.parametrize("step", [None, StepForm("in_conversation")])
def test_an_answer_or_step_opens_a_closed_mailbox_again(world: World, step: StepForm | None) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)

    answered(desk, source, "Wij gaan verder.", step)

    assert due_of(source) is None
    background_check.check_store(desk, TODAY)
    assert casefiles.read_casefile(desk, source.keys.address).keep_until is None


# ---- what keeps the promise


@pytest.mark.parametrize("how", ["lost", "of an earlier casefile", "damaged"])
def test_tallies_that_were_tampered_with_are_put_again_at_the_next_check(world: World, how: str) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    early = tallies_of(world, source)
    casefiles.update_casefile(
        desk, source.keys.address, lambda now: msgspec.structs.replace(now, theme="bullying")
    )
    there = {"lost": (), "of an earlier casefile": early, "damaged": (b"rubbish",) * 8}[how]
    with world.store.writing() as session:
        mailbox_tallies.put(session, source.keys.address, there)

    background_check.check_store(unlocked(world), TODAY)

    assert counted(world, tallies_of(world, source))["theme"] == "bullying"


def test_right_tallies_are_not_put_again(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    close(unlocked(world), source)
    before = tallies_of(world, source)

    background_check.check_store(unlocked(world), TODAY)

    assert tallies_of(world, source) == before


def test_a_closing_whose_casefile_had_not_come_is_counted_at_the_next_check(world: World) -> None:
    """Another workstation closed the mailbox, and its casefile had not arrived yet."""
    source = a_source(world)
    source.writes("vraag")
    source.is_closed(due=TODAY + timedelta(days=90))
    desk = unlocked(world)

    background_check.check_store(desk, TODAY)

    assert casefiles.read_casefile(desk, source.keys.address).keep_until == TODAY + timedelta(days=90)
    assert counted(world, tallies_of(world, source))["mailbox"] == "read"


def test_a_message_that_comes_while_closing_leaves_the_casefile_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = a_source(world)
    source.writes("tassen")
    desk = unlocked(world)
    form_context = context_for(desk, source)
    real = casefiles.set_in_casefile

    def change_after_a_message(*asked: object, **fields: object) -> None:
        monkeypatch.undo()
        source.writes("Nee, echt: ik heb hulp nodig.")
        real(*asked, **fields)  # type: ignore[arg-type]

    monkeypatch.setattr(casefiles, "set_in_casefile", change_after_a_message)
    with refuses(SendRefusal.SOURCE_WROTE):
        close_mailbox.close_as_spam(desk, form_context, today=TODAY)

    casefile = casefiles.read_casefile(desk, source.keys.address)
    assert (casefile.is_spam, casefile.keep_until) == (False, None)


def test_a_desk_that_is_locked_puts_no_more_tallies(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_closed(due=TODAY + timedelta(days=90))
    desk = unlocked(world)
    conversation_of(desk, source.keys.address)
    desk.stopping.set()

    deletion_upkeep.maintain_deletions(desk, TODAY)

    assert tallies_of(world, source) == ()


def test_the_casefile_of_a_mailbox_that_fails_verification_is_left_alone(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    casefiles.set_in_casefile(desk, source.keys.address, keep_until=TODAY)
    world.execute("UPDATE entry SET signature = zeroblob(64)")

    deletion_upkeep.maintain_deletions(desk, TODAY)

    assert casefiles.read_casefile(desk, source.keys.address).keep_until == TODAY


# ---- abandoned


def abandoned(world: World) -> ASource:
    source = a_source(world, day=TODAY - timedelta(days=500))
    source.writes("vraag", day=TODAY - timedelta(days=400))
    source.is_answered("antwoord", day=TODAY - timedelta(days=390))
    return source


def test_an_abandoned_mailbox_is_closed_when_the_desk_is_unlocked(world: World) -> None:
    source = abandoned(world)
    desk = unlocked(world)

    background_check.check_store(desk, TODAY)

    assert TODAY < day_of(source) <= TODAY + timedelta(days=8)
    assert counted(world, tallies_of(world, source))["mailbox"] == "read"
    closing = last_words(source.reads().transcript)[0]
    content = open_entry(closing, world.keyring.identities)
    assert (content.kind, content.closing) == (Kind.CLOSING, ClosingNote(automatic=True))


def test_an_automatic_closing_answers_nothing(world: World) -> None:
    source = a_source(world, day=TODAY - timedelta(days=500))
    source.writes("vraag", day=TODAY - timedelta(days=400))
    source.is_looked_at(day=TODAY - timedelta(days=399))
    desk = unlocked(world)

    background_check.check_store(desk, TODAY)

    assert due_of(source) is not None
    (row,) = inbox_lists.read_inbox(desk, InboxFilter("answered"), TODAY).rows
    assert row.is_waiting
    assert casefiles.read_casefile(desk, source.keys.address).first_answer is None


@pytest.mark.parametrize("what", ["words", "a removal"])
def test_an_abandoned_mailbox_with_something_unread_stays_before_the_adviser(world: World, what: str) -> None:
    source = abandoned(world)
    unread = source.writes("nog iets", day=TODAY - timedelta(days=380))
    if what == "a removal":
        source.removes(unread, day=TODAY - timedelta(days=379))

    background_check.check_store(unlocked(world), TODAY)

    assert due_of(source) is None


def test_an_abandoned_mailbox_that_was_closed_keeps_its_day(world: World) -> None:
    source = abandoned(world)
    desk = unlocked(world)
    background_check.check_store(desk, TODAY)
    before = day_of(source)

    background_check.check_store(desk, TODAY + timedelta(days=1))

    assert day_of(source) == before


def test_a_read_receipt_does_not_keep_an_abandoned_mailbox(world: World) -> None:
    source = abandoned(world)
    source.looks(day=TODAY)

    background_check.check_store(unlocked(world), TODAY)

    assert due_of(source) is not None


@pytest.mark.parametrize("day", ["9999-12-31", "2026-11-20"])
def test_a_false_day_of_opening_keeps_no_abandoned_mailbox_open(world: World, day: str) -> None:
    """Attack: the day of opening is not signed, and the server sends any day with a mailbox."""
    source = abandoned(world)
    world.execute("UPDATE mailbox SET opened_day = :day", day=day)

    background_check.check_store(unlocked(world), TODAY)

    assert due_of(source) is not None


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

    assert [due_of(each) for each in (talking, empty, unsound)] == [None, None, None]


def test_the_letterhead_says_after_how_many_months_a_mailbox_is_abandoned(world: World) -> None:
    source = abandoned(world)
    letterhead = msgspec.structs.replace(a_letterhead(world.keyring, serial=2), abandoned_months=24)
    publish(world.store, world.keyring, letterhead)

    background_check.check_store(unlocked(world), TODAY)

    assert due_of(source) is None


# ---- gone


def test_a_mailbox_that_our_closing_deleted_is_known_to_be_so(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    due = day_of(source)
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
        assert len(ledger.tally_ids(session)) == ledger_format.ROWS
    again = unlocked(world)
    background_check.check_store(again, due)
    assert again.unsound == {}


@pytest.mark.parametrize("how", ["before its day", "another mailbox's closing", "by a stranger", "rubbish"])
def test_a_mailbox_deleted_without_a_right_closing_is_told(world: World, how: str) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("vraag")
    other.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    close_mailbox.close_mailbox(desk, context_for(desk, other), "dag", today=TODAY)
    stranger = DeskWriter(world.keyring.strand.id, b"x" * 32)
    forged = sign_entry(last_words(source.reads().transcript)[0].envelope, by=stranger)
    proof, day = {
        "before its day": (proof_to_bytes(last_words(source.reads().transcript)), TODAY),
        "another mailbox's closing": (proof_to_bytes(last_words(other.reads().transcript)), day_of(other)),
        "by a stranger": (proof_to_bytes([forged]), day_of(source)),
        "rubbish": (b"rubbish", day_of(source)),
    }[how]
    purge(world, source, day, proof)

    background_check.check_store(desk, day)

    faults = [row.faults for row in inbox_lists.read_inbox(desk, InboxFilter("closed", 1), day).unsound]
    assert ("false_ending",) in faults


@pytest.mark.parametrize("how", ["the source wrote", "closed again for a later day"])
def test_an_earlier_closing_that_was_replaced_deletes_nothing_unnoticed(world: World, how: str) -> None:
    """Attack: the operator drops the newer entries of both sides, and deletes by the older closing."""
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    early, proof = day_of(source), proof_to_bytes(last_words(source.reads().transcript))
    source.writes("toch nog iets")
    if how == "closed again for a later day":
        source.is_closed(due=early + timedelta(days=30))
    background_check.check_store(desk, TODAY)
    purge(world, source, early, proof)

    background_check.check_store(desk, early)

    faults = [row.faults for row in inbox_lists.read_inbox(desk, InboxFilter("closed", 1), early).unsound]
    assert ("false_ending",) in faults


def test_a_mailbox_that_another_workstation_closed_is_known_to_be_deleted(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    opens(desk, source.keys.address, today=TODAY)
    source.is_closed(due=TODAY + timedelta(days=90))
    purge(world, source, TODAY + timedelta(days=90))

    background_check.check_store(desk, TODAY + timedelta(days=90))

    closed = InboxFilter("closed", 1)
    assert inbox_lists.read_inbox(desk, closed, TODAY + timedelta(days=90)).unsound == ()
    assert source.keys.address in desk.trusted_state.ended


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
    """End a mailbox as its source, acknowledge this as the adviser, and return the counted facts and their
    year.
    """
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
    """No check ran between the reading and the end, so this workstation has not noticed the read receipt."""
    source, desk = answered_at_the_turn_of_the_year(world)
    source.looks(day=NEW_YEAR)

    assert_counted(seen_to_have_ended(world, desk, source), came_back="yes")


def test_who_ends_the_mailbox_without_a_look_at_the_answer_did_not_come_back(world: World) -> None:
    source, desk = answered_at_the_turn_of_the_year(world)

    assert_counted(seen_to_have_ended(world, desk, source), came_back="no")


def test_an_answer_that_had_not_come_when_the_mailbox_ended_was_not_read(world: World) -> None:
    source, desk = answered_at_the_turn_of_the_year(world)
    source.looks(day=NEW_YEAR)
    known = desk.trusted_state.seen(source.keys.address).heads
    (own,) = [head for head in known if head.strand == world.keyring.strand.id]
    later = own._replace(number=own.number + 1, digest=Digest(b"l" * 32))
    desk.remember(source.keys.address, SeenMailbox(tuple(sorted({*known, later} - {own}))))

    assert_counted(seen_to_have_ended(world, desk, source), came_back="no")


def test_a_workstation_that_remembers_nothing_makes_up_no_reading(world: World) -> None:
    source, desk = answered_at_the_turn_of_the_year(world)
    source.looks(day=NEW_YEAR)
    desk.trusted_state = TrustedState(records=desk.trusted_state.records)

    assert_counted(seen_to_have_ended(world, desk, source), came_back="no")


def test_a_mailbox_that_was_counted_is_shown_and_counted_no_more_while_a_workstation_waits_for_the_proof(
    world: World,
) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    second = Strand(id=b"strand-2", name="2", verify_key=bytes(32), since=TODAY)
    desk = unlocked(world)
    desk.letterhead = desk.letterhead.successor(strands=(*desk.letterhead.strands, second))
    source.ends()
    year = TODAY.year
    assert (1, 1) == (
        len(inbox_lists.read_inbox(desk, InboxFilter("closed", 1), TODAY).ended),
        yearly_report.read_report_year(desk, year, TODAY).ended,
    )

    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    with world.store.reading() as session:
        (line,) = mailboxes.ended_mailboxes(session)
        assert ledger_format.ROWS == len(ledger.tally_ids(session))
    assert line.address == source.keys.address
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
        assert len(ledger.tally_ids(session)) == 0


def test_evidence_outlives_a_mailbox_that_its_source_ended_until_its_day(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    casefiles.update_casefile(
        desk, source.keys.address, lambda _: Casefile(theme="intimidation", evidence=(EVIDENCE,))
    )
    opens(desk, source.keys.address, today=TODAY)
    background_check.check_store(desk, TODAY)
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


@pytest.mark.parametrize("evidence", [(), (EVIDENCE,)])
def test_what_an_adviser_typed_and_did_not_send_goes_with_a_mailbox_that_its_source_ended(
    world: World, evidence: tuple[Evidence, ...]
) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("vraag")
    desk, address = unlocked(world), source.keys.address
    casefiles.set_in_casefile(desk, address, evidence=evidence)
    drafts.keep_draft(desk, address, "wat de melder schreef")
    for each in (source, other):
        typed = [("text", "wat de melder schreef")]
        unsent_forms.keep_unsent(world.store, desk.config, f"/mailbox/{each.address}/answer", typed, TODAY)
    source.ends()

    ended_mailboxes.acknowledge_ended(desk, address, TODAY)

    with world.store.reading() as session:
        assert records.find(session, RecordKind.DRAFT, address) is None
    assert [each.address for each in unsent_forms.list_unsent(desk)] == [other.keys.address]
    background_check.check_store(desk, TODAY)
    assert unlocked(world).unsound == {}


def test_the_evidence_that_another_workstation_left_when_it_counted_is_not_counted_again(
    world: World,
) -> None:
    """Attack on the ledger: tallies of a casefile without facts, with a higher revision, would count."""
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    left = Casefile(evidence=(EVIDENCE,), keep_until=TODAY + timedelta(days=90))
    casefiles.update_casefile(desk, source.keys.address, lambda _: left)
    source.ends()

    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    with world.store.reading() as session:
        assert ledger.tally_ids(session) == []
    assert casefiles.read_casefile(desk, source.keys.address) == left
    assert source.keys.address in desk.trusted_state.ended


def test_a_power_cut_after_the_ending_was_seen_counts_the_mailbox_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    source.ends()
    monkeypatch.setattr(mailboxes, "drop_ended", _power_cut)
    with pytest.raises(StoreError):
        ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)
    assert source.keys.address in desk.trusted_state.ended
    monkeypatch.undo()

    background_check.check_store(desk, TODAY)

    with world.store.reading() as session:
        assert counted(world, tuple(all_tallies(session))) == {"mailbox": "ended_unread"}
        assert mailboxes.ended_mailboxes(session) == []


def _power_cut(*_: object) -> None:
    raise StoreError


def test_a_casefile_that_comes_after_its_mailbox_is_gone_keeps_its_evidence_alone(world: World) -> None:
    """Another workstation wrote the casefile, and did not know yet that the mailbox was gone."""
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


def test_a_desk_that_is_being_locked_closes_nothing(world: World) -> None:
    source = abandoned(world)
    desk = unlocked(world)
    desk.stopping.set()

    deletion_upkeep.maintain_deletions(desk, TODAY)

    assert due_of(source) is None


def test_a_source_who_writes_at_the_moment_of_closing_is_heard(world: World) -> None:
    """In either order of the two writes, the mailbox is never both waiting and closed."""
    source = a_source(world)
    source.writes("vraag")
    crossing = source.writes("wacht", store_it=False)
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
    append(world.store, crossing)
    thread.join()

    assert refused in ([], [SendRefusal.SOURCE_WROTE])
    assert due_of(source) is None
