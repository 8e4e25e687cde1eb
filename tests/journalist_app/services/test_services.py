import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from crypto import age
from crypto.errors import ForgedError
from crypto.passphrase import RootKey
from journalist_app.desk.open_desk import OpenDesk, TrustedStateStatus
from journalist_app.desk.verification import Conversation, conversation_of
from journalist_app.errors import (
    AdviserError,
    FileRefusal,
    MailboxNotFoundError,
    SendRefusal,
    UnlockRefusal,
    UnsoundMailboxError,
)
from journalist_app.services import inbox_lists
from journalist_app.services.closing import ended_mailboxes
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.mailbox.answering import AnswerSender, ReplyForm
from journalist_app.services.mailbox.read_thread import open_thread
from journalist_app.services.whole_desk import background_check, unlocking
from protocol import keyring as keyring_format
from protocol.content import TEXT_CHARS
from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.identifiers import Address, AttachmentId, EntryId
from protocol.keyring import Slot
from protocol.mailbox_keys import derive_mailbox_keys
from protocol.trusted_state import SeenMailbox
from store import entries, mailboxes
from store.database.schema import Base
from store.errors import MailboxChangedError
from stored_mailbox.entry_form import FormContext
from tests.journalist_app.desk_factories import (
    CHEAP,
    PASSPHRASE,
    TODAY,
    ASource,
    World,
    a_letterhead,
    a_source,
    append,
    publish,
    write_keyring,
)
from tests.journalist_app.opening import heads_on_page, opens
from tests.journalist_app.refusals import refuses

NEW_ID = EntryId(b"n" * 16)


def unlocked(world: World) -> OpenDesk:
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def form_for(desk: OpenDesk, address: Address, text: str, entry_id: EntryId = NEW_ID) -> ReplyForm:
    heads, unseen = heads_on_page(desk, address, today=TODAY)
    return ReplyForm(FormContext(address, entry_id, heads, unseen), text)


def answering(desk: OpenDesk, form: ReplyForm) -> AnswerSender:
    return AnswerSender(desk, form, today=TODAY, half_hour=1)


def send(desk: OpenDesk, form: ReplyForm, *files: tuple[str, bytes]) -> None:
    with answering(desk, form) as under_way:
        for name, content in files:
            under_way.add_file(name, in_pieces(content))
        if not under_way.is_sent:
            under_way.send()


def in_pieces(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), 100_000):
        yield content[at : at + 100_000]


def count(world: World, table: str) -> int:
    with world.store.reading() as session:
        return session.scalar(select(func.count()).select_from(Base.metadata.tables[table])) or 0


# ---- unlocking


def test_the_right_passphrase_opens_the_desk(world: World) -> None:
    desk = unlocked(world)

    assert desk.keyring.fingerprint == world.config.fingerprint
    assert desk.trusted_state_status is TrustedStateStatus.SOUND


def test_a_wrong_passphrase_and_a_damaged_keyring_are_refused_alike(world: World) -> None:
    with refuses(UnlockRefusal.CLOSED):
        unlocking.unlock_desk(world.config, world.store, "een andere zin")
    raw = bytearray(world.config.keyring_path.read_bytes())
    raw[-1] ^= 1
    world.config.keyring_path.write_bytes(raw)

    with refuses(UnlockRefusal.CLOSED):
        unlocked(world)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_keyring_that_others_can_reach_stays_closed(world: World, mode: int) -> None:
    world.config.keyring_path.chmod(mode)

    with refuses(UnlockRefusal.EXPOSED):
        unlocked(world)


def test_a_missing_keyring_is_told(world: World) -> None:
    world.config.keyring_path.unlink()

    with refuses(UnlockRefusal.MISSING):
        unlocked(world)


def test_another_desks_keyring_is_refused(world: World) -> None:
    other = keyring_format.create_keyring("elders", [Slot.for_passphrase(PASSPHRASE, CHEAP)])
    write_keyring(world.config.keyring_path, other)

    with refuses(UnlockRefusal.OTHER_DESK):
        unlocked(world)


def test_an_old_keyring_that_was_put_back_is_noticed(world: World) -> None:
    old = world.config.keyring_path.read_bytes()
    write_keyring(world.config.keyring_path, world.keyring.with_slots(world.keyring.slots))
    unlocked(world)
    world.config.keyring_path.write_bytes(old)

    with refuses(UnlockRefusal.OLDER):
        unlocked(world)


def test_a_store_without_letterhead_is_refused(world: World) -> None:
    world.execute("DELETE FROM letterhead")

    with refuses(UnlockRefusal.LETTERHEAD):
        unlocked(world)


def test_a_forged_letterhead_is_refused(world: World) -> None:
    world.execute("UPDATE letterhead SET body = :body", body=b"{}")

    with refuses(UnlockRefusal.LETTERHEAD):
        unlocked(world)


def test_an_older_letterhead_than_one_seen_before_is_refused(world: World) -> None:
    publish(world.store, world.keyring, a_letterhead(world.keyring, serial=2))
    unlocked(world).save()
    world.execute("DELETE FROM letterhead WHERE serial = 2")

    with refuses(UnlockRefusal.LETTERHEAD):
        unlocked(world)


# ---- the memory of earlier sessions


def test_anchors_are_sealed_for_their_owner_alone(world: World) -> None:
    source = a_source(world)
    source.writes("canary-tekst")
    background_check.check_store(unlocked(world), TODAY)

    raw = world.config.trusted_state_path.read_bytes()

    assert stat.S_IMODE(world.config.trusted_state_path.stat().st_mode) == 0o600
    assert raw.startswith(b"age-encryption.org/v1")
    assert source.keys.address not in raw


