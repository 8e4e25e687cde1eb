import pytest

from journalist_app.search.text_index import TextIndex, query_words, snippet

HERE, THERE = b"h" * 20, b"t" * 20


@pytest.mark.parametrize(
    ("stored", "query"),
    [
        ("Één café", "een CAFE"),
        ("STRASSE", "straße"),
        ("naïef", "NAIEF"),
        ("fra\u200bude", "fraude"),
        ("fraude", "fra\u00adude"),
        ("کتاب", "كتاب"),
        ("Søren", "soren"),
        ("I\u015eIK k\u0131z", "\u0131\u015f\u0131k kiz"),
        ("می\u200cروم", "میروم"),
        ("æble", "aeble"),
        ("أحمد", "احمد"),
        ("مدرسة", "مدرسه"),
        ("\u0130HALE", "ihale"),
        ("الـــمال", "المال"),
        ("हिन्दी में", "हिन्दी"),
    ],
)
def test_search_finds_a_word_however_a_person_types_it(stored: str, query: str) -> None:
    index = TextIndex()
    index.put(HERE, 0, [stored])

    assert [HERE] == index.find(query_words(query))


def test_a_word_is_found_as_a_part_of_a_longer_one() -> None:
    index = TextIndex()
    index.put(HERE, 0, ["de projectsubsidie is ingetrokken"])

    assert [HERE] == index.find(["subsidie"])


def test_every_word_must_be_somewhere_in_the_mailbox() -> None:
    index = TextIndex()
    index.put(HERE, 0, ["subsidie"])
    index.put(HERE, 1, ["ambassade"])
    index.put(THERE, 0, ["subsidie"])

    assert [HERE] == index.find(["subsidie", "ambassade"])
    assert [HERE, THERE] == index.find(["subsidie"])
    assert [] == index.find(["subsidie", "niemand"])


def test_no_word_is_found_across_two_texts() -> None:
    index = TextIndex()
    index.put(HERE, 0, ["sub", "sidie"])

    assert [] == index.find(["subsidie"])


def test_new_texts_replace_the_earlier_texts_of_a_part() -> None:
    index = TextIndex()
    index.put(HERE, 0, ["oud"])
    index.put(HERE, 0, ["nieuw"])

    assert [] == index.find(["oud"])
    assert [HERE] == index.find(["nieuw"])


def test_a_dropped_mailbox_is_not_found() -> None:
    index = TextIndex()
    index.put(HERE, 0, ["woord"])
    index.drop(HERE)
    index.drop(HERE)

    assert [] == index.find(["woord"])


def test_a_word_of_any_script_stays_whole() -> None:
    assert ["हिन्दी", "में"] == query_words("हिन्दी, में")


def test_punctuation_separates_the_words_of_a_query() -> None:
    assert ["wie", "bij", "ons"] == query_words("Wie? bij-ons!")


def test_a_snippet_shows_the_first_occurrence_with_its_surroundings() -> None:
    text = "x " * 100 + "het Café aan de\nkade " + "y " * 100

    assert "…x x x het Café aan de kade y y y y y y y…" == snippet(["niets", text], ["cafe"], 10)


def test_a_snippet_of_a_short_text_is_the_whole_text() -> None:
    assert "café" == snippet(["café"], ["cafe"], 10)


def test_a_snippet_is_right_although_normalisation_made_the_text_longer() -> None:
    text = "ß" * 50 + " doel"

    assert snippet([text], ["doel"], 2) == "…ß doel"


def test_a_snippet_of_a_word_that_does_not_occur_is_empty() -> None:
    assert "" == snippet(["tekst"], ["ander"], 10)


def test_a_text_that_normalisation_multiplies_is_cut_off() -> None:
    index = TextIndex()
    index.put(HERE, 0, ["\ufdfa" * 100 + "einde"])  # each is "صلى الله عليه وسلم" when it is normalised

    assert [HERE] == index.find(["الله"])
    assert [] == index.find(["einde"])
