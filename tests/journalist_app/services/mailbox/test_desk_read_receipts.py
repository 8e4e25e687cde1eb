"""Reading a mailbox appends one signed read receipt, and a failure to append it never stops the page."""

from datetime import timedelta

import pytest

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of, open_all
from journalist_app.services import inbox_lists
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.mailbox import desk_read_receipts
from journalist_app.services.whole_desk import background_check, unlocking
from protocol.content import Content, Kind
from protocol.entry import SignedEntry
from protocol.envelope import EntryClass
from protocol.transcript.check import head_of
from store.errors import StoreReadOnlyError
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source
from tests.journalist_app.opening import opens

LATER = TODAY + timedelta(days=3)


def unlocked(world: World) -> OpenDesk:
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def receipts_in(source: ASource) -> list[SignedEntry]:
    entries = source.reads().transcript.entries
    return [each for each in entries if each.envelope.entry_class is EntryClass.RECEIPT]


def test_opening_a_new_message_leaves_one_mark_however_often_it_is_opened(world: World) -> None:
    source = a_source(world)
    message = source.writes("vraag")
    desk = unlocked(world)

    for _ in range(3):
        opens(desk, source.keys.address, today=LATER)

    (mark,) = receipts_in(source)
    assert (mark.envelope.heads, mark.envelope.unseen) == ((head_of(message),), ())
    assert mark.envelope.day == LATER
    assert mark.envelope.strand == world.keyring.strand.id


def test_every_new_message_is_marked_in_its_turn(world: World) -> None:
    source = a_source(world)
    source.writes("een")
    desk = unlocked(world)
    opens(desk, source.keys.address, today=TODAY)
    source.writes("twee")
    opens(desk, source.keys.address, today=TODAY)

    assert len(receipts_in(source)) == 2
    assert opens(desk, source.keys.address, today=TODAY).faults == ()


def test_what_an_answer_has_seen_needs_no_mark(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")

    opens(unlocked(world), source.keys.address, today=TODAY)

    assert receipts_in(source) == []


def test_a_mark_of_the_source_is_no_news(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    own = source.looks()

    opens(unlocked(world), source.keys.address, today=TODAY)

    assert receipts_in(source) == [own]


def test_a_removal_is_confirmed_once_by_this_workstation(world: World) -> None:
    source = a_source(world)
    removal = source.removes(source.writes("toch niet"))
    desk = unlocked(world)

    for _ in range(2):
        opens(desk, source.keys.address, today=TODAY)

    (receipt,) = receipts_in(source)
    assert receipt.envelope.strand == world.keyring.strand.id
    assert receipt.envelope.heads == (head_of(removal),)


def test_a_receipt_names_a_lost_row_as_not_shown(world: World) -> None:
    source = a_source(world)
    lost, kept = source.writes("een"), source.writes("twee")
    world.execute("DELETE FROM entry WHERE number = 1")

    shown = opens(unlocked(world), source.keys.address, today=TODAY)

    assert [fault.kind for fault in shown.faults] == ["missing"]
    assert shown.may_answer
    (receipt,) = receipts_in(source)
    assert receipt.envelope.heads == (head_of(kept),)
    assert receipt.envelope.unseen == (head_of(lost),)


def test_nothing_is_confirmed_in_a_mailbox_with_a_forged_entry(world: World) -> None:
    source = a_source(world)
    source.writes("een")
    source.writes("twee")
    world.execute("UPDATE entry SET signature = zeroblob(64) WHERE number = 1")

    assert not opens(unlocked(world), source.keys.address, today=TODAY).may_answer

    assert receipts_in(source) == []


def test_a_receipt_names_words_that_do_not_open_as_not_shown(world: World) -> None:
    source = a_source(world)
    closed = source.writes("een")
    source.says(Content(kind=Kind.MESSAGE, text="twee"))
    world.execute(
        "UPDATE sealed SET header = (SELECT header FROM sealed AS other WHERE other.id != sealed.id) "
        "WHERE id = (SELECT id FROM entry WHERE number = 1)"
    )

    shown = opens(unlocked(world), source.keys.address, today=TODAY)

    assert shown.entries[0].fault == "unreadable"
    (receipt,) = receipts_in(source)
    assert receipt.envelope.unseen == (head_of(closed),)


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
    shown = opens(desk, source.keys.address, today=TODAY)
    monkeypatch.undo()

    assert [each.text for each in shown.entries] == ["vraag"]
    assert receipts_in(source) == []
    assert world.store.writing == writing
    opens(desk, source.keys.address, today=TODAY)
    assert len(receipts_in(source)) == 1


def test_two_windows_that_open_it_together_leave_one_mark(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    looked = [conversation_of(desk, source.keys.address) for _ in range(2)]

    for conversation in looked:  # both had looked before either wrote
        desk_read_receipts.append_desk_read_receipt(
            desk, conversation, open_all(desk, conversation), today=TODAY
        )

    assert len(receipts_in(source)) == 1
    assert opens(desk, source.keys.address, today=TODAY).faults == ()


def test_to_be_read_is_not_to_be_answered(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    opens(desk, source.keys.address, today=TODAY)
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
    opens(desk, source.keys.address, today=TODAY)
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

    shown = opens(unlocked(world), source.keys.address, today=TODAY)

    assert [each.text for each in shown.entries] == ["vraag", "antwoord", "nog iets", "nieuw"]
    assert [each.read_on for each in shown.entries] == [None, LATER, LATER, None]
