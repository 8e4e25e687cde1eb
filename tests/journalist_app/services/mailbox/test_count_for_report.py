"""The casefile has the facts that a report counts before the source can end the mailbox."""

from datetime import timedelta

import msgspec
import pytest

from journalist_app.desk.casefile import Casefile, Note
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of
from journalist_app.services.mailbox import count_for_report
from journalist_app.services.mailbox.answering import AnswerSender, ReplyForm
from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk import background_check, unlocking
from protocol.content import Content, Kind, StepName, StepNote
from protocol.identifiers import EntryId
from protocol.sealed_record import BODY_BYTES, RecordKind
from store import records
from store.errors import StoreFullError
from stored_mailbox.entry_form import FormContext
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source
from tests.journalist_app.opening import heads_on_page, opens

WEEK = timedelta(days=7)
NOTHING = (None, None, False)
READ = (TODAY - WEEK, None, False)
ANSWERED = (TODAY - WEEK, TODAY, False)
CAME_BACK = (TODAY - WEEK, TODAY, True)
STEP = StepNote(step=StepName.RECEIVED)


@pytest.fixture
def source(world: World) -> ASource:
    made = a_source(world, day=TODAY - WEEK)
    made.writes("vraag", day=TODAY - WEEK)
    return made


@pytest.fixture
def desk(world: World, source: ASource) -> OpenDesk:
    """Unlock the desk after the source has written."""
    assert source.world is world
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def kept(desk: OpenDesk, source: ASource) -> tuple[object, object, bool]:
    casefile = casefiles.read_casefile(desk, source.keys.address)
    return casefile.first_message, casefile.first_answer, casefile.came_back


def revisions(world: World) -> list[int]:
    with world.store.reading() as session:
        return [revision for _, revision in records.revisions(session, RecordKind.CASEFILE)]


def answer(desk: OpenDesk, source: ASource) -> None:
    heads, unseen = heads_on_page(desk, source.keys.address, today=TODAY)
    form = ReplyForm(
        FormContext(source.keys.address, EntryId(b"a" * 16), heads, unseen),
        "antwoord",
        None,
        EntryId(b"s" * 16),
    )
    with AnswerSender(desk, form, today=TODAY, half_hour=1) as under_way:
        under_way.send()


def tamper(world: World, desk: OpenDesk, source: ASource) -> None:
    casefiles.add_casefile_note(desk, source.keys.address, "notitie", TODAY)
    world.execute("DELETE FROM record")


# ---- kept where the desk reads and answers


def test_what_is_read_is_kept_once(world: World, desk: OpenDesk, source: ASource) -> None:
    for _ in range(3):
        opens(desk, source.keys.address, today=TODAY)
        background_check.check_store(desk, TODAY)

    assert kept(desk, source) == READ
    assert revisions(world) == [1]


def test_what_is_answered_is_kept(desk: OpenDesk, source: ASource) -> None:
    answer(desk, source)

    assert kept(desk, source) == ANSWERED


def test_a_mailbox_that_fails_is_not_built_upon(world: World, desk: OpenDesk, source: ASource) -> None:
    opens(desk, source.keys.address, today=TODAY)
    background_check.check_store(desk, TODAY)
    source.is_answered("antwoord")
    world.execute("UPDATE entry SET signature = zeroblob(64) WHERE number = 2")

    assert opens(desk, source.keys.address, today=TODAY).faults
    background_check.check_store(desk, TODAY)

    assert kept(desk, source) == READ


# ---- kept in the background


