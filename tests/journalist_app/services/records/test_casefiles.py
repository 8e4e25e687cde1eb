"""The desk's own records: casefiles, drafts and reply templates."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import msgspec
import pytest

from crypto.passphrase import LANGUAGES
from journalist_app.desk.casefile import Casefile
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import CasefileRefusal, RecordUnsoundError, ReplyTemplateError, SendRefusal
from journalist_app.services import inbox_lists
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.records import casefiles, desk_records, drafts, reply_templates, unsent_forms
from journalist_app.services.records.casefiles import CasefilePanel
from journalist_app.services.records.reply_templates import ReplyTemplate
from journalist_app.services.whole_desk import background_check, unlocking
from protocol.identifiers import Address
from protocol.sealed_record import OpenedRecord, RecordKind, seal_record
from store import outbox, peers, records
from store.errors import RecordMovedError
from store.outbox import OutboxKind
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_source
from tests.journalist_app.refusals import refuses

ADDRESS = Address(b"a" * 20)
EMPTY = Casefile()


def unlocked(world: World) -> OpenDesk:
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def details(shown: Casefile = EMPTY, **changes: str) -> tuple[str, dict[str, str]]:
    """Return the digest of the form that was shown, and the fields of the submitted form."""
    return casefiles.form_digest(shown), {**casefiles.form_values(EMPTY), **changes}


def put_raw(world: World, kind: RecordKind, name: bytes, revision: int, body: bytes) -> None:
    """Write a record that this workstation signs, without reading the revision before it."""
    before = OpenedRecord(revision - 1, b"", world.keyring.strand.id)
    sealed = seal_record(kind, name, body, (b"x", before), keyring=world.keyring, letterhead=world.letterhead)
    with world.store.writing() as session:
        records.drop(session, kind, name)
        for each in range(1, revision):
            records.put(session, kind, name, each, b"x", goes_to_peers=True)
        records.put(session, kind, name, revision, sealed, goes_to_peers=True)


def stored(world: World, kind: RecordKind, name: bytes) -> bytes:
    with world.store.reading() as session:
        record = records.find(session, kind, name)
    assert record is not None
    return record.sealed


# ---- casefiles


def test_a_casefile_is_kept_sealed_and_read_back(world: World) -> None:
    desk = unlocked(world)
    reminder = TODAY + timedelta(days=3)

    casefiles.add_casefile_note(desk, ADDRESS, " canary-notitie\r\nregel twee ", TODAY)
    casefiles.save_casefile(
        desk,
        ADDRESS,
        *details(
            labels="b,  a ,b,",
            theme="bullying",
            region="europe",
            reminder=reminder.isoformat(),
            handover=" let op ",
        ),
    )
    kept = casefiles.read_casefile(unlocked(world), ADDRESS)

    assert ["canary-notitie\nregel twee"] == [note.text for note in kept.notes]
    assert (TODAY, world.keyring.strand.name) == (kept.notes[0].day, kept.notes[0].strand)
    assert (("a", "b"), "bullying", "europe", reminder, "let op") == (
        kept.labels, kept.theme, kept.region, kept.reminder, kept.handover,
    )  # fmt: skip
    assert b"canary" not in stored(world, RecordKind.CASEFILE, ADDRESS)


def test_a_mailbox_without_a_casefile_has_an_empty_one(world: World) -> None:
    panel = casefiles.read_casefile_panel(unlocked(world), ADDRESS, TODAY)

    assert (casefiles.form_digest(EMPTY), False, False, ()) == (
        panel.shown,
        panel.is_unsound,
        panel.is_due,
        panel.casefile.notes,
    )


def test_a_reminder_of_today_is_due(world: World) -> None:
    desk = unlocked(world)
    casefiles.save_casefile(desk, ADDRESS, *details(reminder=TODAY.isoformat()))

    assert casefiles.read_casefile_panel(desk, ADDRESS, TODAY).is_due
    assert not casefiles.read_casefile_panel(desk, ADDRESS, TODAY - timedelta(days=1)).is_due


def test_of_two_workstations_the_second_is_told_and_changes_nothing(world: World) -> None:
    first, second = unlocked(world), unlocked(world)
    casefiles.save_casefile(first, ADDRESS, *details(handover="van de eerste"))

    with refuses(CasefileRefusal.MOVED):
        casefiles.save_casefile(second, ADDRESS, *details(handover="van de tweede"))

    assert "van de eerste" == casefiles.read_casefile(first, ADDRESS).handover


def test_notes_of_many_writers_at_once_are_all_kept(world: World) -> None:
    desks = [unlocked(world) for _ in range(4)]
    wanted = {f"note {number}" for number in range(24)}

    def write(number: int) -> None:
        casefiles.add_casefile_note(desks[number % 4], ADDRESS, f"note {number}", TODAY)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(24)))

    assert wanted == {note.text for note in casefiles.read_casefile(unlocked(world), ADDRESS).notes}


def test_a_choice_that_is_not_in_the_lists_is_refused_with_the_whole_form(world: World) -> None:
    desk = unlocked(world)

    with refuses(CasefileRefusal.MOVED):
        casefiles.save_casefile(desk, ADDRESS, *details(theme="invented", route="only_talk"))

    assert "" == casefiles.read_casefile(desk, ADDRESS).route


@pytest.mark.parametrize(
    "changes", [{"handover": "x" * 20_001}, {"labels": "x" * 41}, {"labels": ",".join(map(str, range(51)))}]
)
def test_a_form_that_is_too_long_is_refused_and_nothing_changes(
    world: World, changes: dict[str, object]
) -> None:
    desk = unlocked(world)

    with refuses(CasefileRefusal.FULL):
        casefiles.save_casefile(desk, ADDRESS, *details(**changes))

    assert casefiles.read_casefile(desk, ADDRESS) == EMPTY


def test_a_note_that_is_too_long_or_a_casefile_that_is_full_is_refused(world: World) -> None:
    desk = unlocked(world)

    with refuses(CasefileRefusal.FULL):
        casefiles.add_casefile_note(desk, ADDRESS, "x" * 20_001, TODAY)
    for _ in range(34):
        casefiles.add_casefile_note(desk, ADDRESS, "x" * 20_000, TODAY)
    with refuses(CasefileRefusal.FULL):
        casefiles.add_casefile_note(desk, ADDRESS, "x" * 20_000, TODAY)


def test_an_empty_note_is_none(world: World) -> None:
    desk = unlocked(world)

    for text in (" \n ", "\u200b\ufeff\u2800\u3164\u00ad\u200e"):
        casefiles.add_casefile_note(desk, ADDRESS, text, TODAY)

    assert () == casefiles.read_casefile(desk, ADDRESS).notes


def test_labels_that_look_the_same_are_one_label() -> None:
    typed = "spoed, Spo\u00aded, \u3164, \uff33poed\u200b, haast, ha\u0301ast"

    assert ("haast", "ha\u0301ast", "\uff33poed\u200b") == casefiles.parse_labels(typed)


@pytest.mark.parametrize(
    "how", ["rolled back", "gone", "another name", "damaged", "other revision", "no casefile"]
)
def test_a_casefile_that_the_store_tampered_with_is_told_and_not_shown(world: World, how: str) -> None:
    source = a_source(world)
    source.writes("vraag")
    address = source.keys.address
    desk = unlocked(world)
    casefiles.add_casefile_note(desk, address, "oud", TODAY)
    old = stored(world, RecordKind.CASEFILE, address)
    casefiles.add_casefile_note(desk, address, "nieuw", TODAY)
    change = "UPDATE sealed SET header = :raw WHERE id = (SELECT id FROM record WHERE kind = 'casefile')"
    match how:
        case "rolled back":
            world.execute(change, raw=old)
            world.execute("UPDATE record SET revision = 1")
        case "gone":
            world.execute("DELETE FROM record")
        case "another name":
            put_raw(world, RecordKind.CASEFILE, ADDRESS, 2, b"{}")
            other = stored(world, RecordKind.CASEFILE, ADDRESS)
            world.execute("DELETE FROM record WHERE name = :name", name=ADDRESS)
            world.execute(change, raw=other)
        case "damaged":
            world.execute(change, raw=b"damaged")
        case "other revision":
            world.execute("UPDATE record SET revision = 9")
        case _:
            put_raw(world, RecordKind.CASEFILE, address, 3, b"not a casefile")

    again = unlocked(world)
    background_check.check_store(again, TODAY)

    with pytest.raises(RecordUnsoundError):
        casefiles.read_casefile(again, address)
    assert casefiles.read_casefile_panel(again, address, TODAY).is_unsound
    (row_shown,) = inbox_lists.read_inbox(again, InboxFilter(), TODAY).unsound
    assert (address.hex(), ("bad_casefile",)) == (row_shown.address, row_shown.faults)


def test_a_check_takes_in_what_another_workstation_noted(world: World) -> None:
    desk, other = unlocked(world), unlocked(world)
    casefiles.save_casefile(other, ADDRESS, *details(labels="spoed"))

    background_check.check_store(desk, TODAY)
    casefiles.save_casefile(
        other, ADDRESS, *details(casefiles.read_casefile(other, ADDRESS), labels="rustig")
    )
    background_check.check_store(desk, TODAY)

    assert ("rustig",) == desk.casefiles[ADDRESS][1].labels


def test_a_desk_that_is_being_locked_takes_in_nothing_more(world: World) -> None:
    casefiles.add_casefile_note(unlocked(world), ADDRESS, "notitie", TODAY)
    desk = unlocked(world)
    desk.stop()

    casefiles.load_casefiles(desk)

    assert {} == desk.casefiles


def test_a_casefile_that_was_dropped_is_no_alarm(world: World) -> None:
    desk = unlocked(world)
    casefiles.add_casefile_note(desk, ADDRESS, "notitie", TODAY)
    with desk.store.writing() as session:
        casefiles.drop_casefile(desk, session, ADDRESS)
    desk.save()

    assert () == casefiles.read_casefile(unlocked(world), ADDRESS).notes


@pytest.mark.parametrize("how", ["sound", "does not open", "of no kind"])
def test_a_note_that_the_store_calls_dropped_is_not_destroyed(world: World, how: str) -> None:
    """Attack: someone changes the unsigned column `is_dropped` for a moment, and this is the only copy."""
    desk = unlocked(world)
    casefiles.add_casefile_note(desk, ADDRESS, "the only copy", TODAY)
    sealed = stored(world, RecordKind.CASEFILE, ADDRESS)
    world.execute("UPDATE record SET is_dropped = 1")
    if how == "does not open":
        world.execute("UPDATE sealed SET header = x'00' WHERE id IN (SELECT id FROM record)")
    elif how == "of no kind":
        world.execute("UPDATE record SET kind = 'later'")

    background_check.check_store(desk, TODAY)

    world.execute("UPDATE record SET is_dropped = 0, kind = 'casefile'")
    world.execute("UPDATE sealed SET header = :sealed WHERE id IN (SELECT id FROM record)", sealed=sealed)
    assert ["the only copy"] == [each.text for each in casefiles.read_casefile(desk, ADDRESS).notes]


def test_a_note_that_the_store_calls_dropped_is_dropped_when_the_desk_drops_it(world: World) -> None:
    desk = unlocked(world)
    casefiles.add_casefile_note(desk, ADDRESS, "to be dropped", TODAY)
    world.execute("UPDATE record SET is_dropped = 1")

    with world.store.writing() as session:
        casefiles.drop_casefile(desk, session, ADDRESS)

    with world.store.reading() as session:
        assert [(ADDRESS, 2)] == records.revisions(session, RecordKind.CASEFILE)  # the second has no body


def test_drafts_and_what_met_a_locked_app_stay_where_they_were_typed(world: World) -> None:
    desk = unlocked(world)
    with world.store.writing() as session:
        peers.add(session, b"strand-2", b"card")
    for kind in set(RecordKind) - {RecordKind.UNSENT}:
        desk_records.write_record(desk, kind, b"name", 1, b"body")
    unsent_forms.keep_unsent(world.store, world.config, "/settings", [("text", "typed")], TODAY)
    with world.store.reading() as session:
        told = {row.name for row in outbox.of_kind(session, b"strand-2", OutboxKind.RECORD)}
    stay = {RecordKind.DRAFT, RecordKind.UNSENT}
    assert {outbox.record_name(kind, b"name") for kind in set(RecordKind) - stay} == told


def test_a_field_of_invisible_characters_is_not_kept_as_unsent(world: World) -> None:
    fields = [("text", "typed"), ("note", "\u200b\u00ad"), ("next", "")]

    unsent_forms.keep_unsent(world.store, world.config, "/settings", fields, TODAY)

    (form,) = unsent_forms.list_unsent(unlocked(world))
    assert form.texts == (("text", "typed"),)


# ---- drafts


def test_a_draft_is_kept_sealed_and_given_up(world: World) -> None:
    desk = unlocked(world)

    drafts.keep_draft(desk, ADDRESS, "canary\r\nregel")
    assert "canary\nregel" == drafts.read_writing_help(unlocked(world), ADDRESS).draft
    assert b"canary" not in stored(world, RecordKind.DRAFT, ADDRESS)
    drafts.keep_draft(desk, ADDRESS, "\u200b \u3164")

    assert "" == drafts.read_draft(unlocked(world), ADDRESS)


def test_a_draft_that_did_not_change_is_not_written_again(world: World) -> None:
    desk = unlocked(world)
    drafts.keep_draft(desk, ADDRESS, "tekst")
    before = stored(world, RecordKind.DRAFT, ADDRESS)

    drafts.keep_draft(desk, ADDRESS, "tekst")

    assert before == stored(world, RecordKind.DRAFT, ADDRESS)


def test_a_draft_that_is_too_long_is_refused(world: World) -> None:
    desk = unlocked(world)

    with refuses(SendRefusal.TEXT_TOO_LONG):
        drafts.keep_draft(desk, ADDRESS, "x" * 100_001)


def test_drafts_of_two_writers_at_once_replace_each_other(world: World) -> None:
    desks = [unlocked(world) for _ in range(2)]

    def write(number: int) -> None:
        drafts.keep_draft(desks[number % 2], ADDRESS, f"draft {number}")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, range(12)))

    assert drafts.read_draft(unlocked(world), ADDRESS).startswith("draft ")
    with world.store.reading() as session:
        assert [12] == [revision for _, revision in records.revisions(session, RecordKind.DRAFT)]


def test_a_draft_that_the_store_tampered_with_is_told_and_not_shown(world: World) -> None:
    put_raw(world, RecordKind.DRAFT, ADDRESS, 1, b"no draft")

    help_ = drafts.read_writing_help(unlocked(world), ADDRESS)

    assert ("", True) == (help_.draft, help_.is_unsound)


def test_what_was_typed_shows_in_no_printed_object() -> None:
    assert "geheim" not in repr(drafts._Draft("geheim"))
    assert "geheim" not in repr(unsent_forms._Form("/pad", TODAY, (("text", "geheim"),)))
    panel = CasefilePanel(EMPTY, {"handover": "geheim"}, "", is_unsound=False, is_due=False)
    assert "geheim" not in repr(panel)


# ---- reply templates


def test_good_templates_come_with_the_app_in_both_languages(world: World) -> None:
    shipped = reply_templates.read_templates(unlocked(world))

    assert 0 == shipped.revision
    assert {"nl": 4, "en": 4} == {
        language: sum(each.language == language for each in shipped.templates) for language in LANGUAGES
    }


def test_a_template_is_added_changed_and_given_up(world: World) -> None:
    desk = unlocked(world)
    count = len(reply_templates.read_templates(desk).templates)

    reply_templates.put_template(desk, 0, None, ReplyTemplate("nl", "Kort", "Dank je."))
    place = [each.name for each in reply_templates.read_templates(desk).templates].index("Kort")
    reply_templates.put_template(desk, 1, place, ReplyTemplate("nl", "Korter", "Dank."))
    assert "Korter" == reply_templates.read_templates(desk).templates[place].name
    reply_templates.drop_template(desk, 2, place)

    assert count == len(reply_templates.read_templates(unlocked(world)).templates)


def test_templates_that_were_changed_meanwhile_are_not_overwritten(world: World) -> None:
    desk = unlocked(world)
    reply_templates.drop_template(desk, 0, 0)

    with pytest.raises(RecordMovedError):
        reply_templates.drop_template(desk, 0, 0)


@pytest.mark.parametrize("place", [-1, 99])
def test_a_template_that_is_not_there_is_refused(world: World, place: int) -> None:
    with pytest.raises(ReplyTemplateError):
        reply_templates.drop_template(unlocked(world), 0, place)


@pytest.mark.parametrize("text", ["", "\ud800", "t" * 100_000])
def test_a_text_that_cannot_be_kept_makes_no_template(world: World, text: str) -> None:
    desk = unlocked(world)
    before = reply_templates.read_templates(desk).templates

    with pytest.raises(ReplyTemplateError):
        reply_templates.put_template(desk, 0, None, ReplyTemplate("nl", "Naam", text))

    assert before == reply_templates.read_templates(desk).templates


def test_one_template_too_many_is_refused(world: World) -> None:
    desk = unlocked(world)
    one = ReplyTemplate("nl", "n", "t")
    for revision in range(reply_templates.TEMPLATES - len(reply_templates.read_templates(desk).templates)):
        reply_templates.put_template(desk, revision, None, one)
    with pytest.raises(ReplyTemplateError):
        reply_templates.put_template(desk, reply_templates.read_templates(desk).revision, None, one)


def test_templates_that_the_store_tampered_with_are_told_and_the_shipped_ones_shown(world: World) -> None:
    put_raw(world, RecordKind.TEMPLATES, b"replies", 1, msgspec.json.encode({"templates": [7]}))
    desk = unlocked(world)

    collection = reply_templates.read_templates(desk)

    assert (True, 8) == (collection.is_unsound, len(collection.templates))
    with pytest.raises(RecordUnsoundError):
        reply_templates.drop_template(desk, 0, 0)
