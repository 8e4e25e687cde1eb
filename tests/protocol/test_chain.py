import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from protocol.chain import FaultKind
from protocol.statements import removal

from protocol import chain
from protocol.entry import SignedEntry, renumber
from protocol.identifiers import NO_DIGEST, Digest, EntryId, StrandId
from protocol.letterhead import Letterhead
from protocol.strand import DeskWriter, SourceWriter
from tests.protocol.desk_factories import a_letterhead
from tests.protocol.mailbox_factories import DAY, LAPTOP, WORKSTATION, Conversation, a_mailbox, the_strands


@pytest.fixture(scope="module")
def letterhead() -> Letterhead:
    return a_letterhead()


@pytest.fixture
def talk(letterhead: Letterhead) -> Conversation:
    """Source, desk, source, desk: each has seen what came before."""
    conversation = Conversation(a_mailbox(), letterhead, [])
    for writer in (conversation.source, WORKSTATION, conversation.source, WORKSTATION):
        conversation.write(writer)
    return conversation


def kinds(checked: chain.CheckedChain) -> set[FaultKind]:
    return {fault.kind for fault in checked.faults}


def test_an_untouched_mailbox_is_shown_whole_and_in_its_order(talk: Conversation) -> None:
    checked = talk.check(random.sample(talk.entries, 4), chain.chain_heads(talk.entries))
    assert (tuple(talk.entries), (), ()) == (checked.entries, checked.rejected, checked.faults)
    assert chain.chain_heads(talk.entries) == checked.heads


def test_an_empty_mailbox_has_no_faults(talk: Conversation) -> None:
    assert talk.check([]) == chain.CheckedChain((), (), (), {})


def test_dropping_an_entry_that_the_other_side_saw_is_detected(talk: Conversation) -> None:
    checked = talk.check(talk.entries[:1] + talk.entries[2:3])
    assert kinds(checked) == {FaultKind.SEEN_MISSING}


def test_dropping_an_entry_in_the_middle_leaves_a_gap(talk: Conversation) -> None:
    checked = talk.check(talk.entries[1:])
    assert chain.Fault(FaultKind.GAP, StrandId(b""), 1, None) in checked.faults


def test_rolling_back_what_the_workstation_remembers_is_detected(talk: Conversation) -> None:
    checked = talk.check(talk.entries[:-1], chain.chain_heads(talk.entries))
    assert checked.faults == (chain.Fault(FaultKind.ROLLED_BACK, WORKSTATION.strand, 2, None),)


def test_emptying_a_whole_mailbox_is_detected(talk: Conversation) -> None:
    checked = talk.check([], chain.chain_heads(talk.entries))
    assert kinds(checked) == {FaultKind.ROLLED_BACK}


def test_an_entry_that_no_one_saw_can_be_dropped_unnoticed(talk: Conversation) -> None:
    """This is the limit of the check: only its writer's receipt proves that the newest entry existed."""
    before = chain.chain_heads(talk.entries)
    talk.write(talk.source, "the newest, dropped before the desk ever looked")
    assert talk.check(talk.entries[:-1], before).faults == ()


def test_swapping_the_content_of_two_entries_is_detected(talk: Conversation) -> None:
    first, third = talk.entries[0], talk.entries[2]
    talk.entries[0] = replace(first, header=third.header, payload=third.payload)
    checked = talk.check()
    assert kinds(checked) == {FaultKind.BAD_PAYLOAD}
    assert checked.rejected == (talk.entries[0],)


def test_swapping_the_places_of_two_entries_is_detected(talk: Conversation) -> None:
    first, third = talk.entries[0], talk.entries[2]
    swapped = replace(first.envelope, number=2), replace(third.envelope, number=1)
    talk.entries[0] = replace(first, envelope=swapped[0])
    talk.entries[2] = replace(third, envelope=swapped[1])
    checked = talk.check()
    assert FaultKind.BAD_SIGNATURE in kinds(checked)
    assert set(checked.rejected) == {talk.entries[0], talk.entries[2]}


def test_reordering_rows_changes_nothing(talk: Conversation) -> None:
    assert talk.check(talk.entries[::-1]).entries == tuple(talk.entries)


def test_replaying_an_entry_into_another_mailbox_is_detected(
    talk: Conversation, letterhead: Letterhead
) -> None:
    other = Conversation(a_mailbox(2), letterhead, [talk.entries[1]])
    checked = other.check()
    assert kinds(checked) == {FaultKind.WRONG_ADDRESS}
    assert checked.entries == ()


def test_an_entry_that_is_stored_twice_is_shown_once(talk: Conversation) -> None:
    checked = talk.check([*talk.entries, talk.entries[1]])
    assert kinds(checked) == {FaultKind.REPLAYED}
    assert checked.entries == tuple(talk.entries)


