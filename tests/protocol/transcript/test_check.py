"""Check of a whole mailbox: every change is detected, and no momentary change does lasting harm."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from operator import attrgetter

import pytest

from protocol.entry import SignedEntry, sign_again
from protocol.envelope import EntryClass
from protocol.heads import Head
from protocol.identifiers import SOURCE_STRAND, Digest, EntryId, StrandId
from protocol.strand import DeskWriter, EntryWriter, SourceWriter
from protocol.transcript.check import Fault, FaultKind, head_of, heads_after, read_transcript
from protocol.trusted_state import SeenMailbox, TrustedState
from tests.protocol.mailbox_factories import DAY, LAPTOP, WORKSTATION, Talk, a_mailbox, kinds, the_strands


@pytest.fixture
def talk() -> Talk:
    """Make a mailbox in which source and desk wrote in turns, and each was shown what came before."""
    conversation = Talk()
    for writer in (conversation.source, WORKSTATION, conversation.source, WORKSTATION):
        conversation.write(writer)
    return conversation


def digests(entries: tuple[SignedEntry, ...]) -> list[Digest]:
    return [entry.digest for entry in entries]


def test_an_untouched_mailbox_is_shown_whole_and_in_its_order(talk: Talk) -> None:
    remembered = talk.check().heads
    transcript = talk.check(random.sample(talk.entries, 4), remembered)
    assert (transcript.entries, transcript.rejected, transcript.faults) == (tuple(talk.entries), (), ())
    assert transcript.heads == (head_of(talk.entries[2]), head_of(talk.entries[3]))


def test_an_empty_mailbox_has_no_faults(talk: Talk) -> None:
    transcript = talk.check([])
    assert (transcript.entries, transcript.rejected, transcript.faults, transcript.heads) == ((), (), (), ())


def test_dropping_an_entry_that_another_entry_names_is_detected(talk: Talk) -> None:
    for dropped in talk.entries[:-1]:
        transcript = talk.without(dropped)
        assert transcript.faults == (Fault(FaultKind.MISSING, *head_of(dropped)),)
        assert transcript.faults[0].allows_answers


def test_rolling_back_what_the_workstation_remembers_is_detected(talk: Talk) -> None:
    newest = talk.entries[-1]
    transcript = talk.check(talk.entries[:-1], talk.check().heads)
    assert transcript.faults == (Fault(FaultKind.ROLLED_BACK, *head_of(newest)),)
    assert not transcript.faults[0].allows_answers


def test_emptying_a_whole_mailbox_is_detected(talk: Talk) -> None:
    transcript = talk.check([], talk.check().heads)
    assert [fault.kind for fault in transcript.faults] == [FaultKind.ROLLED_BACK] * 2


def test_an_entry_that_no_one_saw_can_be_dropped_unnoticed(talk: Talk) -> None:
    """This is the limit of the check: only its writer's receipt proves that the newest entry existed."""
    before = talk.check().heads
    talk.write(talk.source)
    assert talk.check(talk.entries[:-1], before).faults == ()


def test_swapping_the_content_of_two_entries_is_detected(talk: Talk) -> None:
    first, third = talk.entries[0], talk.entries[2]
    talk.entries[0] = replace(first, header=third.header, payload=third.payload)
    transcript = talk.check()
    assert kinds(transcript) == {FaultKind.BAD_PAYLOAD}
    assert transcript.rejected == (talk.entries[0],)
    assert first.digest in transcript.authentic
    assert not transcript.faults[0].allows_answers


def test_without_content_only_envelopes_and_signatures_are_checked(talk: Talk) -> None:
    talk.entries[0] = replace(talk.entries[0], header=None, payload=None)
    rows = [replace(entry, header=None, payload=None) for entry in talk.entries]
    bare = read_transcript(talk.keys.address, talk.keys.verify_key, the_strands(), rows, has_content=False)
    assert (bare.faults, len(bare.entries)) == ((), 4)
    assert talk.check(rows).faults == tuple(Fault(FaultKind.LOST, *head_of(entry)) for entry in talk.entries)


