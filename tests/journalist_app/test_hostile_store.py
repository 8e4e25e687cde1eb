"""Attacks by someone who can write to the store: nothing is passed on or deleted, and every page works."""

import os
from datetime import date

import pytest

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import AdviserError
from journalist_app.services import inbox_lists
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.records import casefiles, unsent_forms
from journalist_app.services.whole_desk import background_check
from protocol.content import ClosingNote, Content, Kind, StepName, StepNote, Verdict
from protocol.entry import SignedEntry
from protocol.envelope import EntryClass
from protocol.identifiers import Digest
from protocol.sealed_record import RecordKind
from protocol.strand import SourceWriter
from store import records
from tests.journalist_app.desk_factories import TODAY, ASource, World, a_source
from tests.journalist_app.opening import opens
from tests.journalist_app.services.closing.test_closing import answered, close, day_of, purge, unlocked
from tests.journalist_app.services.passing_on.test_passing_on import answers, begin, propose
from tests.sync.test_hidden_rows import hidden


def make_unreadable(world: World, signed: SignedEntry) -> None:
    """Damage the age header of an entry. No signature covers the header."""
    world.execute(
        "UPDATE sealed SET header = zeroblob(length(header))"
        " WHERE id = (SELECT id FROM entry WHERE entry_id = :entry_id)",
        entry_id=signed.envelope.entry_id,
    )


# ---- consent


