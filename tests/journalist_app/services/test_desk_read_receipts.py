"""Reading appends one signed read receipt, and never stops the page."""

from datetime import timedelta

import pytest

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of, open_all
from journalist_app.services import inbox_lists
from journalist_app.services.desk import background_check, unlocking
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.mailbox import desk_read_receipts, read_thread
from protocol.content import Content, Kind
from protocol.entry import SignedEntry
from store import entries
from store.errors import StoreReadOnlyError
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source

LATER = TODAY + timedelta(days=3)


def unlocked(world: World) -> OpenDesk:
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def marks_in(world: World, source: ASource) -> list[SignedEntry]:
    with world.store.reading() as session:
        rows = entries.of_mailbox(session, source.keys.address)
    signed = [
        SignedEntry.from_stored(
            envelope=row.envelope,
            signature=row.signature,
            epoch=row.epoch,
            header=row.header,
            payload=row.payload,
            removal=row.removal,
        )
        for row in rows
    ]
    return [each for each in signed if not each.envelope.speaks]


def test_opening_a_new_message_leaves_one_mark_however_often_it_is_opened(world: World) -> None:
    source = a_source(world)
    message = source.writes("vraag")
    desk = unlocked(world)

    for _ in range(3):
        read_thread.read_conversation(desk, source.keys.address, today=LATER)

    (mark,) = marks_in(world, source)
    assert mark.envelope.seen == (message.digest,)
    assert mark.envelope.day == LATER
    assert mark.envelope.strand == world.keyring.strand.id


def test_every_new_message_is_marked_in_its_turn(world: World) -> None:
    source = a_source(world)
    source.writes("een")
    desk = unlocked(world)
    read_thread.read_conversation(desk, source.keys.address, today=TODAY)
    source.writes("twee")
    read_thread.read_conversation(desk, source.keys.address, today=TODAY)

    assert len(marks_in(world, source)) == 2
    assert read_thread.read_conversation(desk, source.keys.address, today=TODAY).faults == ()


def test_what_an_answer_has_seen_needs_no_mark(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")

    read_thread.read_conversation(unlocked(world), source.keys.address, today=TODAY)

    assert marks_in(world, source) == []


def test_a_mark_of_the_source_is_no_news(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    own = source.looks()

    read_thread.read_conversation(unlocked(world), source.keys.address, today=TODAY)

    assert marks_in(world, source) == [own]


def test_what_the_source_deleted_before_it_was_read_is_not_marked(world: World) -> None:
    source = a_source(world)
    source.removes(source.writes("toch niet"))

    read_thread.read_conversation(unlocked(world), source.keys.address, today=TODAY)

    assert marks_in(world, source) == []


def test_nothing_is_marked_in_a_mailbox_that_fails_verification(world: World) -> None:
    source = a_source(world)
    source.writes("een")
    source.writes("twee")
    world.execute("DELETE FROM entry WHERE number = 1")

    assert read_thread.read_conversation(unlocked(world), source.keys.address, today=TODAY).faults

    assert marks_in(world, source) == []


def test_nothing_is_marked_where_an_entry_does_not_open(world: World) -> None:
    source = a_source(world)
    source.writes("een")
    source.says(Content(kind=Kind.MESSAGE, text="twee"))
    world.execute(
        "UPDATE sealed SET header = (SELECT header FROM sealed AS other WHERE other.id != sealed.id) "
        "WHERE id = (SELECT id FROM entry WHERE number = 1)"
    )

    shown = read_thread.read_conversation(unlocked(world), source.keys.address, today=TODAY)

    assert shown.entries[0].fault == "unreadable"
    assert marks_in(world, source) == []


def test_a_store_that_refuses_the_mark_still_gives_the_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    writing = world.store.writing

    def refused(**_asked: bool) -> object:
        raise StoreReadOnlyError

    monkeypatch.setattr(type(world.store), "writing", lambda _store, **asked: refused(**asked))
    shown = read_thread.read_conversation(desk, source.keys.address, today=TODAY)
    monkeypatch.undo()

    assert [each.text for each in shown.entries] == ["vraag"]
    assert marks_in(world, source) == []
    assert world.store.writing == writing
    read_thread.read_conversation(desk, source.keys.address, today=TODAY)
    assert len(marks_in(world, source)) == 1


def test_two_windows_that_open_it_together_leave_one_mark(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    looked = [conversation_of(desk, source.keys.address) for _ in range(2)]

    for conversation in looked:  # both had looked before either wrote
        desk_read_receipts.append_desk_read_receipt(
            desk, conversation, open_all(desk, conversation), today=TODAY
        )

    assert len(marks_in(world, source)) == 1
    assert read_thread.read_conversation(desk, source.keys.address, today=TODAY).faults == ()


def test_to_be_read_is_not_to_be_answered(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    read_thread.read_conversation(desk, source.keys.address, today=TODAY)
    background_check.check_store(desk, TODAY)

    (row,) = inbox_lists.read_inbox(desk, InboxFilter("waiting"), LATER).rows

    assert row.is_waiting
    assert row.is_new
    assert row.since == TODAY


def test_a_source_who_reads_the_answer_does_not_wait_again(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    source.looks(day=LATER)
    desk = unlocked(world)
    background_check.check_store(desk, TODAY)

    inbox = inbox_lists.read_inbox(desk, InboxFilter("answered"), LATER)

    assert [row.label for row in inbox.rows] == [desk.label(source.keys.address)]
    assert inbox.unsound == ()


def test_a_mailbox_that_was_only_read_and_is_said_to_be_answered_is_found_out(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    read_thread.read_conversation(desk, source.keys.address, today=TODAY)
    world.execute("UPDATE mailbox SET waiting_since = NULL")

    background_check.check_store(desk, TODAY)

    assert desk.unsound == {source.keys.address: ("wrong_state",)}


def test_the_page_says_on_which_day_the_source_read_an_answer(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    source.is_answered("nog iets")
    source.looks(day=LATER)
    source.looks(day=LATER + timedelta(days=9))
    source.is_answered("nieuw")

    shown = read_thread.read_conversation(unlocked(world), source.keys.address, today=TODAY)

    assert [each.text for each in shown.entries] == ["vraag", "antwoord", "nog iets", "nieuw"]
    assert [each.read_on for each in shown.entries] == [None, LATER, LATER, None]