def test_signatures_that_the_caller_has_verified_are_not_verified_again(talk: Talk) -> None:
    forged = replace(talk.entries[0], signature=bytes(64))
    trusting = read_transcript(talk.keys.address, None, {}, [forged], verified={forged.digest})
    assert not read_transcript(talk.keys.address, None, {}, [forged], verified={Digest(bytes(32))}).authentic
    assert trusting.authentic == {forged.digest: forged}


@pytest.mark.parametrize(
    "change",
    [
        lambda made: replace(made, signature=made.signature[:-1] + bytes([made.signature[-1] ^ 1])),
        lambda made: replace(made, envelope=replace(made.envelope, day=DAY + timedelta(days=1))),
        lambda made: replace(made, envelope=replace(made.envelope, entry_id=EntryId(b"x" * 16))),
        lambda made: replace(made, envelope=replace(made.envelope, commit=bytes(31) + b"x")),
        lambda made: replace(made, envelope=replace(made.envelope, heads=made.envelope.heads[:1])),
        lambda made: replace(
            made, envelope=replace(made.envelope, unseen=(Head(SOURCE_STRAND, 9, Digest(bytes(32))),))
        ),
    ],
    ids=["signature", "day", "entry id", "commitment", "heads", "unseen"],
)
def test_flipping_anything_signed_is_detected(
    talk: Talk, change: Callable[[SignedEntry], SignedEntry]
) -> None:
    talk.entries[3] = change(talk.entries[3])
    transcript = talk.check()
    assert kinds(transcript) == {FaultKind.BAD_SIGNATURE}
    assert transcript.rejected == (talk.entries[3],)


def test_reordering_rows_changes_nothing(talk: Talk) -> None:
    assert talk.check(talk.entries[::-1]).entries == tuple(talk.entries)


def test_replaying_an_entry_into_another_mailbox_is_detected(talk: Talk) -> None:
    other = Talk(a_mailbox(2), [talk.entries[1]])
    assert kinds(other.check()) == {FaultKind.WRONG_ADDRESS}
    assert other.check().entries == ()


def test_an_entry_that_is_stored_twice_is_shown_once(talk: Talk) -> None:
    transcript = talk.check([*talk.entries, talk.entries[1]])
    assert kinds(transcript) == {FaultKind.REPLAYED}
    assert transcript.entries == tuple(talk.entries)
    assert transcript.faults[0].digest is None
    assert transcript.faults[0].allows_answers


def test_with_a_replaced_mailbox_key_nothing_counts_as_the_sources(talk: Talk) -> None:
    transcript = read_transcript(talk.keys.address, None, the_strands(), talk.entries)
    assert FaultKind.UNKNOWN_STRAND in kinds(transcript)
    assert all(shown.envelope.strand for shown in transcript.entries)


def test_a_reply_forged_with_another_key_is_never_shown(talk: Talk) -> None:
    forged = talk.write(DeskWriter(WORKSTATION.strand, b"x" * 32))
    transcript = talk.check()
    assert (kinds(transcript), transcript.rejected) == ({FaultKind.BAD_SIGNATURE}, (forged,))


def test_an_entry_forged_in_the_sources_strand_is_never_shown(talk: Talk) -> None:
    """Attack: the operator withdraws the agreement, removes a message or ends the mailbox in the source's
    name.
    """
    stranger = SourceWriter(a_mailbox(9))
    for entry_class, removes in (
        (EntryClass.RECEIPT, ()), (EntryClass.REMOVAL, (talk.entries[0].digest,)), (EntryClass.END, ()),
    ):  # fmt: skip
        forged = talk.add(stranger, entry_class, removes=removes)
        transcript = talk.check()
        assert transcript.rejected == (forged,)
        assert transcript.removed == {}
        talk.entries.pop()