def test_an_agreement_does_not_count_beside_an_unreadable_entry(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    make_unreadable(world, answers(source, Verdict.TAKEN_BACK, proposed.digest))

    with pytest.raises(AdviserError):
        begin(desk, source, proposed)


@pytest.mark.parametrize("how", ["deleted by the source", "spoiled in the store"])
def test_an_agreement_does_not_revive_when_the_newer_proposal_is_deleted(
    world: World, desk: OpenDesk, source: ASource, how: str
) -> None:
    first = propose(desk, source)
    answers(source, Verdict.AGREED, first.digest)
    second = propose(desk, source, "Een andere tekst.")
    if how == "deleted by the source":
        source.removes(second.signed)
    else:
        make_unreadable(world, second.signed)

    with pytest.raises(AdviserError):
        begin(desk, source, first)


# ---- removal


def test_removals_of_entries_that_never_existed_do_not_fill_the_trusted_state(world: World) -> None:
    """Attack: the owner of a mailbox signs removals of invented entries, without end."""
    source = a_source(world)
    words = source.writes("vraag")
    invented = (Digest(os.urandom(32)) for _ in range(31))
    source.signs(
        SourceWriter(source.keys), EntryClass.REMOVAL, removes=tuple(sorted([words.digest, *invented]))
    )
    desk = unlocked(world)

    background_check.check_store(desk, TODAY)

    assert desk.trusted_state.seen(source.keys.address).removed == {words.digest}


def test_a_removal_whose_entry_arrives_later_is_remembered(world: World) -> None:
    source = a_source(world)
    words = source.writes("vraag")
    source.removes(words)
    desk = unlocked(world)
    with hidden(world.store, "entry", f"digest = x'{words.digest.hex()}'"):
        background_check.check_store(desk, TODAY)
        assert desk.trusted_state.seen(source.keys.address).removed == frozenset()
    background_check.check_store(desk, TODAY)
    assert desk.trusted_state.seen(source.keys.address).removed == {words.digest}


# ---- closing


def test_the_day_of_deletion_is_the_signed_day(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    due = day_of(source)
    world.execute("UPDATE mailbox SET due = :due", due=TODAY.isoformat())

    background_check.check_store(desk, TODAY)

    assert desk.trusted_state.seen(source.keys.address).closed == due
    shown = opens(desk, source.keys.address, today=TODAY)
    assert shown.thread_state.closing is not None
    assert shown.thread_state.closing.by == due


def test_a_mailbox_that_was_deleted_before_its_day_is_reported(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    purge(world, source, day_of(source))  # a future day: the day in the row is not signed

    background_check.check_store(desk, TODAY)

    faults = [row.faults for row in inbox_lists.read_inbox(desk, InboxFilter("closed", 1), TODAY).unsound]
    assert ("false_ending",) in faults


def test_an_abandoned_mailbox_that_was_opened_again_is_deleted_on_its_day(world: World) -> None:
    source = a_source(world, day=date(2025, 1, 6))
    source.writes("vraag", day=date(2025, 1, 6))
    source.is_answered("antwoord", day=date(2025, 1, 7))
    desk = unlocked(world)
    background_check.check_store(desk, TODAY)
    due = day_of(source)
    opens(desk, source.keys.address, today=TODAY)
    source.looks()
    background_check.check_store(desk, TODAY)
    assert day_of(source) == due
    purge(world, source, due)

    background_check.check_store(desk, due)

    assert inbox_lists.read_inbox(desk, InboxFilter("closed", 1), due).unsound == ()


def test_a_damaged_casefile_does_not_block_other_mailboxes(world: World) -> None:
    bad, good = a_source(world), a_source(world)
    for each in (bad, good):
        each.writes("vraag")
    desk = unlocked(world)
    close(desk, bad)
    good.is_answered("een jaar geleden", day=date(2025, 1, 6))
    bad.looks()  # so that its counts must be renewed
    world.execute("UPDATE sealed SET header = zeroblob(length(header)) WHERE id IN (SELECT id FROM record)")

    background_check.check_store(desk, TODAY)

    assert not desk.progress.is_broken
    assert not desk.progress.is_running
    assert bad.keys.address in desk.unsound_casefiles


# ---- days


@pytest.mark.parametrize("day", [date.min, date(9999, 12, 31), date(9999, 9, 30)])
def test_a_day_at_the_end_of_the_calendar_breaks_no_page(world: World, day: date) -> None:
    source = a_source(world)
    source.writes("vraag", day=day)
    source.looks(day=day)
    desk = unlocked(world)

    background_check.check_store(desk, TODAY)
    inbox = inbox_lists.read_inbox(desk, InboxFilter("waiting", 1), TODAY)
    shown = opens(desk, source.keys.address, today=TODAY)
    answered(desk, source, "antwoord")
    close(desk, source)
    background_check.check_store(desk, TODAY)

    assert [row.address for row in inbox.rows] == [source.address]
    assert len(shown.entries) == 1
    assert day_of(source) > TODAY


def test_a_casefile_with_a_malformed_name_is_missing_in_its_own_mailbox_alone(world: World) -> None:
    desk, source = unlocked(world), a_source(world)
    casefiles.update_casefile(desk, source.keys.address, lambda now: now)
    world.execute("UPDATE record SET name = x'00'")

    background_check.check_store(desk, TODAY)

    assert not desk.progress.is_broken
    inbox = inbox_lists.read_inbox(desk, InboxFilter("waiting", 1), TODAY)
    assert inbox.rows == ()
    assert [(row.address, row.faults) for row in inbox.unsound] == [(source.address, ("bad_casefile",))]


# ---- authors


@pytest.mark.parametrize(
    "content",
    [
        Content(kind=Kind.STEP, text="Afgesloten.", step=StepNote(step=StepName.ADVICE_GIVEN)),
        Content(kind=Kind.CLOSING, text="Weg ermee.", closing=ClosingNote()),
    ],
)
def test_a_step_or_closing_that_a_source_signs_is_not_shown(world: World, content: Content) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.says(content)
    desk = unlocked(world)

    shown = opens(desk, source.keys.address, today=TODAY)

    assert [(entry.text, entry.fault) for entry in shown.entries] == [("vraag", ""), ("", "unreadable")]
    assert shown.thread_state.closing is None


# ---- remains of a deleted mailbox


def test_an_unsent_form_about_a_mailbox_is_deleted_with_it(world: World) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    close(desk, source)
    for about in (source, other):
        unsent_forms.keep_unsent(
            world.store, world.config, f"/mailbox/{about.address}/answer", [("text", "getypt")], TODAY
        )
    due = day_of(source)
    purge(world, source, due)
    names = {each.address: each.name for each in unsent_forms.list_unsent(desk)}

    assert unsent_forms.make_draft(desk, names[source.keys.address]) is None
    background_check.check_store(desk, due)

    assert [each.address for each in unsent_forms.list_unsent(desk)] == [other.keys.address]
    with world.store.reading() as session:
        assert records.revisions(session, RecordKind.DRAFT) == []