def test_missing_anchors_are_told_until_confirmed_also_if_the_desks_rows_were_deleted(world: World) -> None:
    """Attack: someone deletes the trusted state, and in the store each entry of the desk."""
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    background_check.check_store(unlocked(world), TODAY)
    world.config.trusted_state_path.unlink()
    world.execute("DELETE FROM entry WHERE author = :desk", desk=Author.DESK)

    for _ in range(3):
        desk = unlocked(world)
        background_check.check_store(desk, TODAY)

        assert desk.trusted_state_status is TrustedStateStatus.MISSING
        assert not world.config.trusted_state_path.exists()

    desk.replace_lost_trusted_state()
    assert unlocked(world).trusted_state_status is TrustedStateStatus.SOUND


@pytest.mark.parametrize("how", ["damaged", "exposed"])
def test_anchors_that_do_not_open_are_told_and_never_silently_replaced(world: World, how: str) -> None:
    a_source(world).writes("vraag")
    background_check.check_store(unlocked(world), TODAY)
    if how == "damaged":
        world.config.trusted_state_path.write_bytes(b"not anchors")
    else:
        world.config.trusted_state_path.chmod(0o644)
    before = world.config.trusted_state_path.read_bytes()

    desk = unlocked(world)
    background_check.check_store(desk, TODAY)

    assert desk.trusted_state_status is TrustedStateStatus.DAMAGED
    assert world.config.trusted_state_path.read_bytes() == before


def test_the_adviser_can_start_a_new_memory(world: World) -> None:
    world.config.trusted_state_path.write_bytes(b"")
    desk = unlocked(world)

    desk.replace_lost_trusted_state()

    assert desk.trusted_state_status is TrustedStateStatus.SOUND
    assert unlocked(world).trusted_state_status is TrustedStateStatus.SOUND
    desk.replace_lost_trusted_state()  # harmless when nothing is wrong
    assert desk.trusted_state_status is TrustedStateStatus.SOUND


def test_anchors_that_cannot_be_written_are_told_until_they_can(world: World) -> None:
    empty = world.config.trusted_state_path.read_bytes()
    blocking = world.config.trusted_state_path.with_name("trusted-state.age.new")
    blocking.mkdir()
    desk = unlocked(world)
    assert desk.trusted_state_status is TrustedStateStatus.UNSAVED
    assert empty == world.config.trusted_state_path.read_bytes()

    blocking.rmdir()
    desk.save()

    assert desk.trusted_state_status is TrustedStateStatus.SOUND
    assert empty != world.config.trusted_state_path.read_bytes()


def test_the_letterhead_in_use_is_remembered_before_anything_is_checked(world: World) -> None:
    unlocked(world)

    assert unlocked(world).trusted_state.letterhead_serial == world.letterhead.serial


def test_an_older_look_never_sets_the_memory_back(world: World) -> None:
    source = a_source(world)
    source.writes("een")
    desk = unlocked(world)
    opens(desk, source.keys.address, today=TODAY)
    before = desk.trusted_state.mailboxes[source.keys.address]
    source.writes("twee")
    opens(desk, source.keys.address, today=TODAY)
    after = desk.trusted_state.mailboxes[source.keys.address]

    desk.remember(source.keys.address, before)

    assert after == desk.trusted_state.mailboxes[source.keys.address]


# ---- checking in the background


def test_what_is_new_is_checked_and_counted(world: World) -> None:
    for _ in range(3):
        a_source(world).writes("vraag")
    desk = unlocked(world)

    background_check.check_store(desk, TODAY)

    assert (desk.progress.done, desk.progress.total) == (3, 3)
    assert not desk.progress.is_running
    again = unlocked(world)
    background_check.check_store(again, TODAY)
    assert again.progress.total == 0


def test_a_check_that_loses_the_store_says_so(world: World) -> None:
    desk = unlocked(world)
    world.store.path.rename(world.store.path.with_suffix(".gone"))

    background_check.check_store(desk, TODAY)

    assert desk.progress.is_broken


def test_a_mailbox_that_was_seen_and_is_gone_is_told_until_it_is_back(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    background_check.check_store(unlocked(world), TODAY)
    desk = unlocked(world)
    row = "SELECT * FROM mailbox WHERE address = :a"
    world.execute("CREATE TABLE kept AS " + row, a=source.keys.address)
    world.execute("UPDATE mailbox SET address = zeroblob(20)")

    background_check.check_store(desk, TODAY)
    shown = inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY).unsound

    gone = [each for each in shown if each.address == source.address]
    assert [each.faults for each in gone] == [("gone",)]
    assert not gone[0].is_here
    world.execute("UPDATE mailbox SET address = :a", a=source.keys.address)
    background_check.check_store(desk, TODAY)
    assert Address(source.keys.address) not in desk.unsound


def test_a_flood_of_mild_warnings_neither_fills_the_inbox_nor_hides_a_grave_one(world: World) -> None:
    """Attack: someone starts hundreds of mailboxes, each with an entry that names one that never existed."""
    desk = unlocked(world)
    flood = [Address(bytes([at]) * 20) for at in range(52)]
    for each in flood:
        desk.unsound[each] = ("missing", "unreadable")
    desk.unsound[flood[-1]] = ("missing", "bad_signature")

    pages = [inbox_lists.read_inbox(desk, InboxFilter("waiting", page), TODAY) for page in (1, 2, 3, 4)]

    assert [(len(each.unsound), each.warnings, each.has_more) for each in pages] == [
        (25, 52, True),
        (25, 52, True),
        (2, 52, False),
        (2, 52, False),  # the warnings stay on every page
    ]
    assert pages[0].unsound[0].address == flood[-1].hex()
    assert len({row.address for each in pages for row in each.unsound}) == 52