@pytest.mark.parametrize(
    "change",
    [
        lambda made: replace(made, signature=made.signature[:-1] + bytes([made.signature[-1] ^ 1])),
        lambda made: replace(made, envelope=replace(made.envelope, day=DAY + timedelta(days=1))),
        lambda made: replace(made, envelope=replace(made.envelope, entry_id=EntryId(b"x" * 16))),
        lambda made: replace(made, envelope=replace(made.envelope, commit=bytes(32))),
    ],
    ids=["signature", "day", "entry id", "commitment"],
)
def test_flipping_anything_signed_is_detected(
    talk: Conversation, change: Callable[[SignedEntry], SignedEntry]
) -> None:
    talk.entries[3] = change(talk.entries[3])
    checked = talk.check()
    assert FaultKind.BAD_SIGNATURE in kinds(checked)
    assert talk.entries[3] in checked.rejected


def test_flipping_a_byte_of_the_payload_is_detected(talk: Conversation) -> None:
    payload = talk.entries[3].payload
    assert payload is not None
    talk.entries[3] = replace(talk.entries[3], payload=payload[:-1] + bytes([payload[-1] ^ 1]))
    assert kinds(talk.check()) == {FaultKind.BAD_PAYLOAD}


def test_with_a_replaced_mailbox_key_nothing_counts_as_the_sources(talk: Conversation) -> None:
    checked = chain.check_chain(talk.keys.address, None, the_strands(), talk.entries, None)
    assert FaultKind.UNKNOWN_STRAND in kinds(checked)
    assert all(shown.envelope.strand for shown in checked.entries)


def test_a_reply_forged_with_another_key_is_never_shown(talk: Conversation) -> None:
    forged = talk.write(DeskWriter(WORKSTATION.strand, b"x" * 32), "leave your name")
    checked = talk.check()
    assert kinds(checked) == {FaultKind.BAD_SIGNATURE}
    assert checked.rejected == (forged,)


def test_a_reply_from_a_strand_that_the_letterhead_does_not_name_is_never_shown(talk: Conversation) -> None:
    forged = talk.write(DeskWriter(StrandId(b"strand-x"), b"x" * 32))
    assert talk.check().rejected == (forged,)
    assert kinds(talk.check()) == {FaultKind.UNKNOWN_STRAND}


@pytest.mark.parametrize("days", [-1, 31], ids=["before its first day", "after its last day"])
def test_a_strand_key_outside_its_days_does_not_count(talk: Conversation, days: int) -> None:
    late = talk.write(LAPTOP, day=DAY + timedelta(days=days))
    assert talk.check().rejected == (late,)
    assert kinds(talk.check()) == {FaultKind.UNKNOWN_STRAND}


def test_a_strand_key_that_is_a_bad_point_does_not_crash(talk: Conversation) -> None:
    strands = {WORKSTATION.strand: replace(the_strands()[WORKSTATION.strand], verify_key=b"short")}
    checked = chain.check_chain(talk.keys.address, talk.keys.verify_key, strands, talk.entries, None)
    assert FaultKind.BAD_SIGNATURE in kinds(checked)


def test_two_histories_of_one_strand_are_both_held_back(talk: Conversation) -> None:
    """The server showed a rolled-back mailbox to its source, who wrote again. Both entries have number 2."""
    rival = renumber(
        replace(talk.entries[0], envelope=replace(talk.entries[0].envelope, entry_id=EntryId(b"r" * 16))),
        by=talk.source,
        number=2,
        previous=talk.entries[0].digest,
        seen=(),
        day=DAY,
    )
    checked = talk.check([*talk.entries, rival])
    assert kinds(checked) == {FaultKind.FORK}
    assert set(checked.rejected) == {rival, talk.entries[2]}


def test_an_entry_that_continues_another_history_is_held_back(talk: Conversation) -> None:
    stray = renumber(talk.entries[2], by=talk.source, number=3, previous=Digest(b"x" * 32), seen=(), day=DAY)
    checked = talk.check([*talk.entries, stray])
    assert (kinds(checked), checked.rejected) == ({FaultKind.FORK}, (stray,))


def test_a_history_rewritten_after_the_workstation_saw_it_is_detected(talk: Conversation) -> None:
    anchor = {StrandId(b""): (2, Digest(b"o" * 32))}
    checked = talk.check(anchor=anchor)
    assert kinds(checked) == {FaultKind.ROLLED_BACK, FaultKind.FORK}
    assert checked.rejected == (talk.entries[2],)


def test_the_loss_of_a_remembered_strand_is_detected(talk: Conversation) -> None:
    checked = talk.check(anchor={LAPTOP.strand: (1, Digest(b"o" * 32))})
    assert checked.faults == (chain.Fault(FaultKind.ROLLED_BACK, LAPTOP.strand, 1, None),)


