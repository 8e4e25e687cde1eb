"""Knowledge: an entry covers what its writer was shown, and nothing else."""

import hashlib
import random
import tracemalloc
from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.entry import SignedEntry
from protocol.envelope import EntryClass
from protocol.heads import UNSEEN_IN_ALL, Head, Heads
from protocol.identifiers import SOURCE_STRAND, Digest, StrandId
from protocol.transcript.check import head_of
from protocol.transcript.knowledge import Knowledge
from tests.protocol.mailbox_factories import DAY, LAPTOP, WORKSTATION, Talk


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_an_entry_covers_what_its_heads_name_and_what_is_behind_them(talk: Talk) -> None:
    first, second = talk.write(talk.source), talk.write(talk.source)
    answer = talk.write(WORKSTATION)
    knowledge = talk.check().knowledge
    assert answer.envelope.heads == (head_of(second),)
    for earlier in (first, second):
        assert knowledge.all_cover([answer.digest], earlier.digest)
        assert earlier.digest in knowledge.known_to([answer.digest])
    assert answer.digest not in knowledge.known_to([answer.digest])
    assert answer.digest not in knowledge.known_to([first.digest])


def test_an_entry_does_not_cover_what_it_lists_as_unseen(talk: Talk) -> None:
    first, _ = talk.write(talk.source), talk.write(talk.source)
    answer = talk.write(WORKSTATION, not_shown=[first])
    assert first.digest not in talk.check().knowledge.known_to([answer.digest])


def test_what_an_earlier_entry_of_the_strand_covered_is_known_and_not_covered(talk: Talk) -> None:
    """A withdrawal is too late only if the withdrawal itself covers the step.

    Earlier receipts do not count.
    """
    step = talk.write(WORKSTATION)
    receipt = talk.read(talk.source)
    later = talk.write(talk.source, heads=((head_of(receipt),), ()))
    knowledge = talk.check().knowledge
    assert step.digest in knowledge.known_to([later.digest])
    assert not knowledge.all_cover([later.digest], step.digest)


def test_what_another_strand_had_seen_is_not_passed_on(talk: Talk) -> None:
    message = talk.write(talk.source)
    answer = talk.write(WORKSTATION)
    laptop = talk.write(LAPTOP, heads=((head_of(answer),), ()))
    knowledge = talk.check().knowledge
    assert answer.digest in knowledge.known_to([laptop.digest])
    assert message.digest not in knowledge.known_to([laptop.digest])


def test_missing_entries_are_known_by_name(talk: Talk) -> None:
    first, second, answer = talk.write(talk.source), talk.write(talk.source), talk.write(WORKSTATION)
    knowledge = talk.without(second).knowledge
    assert knowledge.named[second.digest] == head_of(second)
    assert second.digest in knowledge.known_to([answer.digest])
    assert first.digest not in knowledge.known_to([answer.digest])  # nothing there says that it is behind
    assert knowledge.unknown_to_all([first.digest, second.digest], [answer.digest]) == [first.digest]
    assert knowledge.unknown_to_all([first.digest], []) == [first.digest]


def test_within_heads_is_what_they_name_and_what_is_behind_these(talk: Talk) -> None:
    first, second = talk.write(talk.source), talk.write(talk.source)
    answer = talk.write(WORKSTATION)
    knowledge = talk.check().knowledge
    assert knowledge.within([head_of(second)]) == {first.digest, second.digest}
    assert knowledge.within([head_of(answer)]) == {answer.digest}
    assert knowledge.within([]) == frozenset()


def test_what_is_only_behind_an_unseen_entry_is_not_covered(talk: Talk) -> None:
    """Attack: the operator hides two entries of the desk.

    A third one, which is shown, names only the second.
    """
    step, between, last = (talk.write(WORKSTATION) for _ in range(3))
    answer = talk.write(talk.source, hidden=[step, between])
    assert answer.envelope.heads == (head_of(last),)
    assert answer.envelope.unseen == (head_of(between),)
    knowledge = talk.check().knowledge
    assert knowledge.all_cover([answer.digest], last.digest)
    assert between.digest not in knowledge.known_to([answer.digest])
    assert step.digest not in knowledge.known_to([answer.digest])


def test_what_was_shown_behind_an_unseen_entry_is_a_head_of_its_own(talk: Talk) -> None:
    first, lost, last = (talk.write(WORKSTATION) for _ in range(3))
    for how in ({"hidden": [lost]}, {"not_shown": [lost]}):
        answer = talk.write(talk.source, **how)
        assert answer.envelope.heads[-2:] == (head_of(first), head_of(last))
        knowledge = talk.check().knowledge
        assert knowledge.all_cover([answer.digest], first.digest)
        assert not knowledge.all_cover([answer.digest], lost.digest)


def test_tips_are_behind_no_other(talk: Talk) -> None:
    one = talk.write(talk.source)
    two = talk.write(talk.source, hidden=[one])
    three = talk.write(talk.source, hidden=[two])
    knowledge = talk.check().knowledge
    assert knowledge.tips([one.digest, two.digest, three.digest]) == {two.digest, three.digest}
    assert knowledge.tips([one.digest]) == {one.digest}