def test_a_mailbox_that_ends_while_it_is_checked_is_no_fault(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    background_check.check_store(unlocked(world), TODAY)
    desk = unlocked(world)
    desk.unsound[source.keys.address] = ("gap",)
    source.ends()

    background_check.check_store(desk, TODAY)

    assert desk.unsound == {}


# ---- the inbox


def test_who_waits_longest_stands_first_and_says_since_when(world: World) -> None:
    late, early = a_source(world), a_source(world)
    late.writes("vandaag")
    early.writes("eerder", day=TODAY - timedelta(days=3), file=("a.pdf", b"x"))

    shown = inbox_lists.read_inbox(unlocked(world), InboxFilter("waiting"), TODAY)

    assert [early.address, late.address] == [row.address for row in shown.rows]
    first = shown.rows[0]
    assert (first.is_waiting, first.is_new, first.days, first.entries, first.files) == (True, True, 3, 1, 1)
    assert (shown.waiting, shown.answered, shown.closed) == (2, 0, 0)


def test_an_answered_mailbox_stands_under_answered(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")

    shown = inbox_lists.read_inbox(unlocked(world), InboxFilter("answered"), TODAY)

    assert [(source.address, False, False)] == [
        (row.address, row.is_waiting, row.is_new) for row in shown.rows
    ]


def test_a_mailbox_waits_from_its_oldest_entry_that_no_answer_saw(world: World) -> None:
    source = a_source(world)
    source.writes("vraag", day=TODAY - timedelta(days=9))
    source.is_answered("antwoord", day=TODAY - timedelta(days=8))
    removed = source.writes("vergissing", day=TODAY - timedelta(days=4))
    source.writes("nog iets", day=TODAY - timedelta(days=2))
    source.removes(removed)

    (row,) = inbox_lists.read_inbox(unlocked(world), InboxFilter("waiting"), TODAY).rows

    assert row.since == TODAY - timedelta(days=2)
    assert not row.is_new


def test_a_mark_of_the_desk_is_no_answer(world: World) -> None:
    source = a_source(world)
    source.writes("vraag", day=TODAY - timedelta(days=3))
    source.is_looked_at()
    desk = unlocked(world)

    shown = inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY)
    background_check.check_store(desk, TODAY)

    (row,) = shown.rows
    assert (row.is_waiting, row.is_new, row.since, row.entries) == (True, True, TODAY - timedelta(days=3), 1)
    assert (desk.unsound, desk.trusted_state.seen(source.keys.address).is_answered) == ({}, False)


def test_a_mark_of_the_desk_hides_no_mailbox(world: World) -> None:
    """Attack: someone who can write the store marks a waiting mailbox as answered.

    It has a receipt of the desk.
    """
    source = a_source(world)
    source.writes("vraag")
    source.is_looked_at()
    background_check.check_store(unlocked(world), TODAY)
    world.execute("UPDATE mailbox SET waiting_since = NULL")

    desk = unlocked(world)
    background_check.check_store(desk, TODAY)

    assert {source.keys.address: ("wrong_state",)} == desk.unsound


def test_a_workstation_repairs_a_mark_that_a_power_cut_left_behind(world: World) -> None:
    """A sync stores the entries first, and then marks the mailbox as waiting."""
    source = a_source(world)
    source.writes("vraag")
    world.execute("UPDATE mailbox SET waiting_since = NULL")

    desk = unlocked(world)
    desk.config = replace(desk.config, server="file")
    background_check.check_store(desk, TODAY)

    assert desk.unsound == {}
    with world.store.reading() as session:
        assert entries.addresses_not_waiting(session) == []


def test_a_source_who_looks_at_an_answer_does_not_wait_again(world: World) -> None:
    source = a_source(world)
    source.writes("vraag", day=TODAY - timedelta(days=3))
    source.is_answered("antwoord", day=TODAY - timedelta(days=2))
    source.looks()
    desk = unlocked(world)
    background_check.check_store(desk, TODAY)

    (row,) = inbox_lists.read_inbox(desk, InboxFilter("answered"), TODAY).rows
    background_check.check_store(desk, TODAY)

    assert (row.is_waiting, row.since, row.entries) == (False, TODAY - timedelta(days=2), 2)
    assert (desk.unsound, desk.progress.total) == ({}, 0)


def test_words_that_came_before_a_mark_still_wait(world: World) -> None:
    source = a_source(world)
    source.is_answered("goedendag")
    source.writes("vraag", day=TODAY - timedelta(days=3))
    source.looks()
    source.is_looked_at()

    (row,) = inbox_lists.read_inbox(unlocked(world), InboxFilter("waiting"), TODAY).rows

    assert (row.is_waiting, row.since) == (True, TODAY - timedelta(days=3))


def test_a_list_longer_than_a_page_goes_on(world: World) -> None:
    for _ in range(inbox_lists.PAGE_ROWS + 1):
        a_source(world).writes("vraag")
    desk = unlocked(world)

    first = inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY)
    second = inbox_lists.read_inbox(desk, InboxFilter("waiting", 2), TODAY)

    assert (len(first.rows), first.has_more) == (inbox_lists.PAGE_ROWS, True)
    assert (len(second.rows), second.has_more) == (1, False)


