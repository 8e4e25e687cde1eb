"""Knowledge: an entry covers what its writer was shown, and nothing else."""

import random
from datetime import timedelta

import pytest

from protocol.heads import Head
from protocol.identifiers import SOURCE_STRAND, Digest
from protocol.transcript.check import head_of
from tests.protocol.mailbox_factories import DAY, LAPTOP, WORKSTATION, Conversation


@pytest.fixture
def talk() -> Conversation:
    return Conversation()


def test_an_entry_covers_what_its_heads_name_and_what_is_behind_them(talk: Conversation) -> None:
    first, second = talk.write(talk.source), talk.write(talk.source)
    answer = talk.write(WORKSTATION)
    knowledge = talk.check().knowledge
    assert answer.envelope.heads == (head_of(second),)
    for earlier in (first, second):
        assert knowledge.covers(answer.digest, earlier.digest)
        assert knowledge.knew(answer.digest, earlier.digest)
    assert not knowledge.knew(answer.digest, answer.digest)
    assert not knowledge.knew(first.digest, answer.digest)


def test_an_entry_does_not_cover_what_it_lists_as_unseen(talk: Conversation) -> None:
    first, _ = talk.write(talk.source), talk.write(talk.source)
    answer = talk.write(WORKSTATION, not_shown=[first])
    assert not talk.check().knowledge.knew(answer.digest, first.digest)


def test_what_an_earlier_entry_of_the_strand_covered_is_known_and_not_covered(talk: Conversation) -> None:
    """A withdrawal is too late only if the withdrawal itself covers the step.

    Earlier receipts do not count.
    """
    step = talk.write(WORKSTATION)
    receipt = talk.read(talk.source)
    later = talk.write(talk.source, heads=((head_of(receipt),), ()))
    knowledge = talk.check().knowledge
    assert knowledge.knew(later.digest, step.digest)
    assert not knowledge.covers(later.digest, step.digest)


def test_what_another_strand_had_seen_is_not_passed_on(talk: Conversation) -> None:
    message = talk.write(talk.source)
    answer = talk.write(WORKSTATION)
    laptop = talk.write(LAPTOP, heads=((head_of(answer),), ()))
    knowledge = talk.check().knowledge
    assert knowledge.knew(laptop.digest, answer.digest)
    assert not knowledge.knew(laptop.digest, message.digest)


def test_missing_entries_are_known_by_name(talk: Conversation) -> None:
    first, second, answer = talk.write(talk.source), talk.write(talk.source), talk.write(WORKSTATION)
    knowledge = talk.without(second).knowledge
    assert knowledge.named[second.digest] == head_of(second)
    assert knowledge.knew(answer.digest, second.digest)
    assert not knowledge.knew(answer.digest, first.digest)  # nothing there says that it is behind
    assert knowledge.unknown_to_all([first.digest, second.digest], [answer.digest]) == [first.digest]
    assert knowledge.unknown_to_all([first.digest], []) == [first.digest]


def test_within_heads_is_what_they_name_and_what_is_behind_these(talk: Conversation) -> None:
    first, second = talk.write(talk.source), talk.write(talk.source)
    answer = talk.write(WORKSTATION)
    knowledge = talk.check().knowledge
    assert knowledge.within([head_of(second)]) == {first.digest, second.digest}
    assert knowledge.within([head_of(answer)]) == {answer.digest}
    assert knowledge.within([]) == frozenset()


def test_what_is_only_behind_an_unseen_entry_is_not_covered(talk: Conversation) -> None:
    """Attack: the operator hides two entries of the desk.

    A third one, which is shown, names only the second.
    """
    step, between, last = (talk.write(WORKSTATION) for _ in range(3))
    answer = talk.write(talk.source, hidden=[step, between])
    assert answer.envelope.heads == (head_of(last),)
    assert answer.envelope.unseen == (head_of(between),)
    knowledge = talk.check().knowledge
    assert knowledge.covers(answer.digest, last.digest)
    assert not knowledge.knew(answer.digest, between.digest)
    assert not knowledge.knew(answer.digest, step.digest)


def test_what_was_shown_behind_an_unseen_entry_is_a_head_of_its_own(talk: Conversation) -> None:
    first, lost, last = (talk.write(WORKSTATION) for _ in range(3))
    for how in ({"hidden": [lost]}, {"not_shown": [lost]}):
        answer = talk.write(talk.source, **how)
        assert answer.envelope.heads[-2:] == (head_of(first), head_of(last))
        knowledge = talk.check().knowledge
        assert knowledge.covers(answer.digest, first.digest)
        assert not knowledge.covers(answer.digest, lost.digest)


def test_tips_are_behind_no_other(talk: Conversation) -> None:
    one = talk.write(talk.source)
    two = talk.write(talk.source, hidden=[one])
    three = talk.write(talk.source, hidden=[two])
    knowledge = talk.check().knowledge
    assert knowledge.tips([one.digest, two.digest, three.digest]) == {two.digest, three.digest}
    assert knowledge.tips([one.digest]) == {one.digest}


def test_an_entry_comes_after_all_that_it_names_even_if_its_day_is_earlier(talk: Conversation) -> None:
    first = talk.write(talk.source, day=DAY + timedelta(days=9))
    answer = talk.write(WORKSTATION)
    apart = talk.write(LAPTOP, day=DAY + timedelta(days=3), hidden=[first, answer])
    again = talk.write(talk.source, day=DAY + timedelta(days=3), hidden=[apart])
    for _ in range(5):
        assert talk.check(random.sample(talk.entries, 4)).entries == (apart, first, answer, again)


def test_a_name_of_an_entry_that_is_not_there_does_not_change_the_order(talk: Conversation) -> None:
    """A pouch has only new entries. The entries that they name are already in the store."""
    rows = [talk.write(writer) for writer in (talk.source, WORKSTATION, talk.source, WORKSTATION)]
    assert talk.check(rows[:1:-1]).entries == tuple(rows[2:])


def test_a_head_with_a_false_number_or_strand_covers_the_entry_with_its_digest(talk: Conversation) -> None:
    """A hostile source can write such a head. It harms no one: entries are named by their digests."""
    answer = talk.write(WORKSTATION)
    odd = talk.write(talk.source, heads=((Head(LAPTOP.strand, 9, answer.digest),), ()))
    assert talk.check().faults == ()
    assert talk.check().knowledge.covers(odd.digest, answer.digest)
    assert talk.heads(LAPTOP)[1] == ()


def test_what_is_far_behind_is_known_too(talk: Conversation) -> None:
    for at in range(80):
        talk.write(talk.source if at % 2 else WORKSTATION)
    knowledge = talk.check().knowledge
    assert knowledge.knew(talk.entries[-1].digest, talk.entries[0].digest)
    assert knowledge.unknown_to_all([Digest(bytes(32))], [talk.entries[-1].digest])
    assert {head.strand for head in talk.check().heads} == {SOURCE_STRAND, WORKSTATION.strand}