def test_a_reply_from_a_strand_that_the_letterhead_does_not_name_is_never_shown(talk: Talk) -> None:
    forged = talk.write(DeskWriter(StrandId(b"strand-x"), b"x" * 32))
    assert talk.check().rejected == (forged,)
    assert kinds(talk.check()) == {FaultKind.UNKNOWN_STRAND}


# ---- the key of a retired workstation


def test_a_retired_workstation_cannot_have_known_what_was_written_later(talk: Talk) -> None:
    """Attack: someone has the key of a retired workstation, and signs for a day before the retirement."""
    talk.retired = [LAPTOP]
    later = talk.write(talk.source, day=DAY + timedelta(days=32))
    forged = talk.write(LAPTOP)
    transcript = talk.check()
    assert transcript.faults == (Fault(FaultKind.DATED_BACK, LAPTOP.strand, 1, None),)
    assert (transcript.rejected, transcript.entries[-1]) == ((forged,), later)
    assert forged.digest not in transcript.authentic
    assert transcript.faults[0].allows_answers


def test_it_cannot_have_known_them_through_other_entries_either(talk: Talk) -> None:
    talk.retired = [LAPTOP]
    later = talk.write(talk.source, day=DAY + timedelta(days=32))
    hidden = talk.write(talk.source)  # on an earlier day, after the later message
    chain = [talk.write(LAPTOP, hidden=[later]), talk.write(LAPTOP, hidden=[later, hidden])]
    assert talk.check().rejected == tuple(chain)


@pytest.mark.parametrize(("day", "found"), [(30, set()), (31, {FaultKind.DATED_BACK})])
def test_the_day_after_its_last_day_is_too_late_for_a_retired_workstation(
    talk: Talk, day: int, found: set[FaultKind]
) -> None:
    """Attack: with one day for clocks that differ, a step could name an agreement of the next day."""
    talk.retired = [LAPTOP]
    talk.write(talk.source, day=DAY + timedelta(days=day))
    talk.write(LAPTOP, day=DAY + timedelta(days=30))
    assert kinds(talk.check()) == found


def test_a_workstation_in_use_may_have_a_clock_that_is_far_behind(talk: Talk) -> None:
    talk.write(talk.source, day=DAY + timedelta(days=300))
    talk.write(LAPTOP)
    assert talk.check().faults == ()


def test_what_is_dated_back_is_no_second_history_and_names_nothing(talk: Talk) -> None:
    """Attack: the forged entry has the number of a real one, so that both are a fork. Or it names an entry
    that never existed.
    """
    talk.retired = [WORKSTATION]
    real = talk.entries[-1]
    later = talk.write(talk.source, day=DAY + timedelta(days=32))
    invented = Head(LAPTOP.strand, 7, Digest(b"x" * 32))
    own = head_of(talk.entries[1])
    talk.read(WORKSTATION, heads=(tuple(sorted((own, head_of(later)))), (invented,)))
    transcript = talk.check()
    assert kinds(transcript) == {FaultKind.DATED_BACK}
    assert transcript.entries == (*talk.entries[:3], real, later)
    assert transcript.heads_for(WORKSTATION.strand, transcript.authentic)[1] == ()


def test_a_workstation_that_remembers_what_is_dated_back_can_still_write(talk: Talk) -> None:
    """The workstation saw the forged entry before it had the letterhead that retires the strand."""
    talk.retired = [LAPTOP]
    talk.write(talk.source, day=DAY + timedelta(days=32))
    forged = talk.write(LAPTOP)
    talk.retired = ()
    known = talk.check().heads
    talk.retired = [LAPTOP]
    transcript = talk.check(remembered=known)
    assert kinds(transcript) == {FaultKind.DATED_BACK}
    assert head_of(forged) in transcript.heads
    state = TrustedState()
    state.advance(talk.keys.address, SeenMailbox(known))
    state.advance(talk.keys.address, SeenMailbox(transcript.heads))


def invented(strand: StrandId, count: int, number: int = 7) -> tuple[Head, ...]:
    return tuple(Head(strand, number, Digest(at.to_bytes(32))) for at in range(count))