@pytest.mark.parametrize(
    "shape", [str, str.upper, lambda label: label.replace("-", " "), lambda label: label[3:]]
)
def test_a_mailbox_is_found_by_any_part_of_its_label(world: World, shape: Callable[[str], str]) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("vraag")
    other.writes("vraag")
    desk = unlocked(world)

    shown = inbox_lists.read_inbox(
        desk, InboxFilter("waiting", 1, shape(desk.label(source.keys.address))), TODAY
    )

    assert [source.address] == [row.address for row in shown.rows]
    assert shown.found == 1


def test_a_mailbox_in_which_nothing_stands_yet_is_shown_when_searched(world: World) -> None:
    source = a_source(world)
    desk = unlocked(world)

    (row,) = inbox_lists.read_inbox(
        desk, InboxFilter("waiting", 1, desk.label(source.keys.address)), TODAY
    ).rows

    assert (row.since, row.days) == (None, 0)


def test_an_ended_mailbox_is_shown_once_and_then_forgotten(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    background_check.check_store(desk, TODAY)
    source.ends()
    label = desk.label(source.keys.address)
    (row,) = inbox_lists.read_inbox(desk, InboxFilter("closed"), TODAY).ended
    assert (label, True) == (row.label, row.is_proved)
    assert [label] == [
        each.label for each in inbox_lists.read_inbox(desk, InboxFilter("waiting", 1, label), TODAY).ended
    ]
    assert inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY).ended == ()

    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    assert inbox_lists.read_inbox(desk, InboxFilter("closed"), TODAY).ended == ()
    background_check.check_store(unlocked(world), TODAY)
    assert unlocked(world).unsound == {}
    with pytest.raises(MailboxNotFoundError):
        ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)


@pytest.mark.parametrize("more", [0, 2])
def test_the_end_tells_how_many_entries_never_arrived(world: World, more: int) -> None:
    """Attack: the operator of the server loses the source's last words before any workstation has them."""
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    desk = unlocked(world)
    background_check.check_store(desk, TODAY)
    if more:
        source.writes("dit kwam nooit aan")
        source.looks()
    source.ends()

    (row,) = inbox_lists.read_inbox(desk, InboxFilter("closed"), TODAY).ended

    assert row.not_arrived == more


def test_an_ending_that_the_source_did_not_sign_is_shown_and_stays(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.ends(forged_by=derive_mailbox_keys(RootKey(os.urandom(32))))
    desk = unlocked(world)

    shown = inbox_lists.read_inbox(desk, InboxFilter("closed"), TODAY)

    assert [row.is_proved for row in shown.ended] == [False]
    assert [row.faults for row in shown.unsound] == [("false_ending",)]
    with pytest.raises(UnsoundMailboxError):
        ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)
    assert count(world, "ended_mailbox") == 1


def test_a_mailbox_put_back_after_its_end_is_told(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    source.ends()
    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)
    with world.store.writing() as session:
        mailboxes.create_mailbox(
            session,
            address=source.keys.address,
            recipient=source.keys.recipient,
            verify_key=source.keys.verify_key,
            opened_day=TODAY,
        )
    source.writes("teruggezet")

    again = unlocked(world)
    background_check.check_store(again, TODAY)

    assert again.unsound == {source.keys.address: ("come_back",)}


# ---- a conversation


def test_a_thread_shows_both_sides_and_what_was_seen(world: World) -> None:
    source = a_source(world)
    source.writes("een\ntwee", file=("../../<a>.pdf", b"x"))
    source.is_answered("antwoord")
    source.writes("dank")
    source.is_answered("graag gedaan")

    shown = opens(unlocked(world), source.keys.address, today=TODAY)

    assert [each.text for each in shown.entries] == ["een\ntwee", "antwoord", "dank", "graag gedaan"]
    assert [each.is_source for each in shown.entries] == [True, False, True, False]
    assert [each.read_on for each in shown.entries if not each.is_source] == [TODAY, None]
    assert [file.name for file in shown.entries[0].files] == ["_a_.pdf"]
    assert shown.may_answer


def test_a_thread_shows_no_marks_and_what_they_tell(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    before = opens(unlocked(world), source.keys.address, today=TODAY).entries
    source.looks()

    thread = opens(unlocked(world), source.keys.address, today=TODAY)

    assert ["vraag", "antwoord"] == [each.text for each in thread.entries]
    assert [each[1].read_on for each in (before, thread.entries)] == [None, TODAY]


def test_a_thread_shows_where_something_was_deleted(world: World) -> None:
    source = a_source(world)
    source.removes(source.writes("weg ermee"))

    (entry,) = opens(unlocked(world), source.keys.address, today=TODAY).entries

    assert (entry.is_removed, entry.text, entry.fault) == (True, "", "")


def test_an_unknown_address_is_told(world: World) -> None:
    with pytest.raises(MailboxNotFoundError):
        opens(unlocked(world), Address(bytes(20)), today=TODAY)


# ---- tampering


def assert_told(world: World, address: Address, fault: str, *, may_answer: bool = False) -> None:
    """Check that the thread, the inbox row and the list of faults name a fault, and whether an answer is
    allowed.
    """
    desk = unlocked(world)
    shown = opens(desk, address, today=TODAY)
    assert fault in [each.kind for each in shown.faults]
    assert shown.may_answer is may_answer
    label = desk.label(address)
    (row,) = inbox_lists.read_inbox(desk, InboxFilter("waiting", 1, label), TODAY).rows
    assert fault in row.faults
    assert [address.hex()] == [
        each.address for each in inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY).unsound
    ]


