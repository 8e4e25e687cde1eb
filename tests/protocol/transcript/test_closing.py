"""Closing and deletion: the server deletes what the desk closed, and nothing that the desk had not seen."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from protocol.entry import SignedEntry
from protocol.envelope import EntryClass
from protocol.heads import Head
from protocol.identifiers import SOURCE_STRAND, Digest, StrandId
from protocol.strand import DeskWriter
from protocol.transcript.check import FaultKind, Transcript, head_of, read_transcript
from protocol.transcript.closing import closed_until, last_words, may_delete
from tests.protocol.mailbox_factories import DAY, DUE, LAPTOP, WORKSTATION, Talk, the_strands

LATER = DUE + timedelta(days=5)


@pytest.fixture
def talk() -> Talk:
    conversation = Talk()
    conversation.write(conversation.source)
    return conversation


def deletes(transcript: Transcript, today: date = DUE) -> bool:
    return may_delete(transcript, the_strands(), today)


def test_an_open_mailbox_is_never_deleted(talk: Talk) -> None:
    assert closed_until(talk.check()) is None
    talk.write(WORKSTATION)
    assert closed_until(talk.check()) is None
    assert not deletes(talk.check())
    assert closed_until(talk.check([])) is None
    assert not deletes(talk.check([]))


def test_a_closed_mailbox_is_deleted_from_its_day_and_not_before(talk: Talk) -> None:
    closing = talk.close()
    assert closed_until(talk.check()) == DUE
    assert last_words(talk.check()) == [closing]
    assert not deletes(talk.check(), DUE - timedelta(days=1))
    assert deletes(talk.check())


def test_envelopes_and_signatures_are_enough_for_the_server(talk: Talk) -> None:
    talk.close()
    rows = [replace(entry, header=None, payload=None) for entry in talk.entries]
    bare = read_transcript(talk.keys.address, talk.keys.verify_key, the_strands(), rows, has_content=False)
    assert deletes(bare)


def test_read_receipts_of_both_sides_do_not_open_a_mailbox(talk: Talk) -> None:
    talk.close()
    talk.read(talk.source)
    talk.read(LAPTOP)
    assert deletes(talk.check())


def test_the_source_opens_a_mailbox_by_writing(talk: Talk) -> None:
    talk.close()
    talk.write(talk.source)
    assert closed_until(talk.check()) is None
    talk.close(due=LATER)
    assert closed_until(talk.check()) == LATER


def test_words_of_the_source_that_crossed_the_closing_keep_the_mailbox(talk: Talk) -> None:
    crossed = talk.write(talk.source)
    talk.close(hidden=[crossed])
    assert set(last_words(talk.check())) == set(talk.entries[1:])
    assert not deletes(talk.check())


def test_words_of_another_workstation_that_crossed_the_closing_keep_the_mailbox(talk: Talk) -> None:
    answer = talk.write(LAPTOP)
    talk.close(hidden=[answer])
    assert not deletes(talk.check())


def test_of_two_closings_that_crossed_the_latest_day_counts(talk: Talk) -> None:
    first = talk.close()
    talk.close(LAPTOP, due=LATER, hidden=[first])
    assert closed_until(talk.check()) == LATER
    assert not deletes(talk.check(), DUE)


def test_an_earlier_closing_that_was_replaced_cannot_delete(talk: Talk) -> None:
    """Attack: the server uses the first closing, on its earlier day."""
    talk.close()
    talk.close(due=LATER)
    assert not deletes(talk.check(), DUE)
    assert deletes(talk.check(), LATER)


def test_words_of_the_desk_without_a_day_open_a_mailbox(talk: Talk) -> None:
    talk.close()
    talk.write(WORKSTATION)
    assert closed_until(talk.check()) is None


def test_a_hidden_or_spoiled_message_that_comes_back_keeps_the_mailbox(talk: Talk) -> None:
    message = talk.entries[0]
    talk.close(not_shown=[message])
    assert not deletes(talk.check())


def test_a_message_that_comes_back_keeps_the_mailbox_also_if_the_closing_showed_a_later_one(
    talk: Talk,
) -> None:
    first = talk.entries[0]
    talk.write(talk.source)
    closing = talk.close(not_shown=[first])
    assert last_words(talk.check()) == [closing]
    assert not deletes(talk.check())
    assert deletes(talk.without(first))


def test_a_message_that_the_closing_lists_as_unseen_and_that_is_lost_does_not_block_deletion(
    talk: Talk,
) -> None:
    """Without `unseen`, one row that the operator lost would make the mailbox undeletable for good."""
    lost = talk.write(talk.source)
    talk.read(talk.source)
    talk.close(hidden=[lost])
    assert deletes(talk.without(lost))
    assert not deletes(talk.check())


def test_a_message_that_was_dropped_and_that_a_receipt_names_keeps_the_mailbox(talk: Talk) -> None:
    """Attack: the operator drops a message that the source wrote before seeing the closing.

    A receipt names it.
    """
    closing = talk.close()
    message = talk.write(talk.source, hidden=[closing])
    talk.read(talk.source)
    assert not deletes(talk.without(message))


def test_an_entry_that_is_missing_and_that_the_closing_knew_does_not_block_deletion(talk: Talk) -> None:
    talk.close()
    assert deletes(talk.without(talk.entries[0]))


@pytest.mark.parametrize(
    "spoil",
    [lambda entry: replace(entry, signature=bytes(64)), lambda entry: replace(entry, payload=b"changed")],
    ids=["a forged envelope", "a changed payload"],
)
def test_nothing_is_deleted_while_an_entry_is_not_authentic(
    talk: Talk, spoil: Callable[[SignedEntry], SignedEntry]
) -> None:
    talk.write(talk.source)
    talk.close()
    rows = [talk.entries[0], spoil(talk.entries[1]), talk.entries[2]]
    assert not deletes(talk.check(rows))


def test_faults_that_the_server_can_cause_at_any_time_do_not_block_deletion(talk: Talk) -> None:
    first = talk.entries[0]
    beside = talk.write(talk.source, hidden=[first])
    talk.remove(beside)
    talk.close()
    lost = replace(talk.entries[0], header=None)
    restored = replace(talk.entries[1], header=b"header")
    transcript = talk.check([lost, restored, *talk.entries[2:], lost])
    assert {fault.kind for fault in transcript.faults} == {"side_by_side", "lost", "restored", "replayed"}
    assert deletes(transcript)


def test_a_workstation_does_not_delete_while_an_entry_that_it_remembers_is_gone(talk: Talk) -> None:
    remembered = (Head(SOURCE_STRAND, 7, Digest(b"x" * 32)),)
    talk.close()
    assert not deletes(talk.check(remembered=remembered))


def test_the_closing_of_a_workstation_that_was_retired_waits_for_another(talk: Talk) -> None:
    talk.close(LAPTOP)
    retired = {**the_strands(), LAPTOP.strand: replace(the_strands()[LAPTOP.strand], until=DAY)}
    transcript = read_transcript(talk.keys.address, talk.keys.verify_key, retired, talk.entries)
    assert (closed_until(transcript), may_delete(transcript, retired, DUE)) == (DUE, False)
    assert not may_delete(transcript, {}, DUE)
    talk.close(WORKSTATION)
    again = read_transcript(talk.keys.address, talk.keys.verify_key, retired, talk.entries)
    assert may_delete(again, retired, DUE)


def test_a_removed_message_does_not_keep_a_mailbox_open_that_was_closed_after_it(talk: Talk) -> None:
    talk.close()
    talk.remove(talk.entries[0])
    assert deletes(talk.check())


def test_dropping_the_newer_entries_of_both_strands_brings_an_older_closing_back(talk: Talk) -> None:
    """No check prevents this attack. Only someone who saw the newer entries notices it."""
    talk.close()
    before = list(talk.entries)
    talk.write(talk.source)
    talk.write(WORKSTATION)
    remembered = talk.check().heads
    assert deletes(talk.check(before))
    assert not deletes(talk.check(before, remembered))


def test_a_closing_by_a_stranger_counts_for_nothing(talk: Talk) -> None:
    stranger = DeskWriter(StrandId(b"strand-x"), b"x" * 32)
    talk.close(stranger)
    assert closed_until(talk.check()) is None
    assert not deletes(talk.check())


def test_a_handed_over_step_repeats_the_day(talk: Talk) -> None:
    talk.close()
    talk.add(WORKSTATION, EntryClass.WORDS, content=talk.contents[talk.entries[0].digest], due=LATER)
    assert closed_until(talk.check()) == LATER


def test_what_a_retired_workstation_invents_does_not_keep_a_mailbox_from_being_deleted(talk: Talk) -> None:
    """Attack: with its key, someone names entries that never existed, or signs a rival of a real entry."""
    real = talk.read(LAPTOP)
    before = talk.close()
    talk.read(LAPTOP, hidden=[real, before])
    talk.retired = [LAPTOP]
    names = tuple(Head(SOURCE_STRAND, 9, Digest(at.to_bytes(32))) for at in range(64))
    talk.read(LAPTOP, heads=((head_of(real),), names))
    assert not [fault for fault in talk.check().faults if not fault.allows_answers]
    assert may_delete(talk.check(), the_strands(LAPTOP), DUE)
    talk.close()
    assert may_delete(talk.check(), the_strands(LAPTOP), DUE)


def test_what_the_key_of_a_retired_workstation_signed_later_does_not_block_deletion(talk: Talk) -> None:
    late = DAY + timedelta(days=40)
    talk.write(talk.source, day=late)
    talk.write(WORKSTATION, day=late, due=late)
    talk.write(LAPTOP)
    strands = the_strands(LAPTOP)
    transcript = read_transcript(talk.keys.address, talk.keys.verify_key, strands, talk.entries)
    assert [fault.kind for fault in transcript.faults] == [FaultKind.DATED_BACK]
    assert may_delete(transcript, strands, late)