@pytest.mark.parametrize("of", [SOURCE_STRAND, WORKSTATION.strand, LAPTOP.strand])
def test_65_entries_that_a_retired_workstation_invented_keep_no_one_from_confirming(
    talk: Talk, of: StrandId
) -> None:
    """Attack: a writer that was not shown 65 entries of a strand claims to have seen none of them."""
    talk.retired = [LAPTOP]
    own: tuple[Head, ...] = ()
    for first in (0, 40):
        names = invented(of, 80)[first : first + 40]
        heads, unseen = ((*own, *names[:15]), ()) if of == LAPTOP.strand else (own, names)
        own = (head_of(talk.read(LAPTOP, heads=(tuple(sorted(heads)), unseen))),)
    transcript = talk.check()
    assert kinds(transcript) == {FaultKind.MISSING}
    for writer in (talk.source, WORKSTATION):
        heads, unseen = talk.heads(writer)
        assert unseen == ()
        assert transcript.knowledge.within(heads) >= transcript.authentic.keys()


def test_an_entry_that_a_retired_workstation_and_the_source_name_is_unseen(talk: Talk) -> None:
    talk.retired = [LAPTOP]
    names = invented(WORKSTATION.strand, 1)
    talk.read(LAPTOP, heads=((), names))
    talk.read(talk.source, heads=((head_of(talk.entries[2]),), names))
    assert talk.heads(WORKSTATION)[1] == ()  # of the own strand, nothing is unseen
    talk.retired = [WORKSTATION]
    assert talk.heads(LAPTOP)[1] == names


def test_an_invented_number_of_a_retired_workstation_holds_no_real_entry_back(talk: Talk) -> None:
    """Attack: with its key, someone signs an entry that names another one with the number of a real entry."""
    talk.retired = [LAPTOP]
    real = talk.write(LAPTOP)
    talk.read(LAPTOP, heads=(invented(LAPTOP.strand, 1, real.envelope.number), ()))
    transcript = talk.check()
    assert kinds(transcript) == {FaultKind.MISSING}
    assert real in transcript.entries


@pytest.mark.parametrize("witness", ["source", "workstation in use"])
def test_a_rival_that_a_retired_workstation_signed_holds_no_real_entry_back(talk: Talk, witness: str) -> None:
    """Attack: with its key, someone signs a second entry with the number of a real one."""
    talk.retired = [LAPTOP]
    before = list(talk.entries)
    real = talk.write(LAPTOP)
    talk.read(talk.source if witness == "source" else WORKSTATION)
    rival = talk.write(LAPTOP, hidden=talk.entries[len(before) :])
    for remembered in ((), talk.check().heads):
        transcript = talk.check(remembered=remembered)
        assert transcript.faults == (Fault(FaultKind.RETIRED_FORK, LAPTOP.strand, 1, None),)
        assert transcript.faults[0].allows_answers
        assert transcript.rejected == (rival,)
        assert real in transcript.entries
        for writer in (talk.source, WORKSTATION):
            assert talk.heads(writer)[1] == ()


def test_of_two_rivals_of_a_retired_workstation_that_no_one_knew_neither_counts(talk: Talk) -> None:
    talk.retired = [LAPTOP]
    one = talk.write(LAPTOP)
    two = talk.write(LAPTOP, hidden=[one])
    assert set(talk.check().rejected) == {one, two}


def test_two_rivals_of_a_retired_workstation_that_others_knew_both_count(talk: Talk) -> None:
    one = talk.write(LAPTOP)
    talk.read(talk.source)
    two = talk.write(LAPTOP, hidden=[one, talk.entries[-1]])
    talk.read(WORKSTATION, hidden=[one])
    assert set(talk.check().rejected) == {one, two}
    talk.retired = [LAPTOP]
    transcript = talk.check()
    assert {fault.digest for fault in transcript.faults} == {one.digest, two.digest}
    assert kinds(transcript) == {FaultKind.RETIRED_FORK}
    assert {one, two} <= set(transcript.entries)


