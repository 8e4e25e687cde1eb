"""The reading sample is reproducible, complete, and contains prose only."""

import subprocess
import sys

from tests.code_lines import ROOT
from tests.docs.reading_sample import draw_sample, page_sentences, paragraphs, paragraphs_of

_LONG = "one two three four five six seven " * 4  # 28 words


def _print_sample(seed: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "tests.docs.reading_sample", seed],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_one_seed_prints_the_same_sample_in_another_process() -> None:
    printed = _print_sample("7")

    assert printed == _print_sample("7")
    assert printed != _print_sample("8")
    assert all(each.text in printed for texts in draw_sample("7").values() for each in texts)


def test_a_sample_has_the_number_of_texts_that_the_reading_test_names() -> None:
    sample = draw_sample("1")

    assert [40, 20, 30, 30] == [len(texts) for texts in sample.values()]
    assert [40, 20, 30, 30] == [len(set(texts)) for texts in sample.values()]
    assert not any(each.place.startswith(("tests/", "bench/")) for each in sample["docstrings"])


def test_only_documents_for_people_without_the_specification_are_sampled() -> None:
    files = {each.place for each in paragraphs()}

    assert {"README.md", "docs/glossary.md", "docs/adr/0008-our-own-multipart-parser.md"} <= files
    assert "docs/protocol.md" not in files


def test_a_dutch_sentence_is_never_drawn_as_an_english_one() -> None:
    english, dutch = page_sentences()

    assert len(english) > 300
    assert len(dutch) > 300
    assert not {each.text for each in english} & {each.text for each in dutch}


def test_a_paragraph_is_prose_of_at_least_25_words() -> None:
    links = "[one](a) [two](b). " * 15
    document = (
        f"# {_LONG}.\n\n{_LONG}a paragraph.\n\n- {_LONG}an item.\n- {links}\n\n| {_LONG}. |\n| - |\n\n"
        f"```\n{_LONG}.\n```\n\n<!-- {_LONG}. -->\n\n> {_LONG}.\n\n{_LONG}a list follows:\n\n1. too short\n"
    )

    assert [f"{_LONG}a paragraph.", f"{_LONG}an item."] == list(paragraphs_of(document))
