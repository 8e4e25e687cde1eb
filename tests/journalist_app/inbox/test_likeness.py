"""Texts of a flood are recognised as nearly the same, and other texts are not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journalist_app.inbox.likeness import HASH_BYTES, is_alike, sketch_of

_JUNK = "Buy the best watches of the world at our shop today, and tell all of your friends about our prices"
_QUESTION = (
    "My manager changes the figures of the project, and I do not know whether I should report that to you"
)


@pytest.mark.parametrize(
    "text",
    [
        _JUNK,
        _JUNK.upper() + " 4711!!!",
        f"Hello 12, {_JUNK}",
        _JUNK.replace("watches", "phones"),
        _JUNK.replace(" ", "\n\n"),
        "\u200b" * 5_000 + "\u200b\u00ad".join(_JUNK),
    ],
)
def test_a_text_with_small_changes_is_alike(text: str) -> None:
    assert is_alike(sketch_of(_JUNK), sketch_of(text))


@pytest.mark.parametrize(
    "text", [_QUESTION, "", "Buy watches", f"{_QUESTION} {_QUESTION[::-1]} {_JUNK[:30]}"]
)
def test_another_text_is_not_alike(text: str) -> None:
    assert not is_alike(sketch_of(_JUNK), sketch_of(text))


def test_texts_of_one_word_and_without_words_are_compared_too() -> None:
    assert is_alike(sketch_of("test"), sketch_of("Test 22"))
    assert not is_alike(sketch_of("test"), sketch_of("help"))
    assert is_alike(sketch_of("123"), sketch_of("!!"))
    assert not is_alike(sketch_of("123"), sketch_of("help"))


@given(st.text(), st.text())
def test_every_text_has_a_short_sketch_and_being_alike_is_mutual(one: str, other: str) -> None:
    mine, theirs = sketch_of(one), sketch_of(other)
    assert len(mine) <= 64
    assert is_alike(mine, mine)
    assert is_alike(mine, theirs) == is_alike(theirs, mine)


def test_most_texts_of_a_flood_have_the_same_smallest_hash() -> None:
    chance = random.Random(7)  # the same words each time
    words = _JUNK.split()
    flood = []
    for _ in range(200):
        text = [*words, *words[::-1]]
        text[chance.randrange(len(text))] = "".join(chance.choices("abcdefgh", k=8))
        flood.append(sketch_of(" ".join(text)))
    most = max(sum(each[:HASH_BYTES] == some[:HASH_BYTES] for each in flood) for some in flood)
    assert most > 150
    assert all(is_alike(each, sketch_of(" ".join([*words, *words[::-1]]))) for each in flood)