def test_a_source_who_came_back_is_found_without_opening_the_mailbox_again(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    answer(desk, source)
    source.looks()

    background_check.check_store(desk, TODAY)

    assert kept(desk, source) == CAME_BACK
    before = revisions(world)
    source.writes("dank")
    background_check.check_store(desk, TODAY)
    assert revisions(world) == before


def test_a_mailbox_that_nobody_opened_gets_no_casefile(world: World, desk: OpenDesk, source: ASource) -> None:
    background_check.check_store(desk, TODAY)

    assert source.keys.address in desk.trusted_state.mailboxes
    assert revisions(world) == []


def test_a_first_check_of_a_full_store_writes_no_casefile(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    source.is_answered("antwoord")

    background_check.check_store(desk, TODAY)

    assert revisions(world) == []


def test_a_step_that_only_confirms_is_no_answer_in_the_background_either(
    desk: OpenDesk, source: ASource
) -> None:
    opens(desk, source.keys.address, today=TODAY)
    source.is_told(Content(kind=Kind.STEP, text="", step=STEP))
    source.looks()

    background_check.check_store(desk, TODAY)

    assert kept(desk, source) == READ


def test_a_check_writes_nothing_where_nothing_came_to_the_facts(
    world: World, desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [a_source(world, day=TODAY - WEEK) for _ in range(3)]
    for each in (source, *others):
        each.writes("vraag", day=TODAY - WEEK)
        each.is_answered("antwoord")
        opens(desk, each.keys.address, today=TODAY)
    background_check.check_store(desk, TODAY)
    assert [kept(desk, each) for each in others] == [ANSWERED] * 3
    source.writes("nog iets")
    background_check.check_store(desk, TODAY)
    before = revisions(world)
    assert sorted(before) == [1, 1, 1, 2]
    source.writes("en nog iets")
    monkeypatch.setattr(casefiles, "update_casefile", None)  # a call fails

    background_check.check_store(desk, TODAY)

    assert kept(desk, source) == CAME_BACK
    assert revisions(world) == before


# ---- and it stops nothing


def test_a_casefile_that_was_tampered_with_stops_no_reading_answering_or_checking(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    tamper(world, desk, source)

    assert not opens(desk, source.keys.address, today=TODAY).faults
    answer(desk, source)
    source.looks()
    background_check.check_store(desk, TODAY)

    assert not desk.progress.is_broken
    assert desk.unsound_casefiles == {source.keys.address}
    assert revisions(world) == []


def test_a_full_casefile_stops_nothing(desk: OpenDesk, source: ASource) -> None:
    note = Note(day=TODAY, strand="w", text="x" * 20_000)
    notes = (*(note,) * 34, msgspec.structs.replace(note, text=""))
    room = BODY_BYTES - len(Casefile(notes=notes).to_bytes())
    full = Casefile(notes=(*notes[:-1], msgspec.structs.replace(note, text="x" * room)))
    casefiles.update_casefile(desk, source.keys.address, lambda _: full)

    answer(desk, source)

    assert casefiles.read_casefile(desk, source.keys.address) == full


def test_a_full_disk_stops_no_reading(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(*_: object, **_hook: object) -> None:
        raise StoreFullError

    with monkeypatch.context() as disk:
        disk.setattr(casefiles.desk_records, "put_record", is_full)
        assert not opens(desk, source.keys.address, today=TODAY).faults
        background_check.check_store(desk, TODAY)
        assert kept(desk, source) == NOTHING

    opens(desk, source.keys.address, today=TODAY)
    background_check.check_store(desk, TODAY)
    assert kept(desk, source) == READ


def test_a_form_about_a_mailbox_is_not_refused_for_what_the_desk_noted_to_count(
    desk: OpenDesk, source: ASource
) -> None:
    panel = casefiles.read_casefile_panel(desk, source.keys.address, TODAY)
    answer(desk, source)

    casefiles.save_casefile(desk, source.keys.address, panel.shown, {**panel.fields, "theme": "bullying"})

    assert casefiles.read_casefile(desk, source.keys.address).theme == "bullying"
    assert kept(desk, source) == ANSWERED


# ---- facts


def facts_of(world: World, source: ASource) -> tuple[object, object, bool]:
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    found = count_for_report.add_facts(desk, Casefile(), conversation_of(desk, source.keys.address))
    return found.first_message, found.first_answer, found.came_back


def test_an_empty_mailbox_has_no_facts(world: World) -> None:
    assert (None, None, False) == facts_of(world, a_source(world))


def test_a_source_without_an_answer_has_nothing_to_come_back_for(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")

    assert (TODAY, None, False) == facts_of(world, source)


def test_the_first_answer_has_its_own_day(world: World) -> None:
    source = a_source(world)
    source.writes("vraag", day=TODAY)
    source.is_answered("antwoord", day=TODAY + timedelta(days=3))

    assert (TODAY, TODAY + timedelta(days=3), False) == facts_of(world, source)


def test_a_step_that_only_confirms_is_not_the_first_answer(world: World) -> None:
    source = a_source(world)
    source.writes("vraag", day=TODAY)
    confirmed = StepNote(step=StepName.BEING_READ, next="Wij antwoorden.")
    source.is_told(Content(kind=Kind.STEP, text="Wij lezen je bericht.", step=confirmed))
    source.looks()
    assert (TODAY, None, False) == facts_of(world, source)

    advice = StepNote(step=StepName.ADVICE_GIVEN)
    source.is_told(
        Content(kind=Kind.STEP, text="Dit kun je doen.", step=advice), day=TODAY + timedelta(days=3)
    )
    assert (TODAY, TODAY + timedelta(days=3), False) == facts_of(world, source)


def test_a_source_who_writes_after_an_answer_came_back(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    source.writes("dank")

    assert facts_of(world, source)[2]