@pytest.mark.parametrize("days", [-1, 31], ids=["before its first day", "after its last day"])
def test_a_strand_key_outside_its_days_does_not_count(talk: Talk, days: int) -> None:
    talk.retired = [LAPTOP]
    late = talk.write(LAPTOP, day=DAY + timedelta(days=days))
    assert talk.check().rejected == (late,)
    assert kinds(talk.check()) == {FaultKind.UNKNOWN_STRAND}


def test_a_strand_key_that_is_a_bad_point_does_not_crash(talk: Talk) -> None:
    strands = {WORKSTATION.strand: replace(the_strands()[WORKSTATION.strand], verify_key=b"short")}
    transcript = read_transcript(talk.keys.address, talk.keys.verify_key, strands, talk.entries)
    assert FaultKind.BAD_SIGNATURE in kinds(transcript)


# ---- forks


def test_two_entries_of_the_source_with_one_number_both_count(talk: Talk) -> None:
    """Attack: the operator hides the newest row for a moment.

    Rejecting both entries would ruin the mailbox.
    """
    newest = talk.entries[2]
    beside = talk.write(talk.source, hidden=[newest, talk.entries[3]])
    transcript = talk.check()
    assert beside.envelope.number == newest.envelope.number == 2
    assert set(transcript.faults) == {
        Fault(FaultKind.SIDE_BY_SIDE, *head_of(newest)), Fault(FaultKind.SIDE_BY_SIDE, *head_of(beside)),
    }  # fmt: skip
    assert all(fault.allows_answers for fault in transcript.faults)
    assert set(digests(transcript.entries)) == {entry.digest for entry in talk.entries}

    after = talk.write(talk.source)
    assert {head for head in after.envelope.heads if not head.strand} == {head_of(newest), head_of(beside)}
    assert head_of(after) in talk.check().heads
    assert after.envelope.number == 3


def test_a_form_sent_twice_while_its_row_was_hidden_gives_two_entries_with_one_id(talk: Talk) -> None:
    first = talk.write(talk.source, entry_id=EntryId(b"f" * 16))
    again = talk.write(talk.source, entry_id=EntryId(b"f" * 16), hidden=[first], day=DAY + timedelta(days=1))
    shown = digests(talk.check().entries)
    assert {first.digest, again.digest} <= set(shown)


def test_two_histories_of_one_workstation_are_both_held_back(talk: Talk) -> None:
    """Attack: someone copied the workstation's key, or restored the workstation's disk to an earlier day."""
    newest = talk.entries[3]
    rival = talk.write(WORKSTATION, hidden=[newest])
    transcript = talk.check()
    assert kinds(transcript) == {FaultKind.FORK}
    assert set(transcript.rejected) == {rival, newest}
    assert not any(fault.allows_answers for fault in transcript.faults)


def test_an_entry_of_a_workstation_that_continues_another_history_is_held_back(talk: Talk) -> None:
    own = Head(WORKSTATION.strand, 1, Digest(b"x" * 32))
    stray = sign_again(talk.entries[3], by=WORKSTATION, heads=(own,), unseen=(), day=DAY)
    transcript = talk.check([*talk.entries[:3], stray])
    assert FaultKind.FORK in kinds(transcript)
    assert transcript.rejected == (talk.entries[1],)


def test_a_history_rewritten_after_the_workstation_saw_it_is_detected(talk: Talk) -> None:
    remembered = (Head(WORKSTATION.strand, 2, Digest(b"o" * 32)),)
    transcript = talk.check(remembered=remembered)
    assert kinds(transcript) == {FaultKind.ROLLED_BACK, FaultKind.FORK}
    assert transcript.rejected == (talk.entries[3],)


def test_a_source_that_names_an_entry_that_never_was_holds_no_ones_entry_back(talk: Talk) -> None:
    invented = Head(WORKSTATION.strand, 2, Digest(b"o" * 32))
    talk.add(talk.source, EntryClass.RECEIPT, heads=((invented,), ()))
    transcript = talk.check()
    assert transcript.rejected == ()
    assert Fault(FaultKind.MISSING, *invented) in transcript.faults