def assert_unanswerable(world: World, address: Address) -> None:
    desk = unlocked(world)
    form = ReplyForm(FormContext(address, NEW_ID, (), ()), "antwoord")
    with pytest.raises(UnsoundMailboxError):
        answering(desk, form)


def test_a_flipped_byte_in_a_payload_is_told(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    world.execute(
        "UPDATE sealed"
        " SET payload = CAST(substr(payload, 1, 99) || zeroblob(16) || substr(payload, 116) AS BLOB)"
    )

    assert_told(world, source.keys.address, "bad_payload")
    assert_unanswerable(world, source.keys.address)


def test_a_swapped_header_is_told(world: World) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("vraag")
    other.writes("andere vraag")
    world.execute(
        "UPDATE sealed SET header = (SELECT header FROM sealed JOIN entry USING (id) WHERE address = :other)"
        " WHERE id = (SELECT id FROM entry WHERE address = :a)",
        other=other.keys.address,
        a=source.keys.address,
    )

    assert_told(world, source.keys.address, "unreadable", may_answer=True)


def test_a_forged_entry_is_told(world: World) -> None:
    source, attacker = a_source(world), a_source(world)
    forged = attacker.writes("ik ben het echt", store_it=False)
    envelope = replace(forged.envelope, address=source.keys.address)
    append(world.store, replace(forged, envelope=envelope))

    assert_told(world, source.keys.address, "bad_signature")


def test_bytes_that_are_no_entry_are_told(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    world.execute("UPDATE entry SET envelope = X'00'")

    assert_told(world, source.keys.address, "damaged_row")


def test_an_entry_under_another_name_is_told(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    world.execute("UPDATE entry SET entry_id = zeroblob(16)")

    assert_told(world, source.keys.address, "damaged_row")


def test_an_entry_of_another_mailbox_is_told(world: World) -> None:
    source, other = a_source(world), a_source(world)
    other.writes("hoort elders")
    world.execute("UPDATE mailbox SET waiting_since = '2026-11-23', last_day = '2026-11-23'")
    world.execute("UPDATE entry SET address = :a", a=source.keys.address)

    assert_told(world, source.keys.address, "wrong_address")


def test_an_entry_that_one_of_two_processes_saw_is_missed_by_both(world: World) -> None:
    """Attack: the operator shows two processes of one workstation different entries, and then hides both."""
    source = a_source(world)
    source.writes("een")
    one, two = unlocked(world), unlocked(world)
    source.writes("twee")
    background_check.check_store(one, TODAY)
    world.execute("DELETE FROM entry WHERE number = 2")
    source.is_answered("antwoord")
    background_check.check_store(two, TODAY)
    world.execute("DELETE FROM entry WHERE author = 1")

    found = conversation_of(unlocked(world), source.keys.address)

    assert [fault.kind for fault in found.faults] == ["rolled_back", "rolled_back"]


def test_an_entry_that_was_seen_and_dropped_is_told(world: World) -> None:
    source = a_source(world)
    source.writes("een")
    last = source.writes("twee")
    background_check.check_store(unlocked(world), TODAY)
    world.execute("DELETE FROM sealed WHERE id = (SELECT id FROM entry WHERE number = 2)")
    world.execute("DELETE FROM entry WHERE entry_id = :e", e=last.envelope.entry_id)

    assert_told(world, source.keys.address, "rolled_back")


def test_swapped_keys_are_told(world: World) -> None:
    """Only the keys are false: no one changed the source's messages, and no one restored an older mailbox."""
    source, attacker = a_source(world), derive_mailbox_keys(RootKey(os.urandom(32)))
    source.writes("vraag")
    source.is_answered("antwoord")
    source.writes("nog een")
    background_check.check_store(unlocked(world), TODAY)
    world.execute("UPDATE mailbox SET verify_key = :v", v=attacker.verify_key)

    assert_told(world, source.keys.address, "wrong_keys")
    shown = opens(unlocked(world), source.keys.address, today=TODAY)
    assert {each.kind for each in shown.faults} == {"wrong_keys"}


def test_an_unanswered_mailbox_hidden_among_the_answered_is_told(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    world.execute("UPDATE mailbox SET waiting_since = NULL")

    assert_told(world, source.keys.address, "wrong_state")


@pytest.mark.parametrize("last_day", ["2026-11-23", None], ids=["among the answered", "in no list"])
def test_a_mailbox_that_was_seen_and_hidden_before_its_answer_is_told(
    world: World, last_day: str | None
) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("een")
    source.is_answered("antwoord")
    source.writes("twee")
    other.writes("vraag")
    other.is_answered("antwoord")
    background_check.check_store(unlocked(world), TODAY)
    world.execute(
        "UPDATE mailbox SET waiting_since = NULL, last_day = :d WHERE address = :a",
        a=source.keys.address,
        d=last_day,
    )

    desk = unlocked(world)
    background_check.check_store(desk, TODAY)

    told = inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY).unsound
    assert [(source.address, ("wrong_state",))] == [(row.address, row.faults) for row in told]


def test_a_deleted_entry_put_back_without_its_removal_is_told_and_not_shown(world: World) -> None:
    source = a_source(world)
    deleted = source.writes("gewist")
    source.writes("gebleven")
    source.removes(deleted)
    opens(unlocked(world), source.keys.address, today=TODAY)
    world.execute(
        "UPDATE sealed SET header = :h, payload = :p WHERE id = (SELECT id FROM entry WHERE number = 1)",
        h=deleted.header,
        p=deleted.payload,
    )
    world.execute("DELETE FROM entry WHERE number = 3 AND author = 0")

    assert_told(world, source.keys.address, "restored")
    shown = opens(unlocked(world), source.keys.address, today=TODAY)
    assert [("", True), ("gebleven", False)] == [(each.text, each.is_removed) for each in shown.entries]


def test_a_mailbox_that_was_never_found_answered_is_looked_at_again(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("antwoord")
    desk = unlocked(world)
    heads = conversation_of(desk, source.keys.address).transcript.heads
    desk.remember(source.keys.address, SeenMailbox(heads))

    checked = []
    for _ in range(2):
        background_check.check_store(desk, TODAY)
        checked.append(desk.progress.total)

    assert checked == [1, 0]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET signature = 'a text'",
        "UPDATE entry SET envelope = 7",
        "UPDATE sealed SET header = 'a text'",
        "UPDATE mailbox SET waiting_since = 'no day'",
        "UPDATE mailbox SET waiting_since = 7",
        "UPDATE entry SET number = 'a text'",
    ],
)
def test_a_value_of_another_type_stops_no_check_and_no_list(world: World, statement: str) -> None:
    a_source(world).writes("vraag")
    desk = unlocked(world)
    world.execute(statement)

    background_check.check_store(desk, TODAY)

    assert not desk.progress.is_broken
    assert not desk.progress.is_running
    assert inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY).rows


def test_the_newest_entry_dropped_before_anybody_saw_it_is_not_found(world: World) -> None:
    """The protocol says that this loss cannot be detected.

    The test shows the limit, so that no one relies on more.
    """
    source = a_source(world)
    source.writes("een")
    background_check.check_store(unlocked(world), TODAY)
    last = source.writes("twee")
    world.execute("DELETE FROM sealed WHERE id = (SELECT id FROM entry WHERE number = 2)")
    world.execute("DELETE FROM entry WHERE entry_id = :e", e=last.envelope.entry_id)

    assert opens(unlocked(world), source.keys.address, today=TODAY).faults == ()


# ---- files


def test_a_file_comes_out_as_it_went_in(world: World) -> None:
    content = os.urandom(2_500_000)
    source = a_source(world)
    source.writes("zie bijlage", file=("foto\u202egpj.exe", content))
    desk = unlocked(world)
    (file,) = opens(desk, source.keys.address, today=TODAY).entries[0].files

    out = file_downloads.open_download(
        desk, source.keys.address, AttachmentId(bytes.fromhex(file.attachment_id))
    )

    assert (out.size, out.name) == (2_500_000, "fotogpj.exe")
    assert content == b"".join(out.pieces)


def test_a_file_that_no_entry_carries_is_not_given(world: World) -> None:
    source, other = a_source(world), a_source(world)
    source.writes("zie bijlage", file=("a", b"x"))
    other.writes("vraag")
    desk = unlocked(world)
    (file,) = opens(desk, source.keys.address, today=TODAY).entries[0].files
    wanted = AttachmentId(bytes.fromhex(file.attachment_id))
    with refuses(FileRefusal.MISSING):
        file_downloads.open_download(desk, other.keys.address, wanted)
    world.execute("UPDATE attachment SET address = :a", a=other.keys.address)

    with refuses(FileRefusal.MISSING):
        file_downloads.open_download(desk, other.keys.address, wanted)


def test_a_file_of_the_desks_own_is_given_as_it_was_sent(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.answers_with_file("brief.pdf.age", b"age-encryption.org/v1 and no more")
    desk = unlocked(world)
    file = opens(desk, source.keys.address, today=TODAY).entries[-1].files[0]

    attachment_id = AttachmentId(bytes.fromhex(file.attachment_id))
    out = file_downloads.open_download(desk, source.keys.address, attachment_id, is_unsealed=True)

    assert out.name == "brief.pdf.age"
    assert b"".join(out.pieces) == b"age-encryption.org/v1 and no more"


def test_a_file_that_is_gone_from_the_store_is_told(world: World) -> None:
    source = a_source(world)
    source.writes("zie bijlage", file=("a", b"x"))
    desk = unlocked(world)
    (file,) = opens(desk, source.keys.address, today=TODAY).entries[0].files
    world.execute("UPDATE attachment SET address = :other", other=b"o" * 20)

    with pytest.raises(ForgedError):
        file_downloads.open_download(
            desk, source.keys.address, AttachmentId(bytes.fromhex(file.attachment_id))
        )


def test_a_file_that_is_changed_after_it_was_opened_breaks_off(world: World) -> None:
    source = a_source(world)
    source.writes("zie bijlage", file=("a", bytes(200_000)))
    desk = unlocked(world)
    (file,) = opens(desk, source.keys.address, today=TODAY).entries[0].files
    out = file_downloads.open_download(
        desk, source.keys.address, AttachmentId(bytes.fromhex(file.attachment_id))
    )
    world.execute(
        "UPDATE sealed"
        " SET payload = CAST(substr(payload, 1, 150000) || zeroblob(16) || substr(payload, 150017) AS BLOB)"
        " WHERE id IN (SELECT id FROM chunk)"
    )
    got: list[bytes] = []
    with pytest.raises(ForgedError):
        got.extend(out.pieces)

    assert sum(map(len, got)) < out.size


# ---- answering


def test_an_answer_with_text_and_files_is_in_the_mailbox(world: World) -> None:
    content = os.urandom(1_500_000)
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)

    send(desk, form_for(desk, source.keys.address, "een\r\ntwee"), ("a.txt", content), ("b.txt", b""))

    last = opens(desk, source.keys.address, today=TODAY).entries[-1]
    assert (last.text, last.is_source) == ("een\ntwee", False)
    assert [(file.name, file.size) for file in last.files] == [("a.txt", 1_500_000), ("b.txt", 0)]
    out = file_downloads.open_download(
        desk, source.keys.address, AttachmentId(bytes.fromhex(last.files[0].attachment_id))
    )
    assert content == b"".join(out.pieces)
    out = file_downloads.open_download(
        desk, source.keys.address, AttachmentId(bytes.fromhex(last.files[1].attachment_id))
    )
    assert b"".join(out.pieces) == b""
    assert inbox_lists.read_inbox(desk, InboxFilter("answered"), TODAY).answered == 1
    known = unlocked(world).trusted_state.seen(source.keys.address).heads
    assert [head.strand for head in known] == [b"", world.keyring.strand.id]


def test_a_double_submit_is_one_answer(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "antwoord")
    send(desk, form)

    second = answering(desk, form)

    assert second.is_sent
    assert len(opens(desk, source.keys.address, today=TODAY).entries) == 2


def test_two_submits_at_once_are_one_answer(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "antwoord")
    with answering(desk, form) as first, answering(desk, form) as second:
        first.send()
        second.send()

        assert second.is_sent
    assert len(opens(desk, source.keys.address, today=TODAY).entries) == 2


def test_a_used_form_with_another_text_gives_the_text_back(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "antwoord")
    send(desk, form)

    with refuses(SendRefusal.FORM_REUSED):
        answering(desk, replace(form, text="iets anders"))


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", SendRefusal.TEXT_MISSING),
        (" \r\n ", SendRefusal.TEXT_MISSING),
        ("\u200b\ufeff\u2800\u3164\u00ad\u200e", SendRefusal.TEXT_MISSING),
        ("x" * (TEXT_CHARS + 1), SendRefusal.TEXT_TOO_LONG),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused_at_once(world: World, text: str, refusal: SendRefusal) -> None:
    source = a_source(world)
    desk = unlocked(world)

    with refuses(refusal):
        answering(desk, ReplyForm(FormContext(source.keys.address, NEW_ID, (), ()), text))


def test_a_source_who_wrote_meanwhile_is_read_first(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "antwoord")
    source.writes("wacht, nog iets")

    with refuses(SendRefusal.SOURCE_WROTE):
        answering(desk, form)


def test_an_adviser_is_told_before_sending_that_the_source_deleted_something_meanwhile(world: World) -> None:
    source = a_source(world)
    message = source.writes("vraag")
    source.writes("nog een vraag")
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "antwoord")
    source.removes(message)

    with refuses(SendRefusal.SOURCE_WROTE):
        answering(desk, form)


