"""Slips in a typed passphrase: how many words, which are on no list, and where a space is missing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.passphrase import generate_passphrase, word_lists
from source_app.passphrase_typos import PassphraseTypos, find_typos

FIRST, LAST = word_lists()["nl"][0], word_lists()["en"][-1]


def test_a_typing_error_is_reported_by_its_place() -> None:
    assert find_typos([FIRST, f"{LAST}zz", FIRST, "qqq"]) == PassphraseTypos(4, unknown=(2, 4))


def test_a_passphrase_without_typos_has_seven_words() -> None:
    assert find_typos(generate_passphrase("en").split()) == PassphraseTypos(PassphraseTypos.wanted)


def test_words_without_a_space_between_them_are_told_from_typing_errors() -> None:
    assert find_typos([FIRST, FIRST + LAST, "qqq"]) == PassphraseTypos(3, unknown=(3,), joined=(2,))


@given(st.sampled_from(["nl", "en"]).map(generate_passphrase))
def test_a_whole_passphrase_without_spaces_is_recognised(drawn: str) -> None:
    assert find_typos([drawn.replace(" ", "")]) == PassphraseTypos(1, joined=(1,))


@pytest.mark.parametrize("word", ["ab" * 500, "abacus" * 166 + "x"])
def test_a_long_word_does_not_take_long(word: str) -> None:
    started = time.process_time()

    find_typos([word])

    assert time.process_time() - started < 1  # ends of words are looked for at most nine letters back