# ---- removal


def test_a_removal_by_the_source_counts_for_the_entries_of_both_sides(talk: Talk) -> None:
    removal = talk.remove(*talk.entries[:2])
    transcript = talk.check()
    assert transcript.faults == ()
    assert transcript.removed == {removal.envelope.removes[0]: removal, removal.envelope.removes[1]: removal}
    assert [entry.payload for entry in transcript.entries[:2]] == [None, None]
    assert len(transcript.entries) == 5


def test_a_removed_entry_whose_header_is_restored_is_reported_and_not_shown(talk: Talk) -> None:
    """Attack: the operator keeps a copy of the row and restores it after the removal."""
    before = talk.entries[0]
    talk.remove(before)
    talk.entries[0] = before
    transcript = talk.check()
    assert transcript.faults == (Fault(FaultKind.RESTORED, *head_of(before)),)
    assert transcript.entries[0] == replace(before, header=None, payload=None)


def test_dropping_the_removal_too_is_detected_by_anyone_who_knew_it(talk: Talk) -> None:
    before = talk.entries[0]
    removal = talk.remove(before)
    remembered = talk.check().heads
    rows = [before, *talk.entries[1:-1]]
    assert talk.check(rows).faults == ()
    assert talk.check(rows, remembered).faults == (Fault(FaultKind.ROLLED_BACK, *head_of(removal)),)


def test_a_header_that_is_gone_without_a_removal_is_lost(talk: Talk) -> None:
    for damaged in (replace(talk.entries[0], header=None), replace(talk.entries[0], payload=None)):
        transcript = talk.check([damaged, *talk.entries[1:]])
        assert transcript.faults == (Fault(FaultKind.LOST, *head_of(damaged)),)
        assert transcript.faults[0].allows_answers


def test_an_entry_that_two_removals_name_keeps_the_first(talk: Talk) -> None:
    first, _ = talk.remove(talk.entries[0]), talk.remove(talk.entries[0], day=DAY + timedelta(days=1))
    assert talk.check().removed == {talk.entries[0].digest: first}


# ---- heads of a new entry


def test_an_entry_names_its_own_tip_and_what_was_shown_of_the_others(talk: Talk) -> None:
    first, answer, second, last = talk.entries
    assert talk.heads(LAPTOP) == ((head_of(second), head_of(last)), ())
    assert talk.heads(talk.source, not_shown=[last]) == ((head_of(second), head_of(answer)), (head_of(last),))
    assert talk.heads(LAPTOP, not_shown=[first]) == ((head_of(second), head_of(last)), (head_of(first),))


def test_a_step_that_was_spoiled_while_the_page_was_made_is_not_signed_as_seen(talk: Talk) -> None:
    """Attack: no signature covers age headers, so one changed byte makes the desk's step unreadable for
    the source.
    """
    spoiled = talk.entries[3]
    answer = talk.write(talk.source, not_shown=[spoiled])
    assert spoiled.digest not in talk.check().knowledge.known_to([answer.digest])


def test_an_entry_that_another_entry_names_and_that_is_not_there_is_unseen(talk: Talk) -> None:
    first, _, second, last = talk.entries
    heads, unseen = talk.heads(LAPTOP, hidden=[second])
    assert heads == (head_of(first), head_of(last))
    assert unseen == (head_of(second),)


def test_an_empty_mailbox_gives_no_heads() -> None:
    assert Talk().heads(WORKSTATION) == ((), ())


def test_hiding_a_workstations_newest_row_never_makes_it_sign_a_number_twice(talk: Talk) -> None:
    newest = talk.entries[3]
    talk.remembered = talk.check().heads
    made = talk.write(WORKSTATION, hidden=[newest])
    assert made.envelope.number == 3
    assert talk.check().faults == ()


def test_what_a_workstation_remembers_of_other_strands_is_not_claimed_as_shown(talk: Talk) -> None:
    talk.remembered = talk.check().heads
    made = talk.write(LAPTOP, hidden=talk.entries)
    assert (made.envelope.heads, made.envelope.unseen) == ((), ())


