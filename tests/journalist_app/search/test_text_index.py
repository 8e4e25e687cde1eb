import unicodedata

import pytest

from journalist_app.search.text_index import (
    QUERY_WORDS_MAX,
    TextIndex,
    fold_case_and_accents,
    query_words,
    snippet,
)

HERE, THERE = b"h" * 20, b"t" * 20


@pytest.mark.parametrize(
    ("stands", "asked"),
    [("Één café", "een CAFE"), ("STRASSE", "straße"), ("naïef", "NAIEF"), ("ISTANBUL", "istanbul")],
)
def test_case_and_accents_do_not_count(stands: str, asked: str) -> None:
    shelf = TextIndex()
    shelf.put(HERE, 0, [stands])

    assert [HERE] == shelf.find(query_words(asked))


def test_a_word_is_found_as_a_part_of_a_longer_one() -> None:
    shelf = TextIndex()
    shelf.put(HERE, 0, ["de projectsubsidie is ingetrokken"])

    assert [HERE] == shelf.find(["subsidie"])


def test_every_word_must_be_somewhere_in_the_mailbox() -> None:
    shelf = TextIndex()
    shelf.put(HERE, 0, ["subsidie"])
    shelf.put(HERE, 1, ["ambassade"])
    shelf.put(THERE, 0, ["subsidie"])

    assert [HERE] == shelf.find(["subsidie", "ambassade"])
    assert [HERE, THERE] == shelf.find(["subsidie"])
    assert [] == shelf.find(["subsidie", "niemand"])


def test_no_word_reaches_from_one_text_into_the_next() -> None:
    shelf = TextIndex()
    shelf.put(HERE, 0, ["sub", "sidie"])

    assert [] == shelf.find(["subsidie"])


def test_what_is_put_again_takes_the_place_of_what_stood_there() -> None:
    shelf = TextIndex()
    shelf.put(HERE, 0, ["oud"])
    shelf.put(HERE, 0, ["nieuw"])

    assert [] == shelf.find(["oud"])
    assert [HERE] == shelf.find(["nieuw"])


def test_a_mailbox_that_is_dropped_is_not_found() -> None:
    shelf = TextIndex()
    shelf.put(HERE, 0, ["woord"])
    shelf.drop(HERE)
    shelf.drop(HERE)

    assert [] == shelf.find(["woord"])


def test_words_beyond_the_most_are_left_out_of_a_question() -> None:
    shelf = TextIndex()
    shelf.put(HERE, 0, ["a"])

    assert [HERE] == shelf.find(["a"] * QUERY_WORDS_MAX + ["niemand"])


def test_punctuation_sets_words_of_a_question_apart() -> None:
    assert ["wie", "bij", "ons"] == query_words("Wie? bij-ons!")


def test_a_snippet_shows_the_first_place_with_what_is_around_it() -> None:
    text = "x " * 100 + "het Café aan de\nkade " + "y " * 100

    assert "…x x x het Café aan de kade y y y y y y y…" == snippet(["niets", text], ["cafe"], 10)


def test_a_snippet_of_a_short_text_is_the_whole_of_it() -> None:
    assert "café" == snippet(["café"], ["cafe"], 10)


def test_a_snippet_stands_in_its_place_though_folding_made_the_text_longer() -> None:
    text = "ß" * 50 + " doel"

    assert snippet([text], ["doel"], 2) == "…ß doel"


def test_a_snippet_of_a_word_that_is_nowhere_is_empty() -> None:
    assert "" == snippet(["tekst"], ["ander"], 10)


def test_folding_keeps_scripts_that_know_no_case() -> None:
    assert "نص" == fold_case_and_accents("نَصٌّ")


def test_a_text_of_nothing_but_marks_is_folded_in_pieces() -> None:
    marks = "\u302a\u302d" * 25_000  # sorted all at once, as NFKD does, they hold a core for eight seconds

    assert len(marks) == len(fold_case_and_accents(marks))


def test_folding_in_pieces_finds_the_same_words() -> None:
    text = "Een café, a\u0301\u0327, Ångström \ufb01 İstanbul " * 200
    whole = unicodedata.normalize("NFKD", text)

    assert fold_case_and_accents(whole) == fold_case_and_accents(text)
    assert "een cafe, a, angstrom fi istanbul een cafe" in fold_case_and_accents(text)


def test_a_text_that_folding_multiplies_is_kept_in_part() -> None:
    shelf = TextIndex()
    shelf.put(HERE, 0, ["\ufdfa" * 100 + "einde"])  # each is "صلى الله عليه وسلم" when it is folded

    assert [HERE] == shelf.find(["الله"])
    assert [] == shelf.find(["einde"])