@pytest.mark.parametrize("is_readable", [False, True])
def test_a_source_who_wrote_is_read_first_also_after_65_messages_that_do_not_open(
    world: World, *, is_readable: bool
) -> None:
    """An envelope names at most 64 unseen entries of a strand, so the form could not name what it showed."""
    source = a_mailbox_of_65_messages_that_do_not_open(world)
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "antwoord")
    source.writes("wacht, nog iets")
    if not is_readable:
        damage_headers(world)

    with refuses(SendRefusal.SOURCE_WROTE):
        answering(desk, form)

    send(desk, form_for(desk, source.keys.address, "antwoord"))
    assert opens(desk, source.keys.address).entries[-1].text == "antwoord"


def test_a_page_with_65_messages_that_do_not_open_leaves_no_receipts_that_confirm_nothing(
    world: World,
) -> None:
    """Each opening of the mailbox would otherwise leave a receipt."""
    source = a_mailbox_of_65_messages_that_do_not_open(world)
    source.removes(source.writes("dit is leesbaar"))
    source.writes("dit ook")
    desk = unlocked(world)

    assert not opens(desk, source.keys.address).has_news

    assert len(opens(desk, source.keys.address).conversation.entries) == 68


def a_mailbox_of_65_messages_that_do_not_open(world: World) -> ASource:
    source = a_source(world)
    for number in range(65):
        source.writes(f"bericht {number}")
    damage_headers(world)
    return source