def test_at_most_16_heads_of_a_strand_are_named_and_the_rest_follows_later() -> None:
    talk = Talk()
    tips = [
        talk.write(talk.source, hidden=list(talk.entries), day=DAY + timedelta(days=at)) for at in range(17)
    ]
    heads, unseen = talk.heads(WORKSTATION)
    assert [head.digest for head in heads] == sorted(entry.digest for entry in tips)[:16]
    assert unseen == ()

    merged = talk.write(talk.source)
    assert len(merged.envelope.heads) == 16
    assert len(talk.heads(talk.source)[0]) == 2


@pytest.mark.parametrize("by", ["source", "desk"])
def test_forty_tips_of_another_strand_are_all_named_by_the_third_entry(by: str) -> None:
    """Attack: of too many tips, a writer names the same ones each time, and never confirms the others."""
    talk = Talk(retired=[LAPTOP])
    writer: EntryWriter = talk.source if by == "source" else WORKSTATION
    other: EntryWriter = LAPTOP if by == "source" else talk.source
    for at in range(40):
        odd = Head(other.strand, 2 * at + 1, Digest(at.to_bytes(32)))
        talk.write(other, heads=((odd,), ()))
    said = [entry.digest for entry in talk.entries]
    made = [talk.read(writer).digest for _ in range(3)]
    knowledge = talk.check().knowledge
    assert [len(knowledge.unknown_to_all(said, made[:at])) for at in (1, 2, 3)] == [24, 8, 0]


def test_eighty_tips_of_five_retired_strands_are_all_named_in_the_end() -> None:
    """An envelope has room for 64 heads, and those of the first strands would be named each time."""
    retired = [DeskWriter(StrandId(bytes([at]) * 8), bytes([at]) * 32) for at in range(1, 6)]
    talk = Talk(retired=retired)
    for writer in retired:
        for at in range(16):
            odd = Head(writer.strand, 2 * at + 1, Digest(at.to_bytes(32)))
            talk.write(writer, heads=((odd,), ()))
    said = [entry.digest for entry in talk.entries]
    made = [talk.read(talk.source).digest for _ in range(2)]
    assert talk.check().knowledge.unknown_to_all(said, made) == []


def test_a_writer_that_was_shown_64_entries_too_few_claims_to_have_seen_nothing() -> None:
    talk = Talk()
    rows = [
        talk.write(talk.source, hidden=list(talk.entries), day=DAY + timedelta(days=at)) for at in range(66)
    ]
    assert len(talk.heads(WORKSTATION, not_shown=rows[:64])[1]) == 64
    lowest = sorted(map(head_of, rows), key=lambda head: head.digest)[:64]
    assert talk.heads(WORKSTATION, not_shown=rows[:65]) == ((), tuple(sorted(lowest)))
    assert talk.write(WORKSTATION, not_shown=rows[:65]).envelope.number == 1


def test_a_writer_that_was_shown_64_entries_too_few_names_the_newest_as_unseen() -> None:
    """A form of the desk could otherwise not say what its page showed, and nothing newer would stop it."""
    talk = Talk()
    rows = [talk.write(talk.source) for _ in range(66)]
    assert talk.heads(WORKSTATION, not_shown=rows[:65]) == ((), (head_of(rows[-1]),))


def invented_strands(count: int, first: int = 0, ids: int = 0) -> list[Head]:
    strands = (StrandId((ids + first + at).to_bytes(8)) for at in range(count))
    return [Head(strand, 1, Digest(strand * 4)) for strand in strands]