def test_an_entry_comes_after_all_that_it_names_even_if_its_day_is_earlier(talk: Talk) -> None:
    first = talk.write(talk.source, day=DAY + timedelta(days=9))
    answer = talk.write(WORKSTATION)
    apart = talk.write(LAPTOP, day=DAY + timedelta(days=3), hidden=[first, answer])
    again = talk.write(talk.source, day=DAY + timedelta(days=3), hidden=[apart])
    for _ in range(5):
        assert talk.check(random.sample(talk.entries, 4)).entries == (apart, first, answer, again)


def test_a_name_of_an_entry_that_is_not_there_does_not_change_the_order(talk: Talk) -> None:
    """A pouch has only new entries. The entries that they name are already in the store."""
    rows = [talk.write(writer) for writer in (talk.source, WORKSTATION, talk.source, WORKSTATION)]
    assert talk.check(rows[:1:-1]).entries == tuple(rows[2:])


def test_a_head_with_a_false_number_or_strand_covers_the_entry_with_its_digest(talk: Talk) -> None:
    """A hostile source can write such a head. It harms no one: entries are named by their digests."""
    answer = talk.write(WORKSTATION)
    odd = talk.write(talk.source, heads=((Head(LAPTOP.strand, 9, answer.digest),), ()))
    assert talk.check().faults == ()
    assert talk.check().knowledge.all_cover([odd.digest], answer.digest)
    assert talk.heads(LAPTOP)[1] == ()


def test_what_is_far_behind_is_known_too(talk: Talk) -> None:
    for at in range(80):
        talk.write(talk.source if at % 2 else WORKSTATION)
    knowledge = talk.check().knowledge
    assert talk.entries[0].digest in knowledge.known_to([talk.entries[-1].digest])
    assert knowledge.unknown_to_all([Digest(bytes(32))], [talk.entries[-1].digest])
    assert {head.strand for head in talk.check().heads} == {SOURCE_STRAND, WORKSTATION.strand}


# ---- any mailbox: against the words of docs/protocol.md, without a thought for speed


def covered(by_digest: Mapping[Digest, SignedEntry], entry: SignedEntry) -> set[Digest]:
    """Return what an entry covers: what its heads name, and what is behind these within their strands."""
    part = entry.envelope
    unseen = {head.digest for head in part.unseen}

    def behind(digest: Digest) -> set[Digest]:
        if digest in unseen:
            return set()
        found = {digest}
        if digest in by_digest:
            of = by_digest[digest].envelope
            for head in of.heads:
                found |= behind(head.digest) if head.strand == of.strand else set()
        return found

    return set().union(*(behind(head.digest) for head in part.heads))


def known(by_digest: Mapping[Digest, SignedEntry], entry: SignedEntry) -> set[Digest]:
    """Return what a writer knew: what the entry and the entries of its strand behind it cover."""
    found = covered(by_digest, entry)
    for head in entry.envelope.heads:
        if head.strand == entry.envelope.strand and head.digest in by_digest:
            found |= known(by_digest, by_digest[head.digest])
    return found


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_what_anyone_knew_is_what_the_specification_says(chance: random.Random) -> None:
    """Rows were hidden, and texts did not open, at any moment."""
    talk = Talk()
    for _ in range(12):
        hidden, not_shown = (
            (chance.sample(talk.entries, chance.randrange(3)) for _ in range(2))
            if len(talk.entries) > 2
            else ([], [])
        )
        talk.write(chance.choice((talk.source, WORKSTATION, LAPTOP)), hidden=hidden, not_shown=not_shown)
    there = chance.sample(talk.entries, chance.randrange(8, 13))
    by_digest = {entry.digest: entry for entry in there}
    knowledge = Knowledge(there, {})
    every = [entry.digest for entry in talk.entries]
    some = chance.sample(sorted(by_digest), 4)

    for digest, entry in by_digest.items():
        assert knowledge.known_to([digest]) == known(by_digest, entry)
        for other in every:
            assert knowledge.all_cover([digest], other) == (other in covered(by_digest, entry))
    for other in every:
        covers = all(other in covered(by_digest, by_digest[each]) for each in some)
        assert knowledge.all_cover(some, other) == covers
    firsts = [
        (digest, next((by for by in some if digest in known(by_digest, by_digest[by])), None))
        for digest in every
    ]
    assert knowledge.first_known(every, some) == {digest: by for digest, by in firsts if by is not None}
    assert knowledge.unknown_to_all(every, some) == [digest for digest, by in firsts if by is None]


def names_of_nothing(entry: int) -> Heads:
    """Return as many names of entries that do not exist as an envelope may have."""
    names = (hashlib.sha256(f"{entry} {number}".encode()).digest() for number in range(UNSEEN_IN_ALL))
    return tuple(
        sorted(Head(StrandId(bytes([at // 64]) * 8), 1, Digest(digest)) for at, digest in enumerate(names))
    )


def test_a_hostile_source_cannot_fill_the_memory_with_names() -> None:
    """With one bit of every set for each name, 45,000 names took 142 MB, and a million would take 70 GB."""
    talk = Talk()
    for at in range(180):
        own = (head_of(talk.entries[-1]),) if talk.entries else ()
        talk.add(talk.source, EntryClass.RECEIPT, heads=(own, names_of_nothing(at)))
    tracemalloc.start()

    knowledge = Knowledge(talk.entries, {})
    assert len(knowledge.known_to([talk.entries[-1].digest])) == 179

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(knowledge.named) > 44_000
    assert peak < 20_000_000