def damage_headers(world: World) -> None:
    world.execute("UPDATE sealed SET header = zeroblob(1000) WHERE header IS NOT NULL")


def test_a_source_who_wrote_while_files_came_in_is_read_first_and_the_files_are_dropped(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    with answering(desk, form_for(desk, source.keys.address, "antwoord")) as under_way:
        under_way.add_file("a", in_pieces(b"x"))
        source.writes("wacht, nog iets")
        with refuses(SendRefusal.SOURCE_WROTE):
            under_way.send()

    assert count(world, "attachment") == 0
    assert len(opens(desk, source.keys.address, today=TODAY).entries) == 2


class _Overtaken(AnswerSender):
    """Sender for which someone else writes something between the sender's last check and its append."""

    overtakers: list[Callable[[], object]]

    def _sign(self, conversation: Conversation) -> tuple[SignedEntry, ...]:
        signed = super()._sign(conversation)
        if self.overtakers:
            self.overtakers.pop()()
        return signed


def overtaken(desk: OpenDesk, form: ReplyForm, overtakers: list[Callable[[], object]]) -> _Overtaken:
    made = _Overtaken(desk, form, today=TODAY, half_hour=1)
    made.overtakers = overtakers
    return made


def test_a_source_who_writes_at_the_last_moment_is_read_first(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "antwoord")

    with refuses(SendRefusal.SOURCE_WROTE):
        overtaken(desk, form, [lambda: source.writes("wacht")]).send()


def test_a_source_who_only_looks_meanwhile_holds_no_answer_up(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    source.is_answered("eerste antwoord")
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "tweede antwoord")
    mark = source.looks()

    overtaken(desk, form, [source.looks]).send()

    thread = opens(desk, source.keys.address, today=TODAY)
    assert ["vraag", "eerste antwoord", "tweede antwoord"] == [each.text for each in thread.entries]
    assert thread.faults == ()
    sent = conversation_of(desk, source.keys.address).entries[-1].envelope
    assert mark.digest not in {head.digest for head in sent.heads}  # the page with the form did not show it


def test_an_answer_that_another_one_overtook_comes_after_it(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "tweede")

    overtaken(desk, form, [lambda: source.is_answered("eerste")]).send()

    texts = [each.text for each in opens(desk, source.keys.address, today=TODAY).entries]
    assert texts == ["vraag", "eerste", "tweede"]
    assert opens(desk, source.keys.address, today=TODAY).faults == ()


def test_an_answer_that_is_overtaken_again_and_again_gives_up(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "te laat")

    with pytest.raises(MailboxChangedError):
        overtaken(desk, form, [lambda: source.is_answered("eerder")] * 20).send()


def test_an_answer_to_a_mailbox_that_ends_meanwhile_is_not_sent(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    form = form_for(desk, source.keys.address, "antwoord")
    under_way = overtaken(desk, form, [source.ends])

    with pytest.raises(AdviserError) as caught:
        under_way.send()

    assert caught.value.reason in {MailboxNotFoundError.reason, SendRefusal.SOURCE_WROTE}


def test_an_answer_in_an_empty_mailbox_that_ends_meanwhile_is_not_sent(world: World) -> None:
    source = a_source(world)
    desk = unlocked(world)
    form = ReplyForm(FormContext(source.keys.address, NEW_ID, (), ()), "antwoord")

    with pytest.raises(MailboxNotFoundError):
        overtaken(desk, form, [source.ends]).send()


def test_a_file_for_a_mailbox_that_ended_is_refused(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)

    with answering(desk, form_for(desk, source.keys.address, "antwoord")) as under_way:
        source.ends()
        with pytest.raises(MailboxNotFoundError):
            under_way.add_file("a", in_pieces(b"x"))


def test_files_past_the_limit_are_refused_and_dropped(world: World) -> None:
    source = a_source(world)
    desk = unlocked(world)

    with refuses(SendRefusal.TOO_MANY_FILES):
        send(desk, form_for(desk, source.keys.address, "antwoord"), *[("a", b"x")] * 4)

    assert count(world, "attachment") == 0


def test_files_without_room_are_refused_while_text_still_goes(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    desk.config = replace(desk.config, mailbox_bytes=100_000)
    form = form_for(desk, source.keys.address, "antwoord")

    with refuses(SendRefusal.NO_ROOM):
        send(desk, form, ("a", bytes(3_000_000)))

    assert count(world, "attachment") == 0
    send(desk, form)
    assert len(opens(desk, source.keys.address, today=TODAY).entries) == 2


def test_pending_files_are_left_to_the_sweeper_when_the_store_is_gone(world: World) -> None:
    source = a_source(world)
    desk = unlocked(world)
    gone = world.store.path.with_suffix(".gone")

    with answering(desk, form_for(desk, source.keys.address, "antwoord")) as under_way:
        under_way.add_file("a", in_pieces(b"x"))
        world.store.path.rename(gone)

    gone.rename(world.store.path)
    assert count(world, "attachment") == 1


def test_a_file_of_the_desk_is_only_bytes_whatever_its_name_says(world: World) -> None:
    source = a_source(world)
    desk = unlocked(world)
    with answering(desk, form_for(desk, source.keys.address, "antwoord")) as under_way:
        under_way.add_file("a.html", in_pieces(b"x"))

    assert [note.media_type for note in under_way._notes] == ["application/octet-stream"]


def test_a_day_in_the_future_does_not_count_backwards(world: World) -> None:
    a_source(world).writes("vraag", day=date(2030, 1, 1))

    (row,) = inbox_lists.read_inbox(unlocked(world), InboxFilter("waiting"), TODAY).rows

    assert row.days == 0


def test_entries_are_kept_in_the_store_as_ciphertext_alone(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    send(desk, form_for(desk, source.keys.address, "canary-antwoord"), ("canary-naam.txt", b"canary-inhoud"))

    with world.store.reading() as session:
        stored = entries.of_mailbox(session, source.keys.address)
    raw = b"".join(path.read_bytes() for path in world.store.path.parent.iterdir())

    assert len(stored) == 3  # the mark of having read, too
    assert b"canary" not in raw


def test_a_file_with_the_id_of_another_mailboxs_file_is_not_shown_as_that_file(world: World) -> None:
    taken = AttachmentId(bytes(16))
    made = age.encrypt(b"inside", [world.letterhead.current_epoch[1]])
    hostile, victim = a_source(world), a_source(world)
    hostile.writes("a", file=("hostile.exe.age", made.header + made.payload, taken))
    victim.writes("b", file=("report.pdf", b"%PDF-1.7", taken))
    desk = unlocked(world)

    shown = [open_thread(desk, source.keys.address, today=TODAY) for source in (hostile, victim)]

    (opened,), (plain,) = (thread.entries[0].files for thread in shown)
    assert opened.sealed is not None
    assert plain.sealed is None