@pytest.mark.parametrize("ids", [0, 2**63], ids=["below the real ones", "above the real ones"])
def test_names_of_strands_that_never_existed_stop_no_writer(ids: int) -> None:
    """Attack: entries with the key of one workstation together name more strands than an envelope can."""
    talk = Talk()
    message = talk.write(talk.source)
    for at in range(5):
        own = tuple(head_of(named) for named in talk.entries[1:][-1:])
        named = talk.read(LAPTOP, heads=(own, tuple(invented_strands(60, at * 60, ids))))
    for writer in (talk.source, WORKSTATION, LAPTOP):
        heads, unseen = talk.heads(writer)
        assert {head_of(message), head_of(named)} <= set(heads)
        assert unseen == tuple(invented_strands(256, 0, ids))
        assert talk.check([*talk.entries, talk.write(writer)]).rejected == ()
        talk.entries.pop()


def test_names_of_300_entries_that_never_existed_fit_in_no_envelope_and_stop_no_writer() -> None:
    talk = Talk()
    message = talk.write(talk.source)
    strands = [StrandId(bytes([at]) * 8) for at in range(5)]
    for first in (0, 30):
        names = [
            Head(strand, at + 1, Digest(strand * 3 + at.to_bytes(8)))
            for strand in strands
            for at in range(first, first + 30)
        ]
        own = tuple(head_of(entry) for entry in talk.entries[1:])
        talk.read(LAPTOP, heads=(own, tuple(names)))
    for writer in (talk.source, WORKSTATION):
        heads, unseen = talk.heads(writer)
        assert writer is talk.source or head_of(message) in heads
        assert [list(map(attrgetter("strand"), unseen)).count(strand) for strand in strands] == [
            *[60] * 4,
            16,
        ]
        assert talk.check([*talk.entries, talk.write(writer)]).rejected == ()
        talk.entries.pop()


def test_a_message_after_a_form_with_64_heads_names_the_sources_own() -> None:
    talk = Talk()
    form = [
        Head(StrandId(bytes([at]) * 8), 1, Digest(bytes([at, n]) * 16))
        for at in range(1, 5)
        for n in range(16)
    ]
    own = talk.write(talk.source)
    after = heads_after(tuple(form), [own])
    assert len(after) == 64
    assert head_of(own) in after


def test_a_workstation_that_remembers_its_own_entry_alone_has_room_for_it() -> None:
    talk = Talk()
    own = talk.read(WORKSTATION)
    talk.remembered = talk.check().heads
    talk.read(LAPTOP, heads=((), tuple(invented_strands(63))))
    made = talk.read(WORKSTATION, hidden=[own])
    assert head_of(own) in made.envelope.heads


# ---- a form of the source that is posted later


def test_a_message_follows_what_other_tabs_wrote_since_its_form_was_made(talk: Talk) -> None:
    form, _ = talk.heads(talk.source)
    one, two = talk.write(talk.source), talk.write(talk.source)
    assert heads_after(form, ()) == form
    assert heads_after(form, (one,)) == (head_of(one), head_of(talk.entries[3]))
    assert heads_after(form, (one, two)) == heads_after(form, (two, one)) == talk.heads(talk.source)[0]


def test_a_row_that_was_hidden_from_a_form_is_named_beside_it(talk: Talk) -> None:
    hidden = talk.entries[2]
    form, _ = talk.heads(talk.source, hidden=[hidden])
    assert {head.digest for head in heads_after(form, (hidden,))} == {hidden.digest, talk.entries[3].digest}
    aside = talk.write(talk.source, hidden=[hidden])
    assert {head_of(hidden), head_of(aside)} < set(heads_after(form, (hidden, aside)))


def test_what_a_form_names_of_the_desk_stays_even_if_it_is_hidden_now(talk: Talk) -> None:
    form, _ = talk.heads(talk.source)
    assert head_of(talk.entries[3]) in heads_after(form, (talk.entries[2],))


def test_seventeen_rows_that_were_hidden_for_a_moment_do_not_block_the_source_for_good() -> None:
    talk = Talk()
    rows = [
        talk.write(talk.source, hidden=list(talk.entries), day=DAY + timedelta(days=at)) for at in range(17)
    ]
    heads = heads_after((), rows)
    assert len(heads) == 16
    after = talk.write(talk.source, heads=(heads, ()))
    assert len(heads_after((), [*rows, after])) == 2