def test_pointing_at_ones_own_side_is_not_having_seen(talk: Conversation) -> None:
    odd = renumber(
        talk.entries[3],
        by=WORKSTATION,
        number=3,
        previous=talk.entries[3].digest,
        seen=(talk.entries[1].digest,),
        day=DAY,
    )
    checked = talk.check([*talk.entries, odd])
    assert checked.faults == (chain.Fault(FaultKind.SEEN_MISSING, WORKSTATION.strand, 3, None),)


def test_a_removed_entry_keeps_its_place(talk: Conversation) -> None:
    talk.entries[0] = talk.removed(talk.entries[0], talk.source)
    talk.entries[1] = talk.removed(talk.entries[1], LAPTOP)  # the desk is one author, on any workstation
    talk.entries[3] = talk.removed(talk.entries[3], talk.source)  # it is the source's mailbox
    assert talk.check().faults == ()
    assert talk.check().entries == tuple(talk.entries)


def test_content_that_is_gone_without_a_removal_is_detected(talk: Conversation) -> None:
    talk.entries[0] = replace(talk.entries[0], header=None)
    assert kinds(talk.check()) == {FaultKind.BAD_REMOVAL}


@pytest.mark.parametrize(
    "forge",
    [
        lambda talk: talk.removed(talk.entries[0], WORKSTATION),
        lambda talk: talk.removed(talk.entries[0], SourceWriter(a_mailbox(9))),
        lambda talk: replace(
            talk.removed(talk.entries[2], talk.source),
            envelope=talk.entries[0].envelope,
            signature=talk.entries[0].signature,
        ),
        lambda talk: replace(talk.entries[0], header=None, payload=None, removal=b"gone"),
    ],
    ids=["by the desk", "by a stranger", "of another entry", "no removal at all"],
)
def test_a_forged_removal_is_detected(
    talk: Conversation, forge: Callable[[Conversation], SignedEntry]
) -> None:
    talk.entries[0] = forge(talk)
    checked = talk.check()
    assert kinds(checked) == {FaultKind.BAD_REMOVAL}
    assert checked.rejected == (talk.entries[0],)


def test_a_removal_that_the_server_did_not_carry_out_is_detected(talk: Conversation) -> None:
    statement = removal.sign_removal(
        talk.entries[0].digest, address=talk.keys.address, by=talk.source, day=DAY
    )
    talk.entries[0] = replace(talk.entries[0], removal=statement)
    assert kinds(talk.check()) == {FaultKind.NOT_REMOVED}


def test_a_seen_entry_comes_first_even_if_its_day_is_later(letterhead: Letterhead) -> None:
    talk = Conversation(a_mailbox(), letterhead, [])
    first = talk.write(talk.source, day=DAY + timedelta(days=9))
    answer = talk.write(WORKSTATION, day=DAY)
    apart = talk.write(LAPTOP, day=DAY + timedelta(days=3), unseen=[first, answer])
    again = talk.write(talk.source, day=DAY + timedelta(days=3), unseen=[apart])
    assert talk.check().entries == (apart, first, answer, again)


def test_heads_are_the_newest_of_each_strand(talk: Conversation) -> None:
    expected = {StrandId(b""): (2, talk.entries[2].digest), WORKSTATION.strand: (2, talk.entries[3].digest)}
    assert chain.chain_heads(talk.entries[::-1]) == expected
    assert chain.chain_heads([]) == {}


def test_the_first_entry_has_nothing_before_it(talk: Conversation) -> None:
    assert talk.entries[0].envelope.previous == NO_DIGEST
    assert talk.entries[0].envelope.seen == ()


def test_some_entries_come_in_an_order_in_which_each_can_be_appended(talk: Conversation) -> None:
    assert tuple(talk.entries) == chain.sort_entries(random.sample(talk.entries, 4))
    assert () == chain.sort_entries([])


def test_an_entry_that_crossed_comes_after_all_that_it_points_at(letterhead: Letterhead) -> None:
    talk = Conversation(a_mailbox(), letterhead, [])
    first = talk.write(talk.source, day=DAY + timedelta(days=2))
    mine = talk.write(WORKSTATION)
    talk.write(LAPTOP, unseen=[mine])
    talk.write(talk.source, day=DAY - timedelta(days=2), unseen=[mine])
    talk.write(talk.source)

    ordered = chain.sort_entries(random.sample(talk.entries, 5))

    assert first is ordered[0]
    places = {entry.digest: place for place, entry in enumerate(ordered)}
    for entry in ordered:
        before = [entry.envelope.previous, *entry.envelope.seen]
        assert all(places[digest] < places[entry.digest] for digest in before if digest != NO_DIGEST)


def test_a_pointer_to_an_entry_that_is_not_given_is_ignored(talk: Conversation) -> None:
    """A pouch has only new entries. The entries that they point at are already in the store."""
    assert tuple(talk.entries[2:]) == chain.sort_entries(reversed(talk.entries[2:]))


def test_an_entry_that_is_given_twice_is_returned_once(talk: Conversation) -> None:
    assert tuple(talk.entries) == chain.sort_entries([*talk.entries, *talk.entries])
