"""Content of the reports: both languages have the same texts and tables."""

import re
from collections import Counter
from dataclasses import replace
from datetime import date

import pytest

from report.counts import count_year
from report.disclosure import Audience, Floors, treat
from report.document import OWN_WORDS_CHARACTERS, Document, Imprint, compose_report
from report.errors import WordsError
from tests.report.report_factories import LANGUAGES, LISTS, TABLES, a_language

IMPRINT = Imprint(
    "Steunpunt <Voorbeeld>", date(2027, 1, 18), "Eén alinea.\r\n\r\nNog een\nalinea.\n\n \n", "nl"
)


def a_document(
    mailboxes: int = 40, *, language: str = "nl", audience: Audience = Audience.PUBLIC, is_draft: bool = False
) -> Document:
    lines = [(2026, "mailbox", "read")] * mailboxes + [(2026, "theme", "bullying")] * (mailboxes // 2)
    counts = count_year(Counter(lines), 2026, TABLES, "nothing")
    return compose_report(
        treat(counts, Floors(), audience), LISTS, a_language(language), replace(IMPRINT, is_draft=is_draft)
    )


def test_all_languages_have_the_same_sentences_and_placeholders() -> None:
    places = [
        {key: sorted(re.findall(r"\{\w+\}", words)) for key, words in a_language(language).words.items()}
        for language in LANGUAGES
    ]
    assert all(places[0] == each for each in places)


def test_dutch_never_calls_a_report_or_a_mailbox_she() -> None:
    assert [words for words in a_language("nl").words.values() if re.search(r"\bhaar\b", words)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_table_and_line_has_a_name(language: str) -> None:
    document = a_document(language=language)
    assert ["mailbox", *TABLES] == [table.dimension for table in document.tables]
    assert all(row.name for table in document.tables for row in table.rows)


def test_names_come_from_the_settings_in_the_readers_language() -> None:
    names = [[row.name for row in a_document(language=each).tables[1].rows] for each in ("nl", "en")]
    assert ["Belangenverstrengeling", "Pesten", "Misbruik van macht"] == names[0]
    assert ["Conflict of interest", "Bullying", "Abuse of power"] == names[1]


def test_an_empty_line_begins_a_paragraph() -> None:
    assert ("Eén alinea.", "Nog een alinea.") == a_document().own_words


def test_each_version_states_its_own_floor() -> None:
    assert "onder de 10" in a_document().words["how_hidden"]
    assert "onder de 5" in a_document(audience=Audience.SG).words["how_hidden"]


def test_the_sgs_version_says_that_it_is_confidential() -> None:
    assert not a_document().is_confidential
    assert a_document(audience=Audience.SG).is_confidential
    assert a_document().title != a_document(audience=Audience.SG).title


def test_days_are_written_out_in_the_readers_language() -> None:
    assert a_document().words["by"].endswith(", 18 januari 2027")
    assert a_document(language="en").words["by"].endswith(", 18 January 2027")


@pytest.mark.parametrize("text", ["x" * (OWN_WORDS_CHARACTERS + 1), "a\0b", "a\x1b[2Jb", "a\x7f", "a\x85"])
def test_text_that_a_document_cannot_contain_is_refused(text: str) -> None:
    treated = treat(count_year(Counter(), 2026, TABLES, "nothing"), Floors(), Audience.PUBLIC)
    with pytest.raises(WordsError):
        compose_report(treated, LISTS, a_language("nl"), Imprint("Steunpunt", date(2027, 1, 18), text, "nl"))


def test_a_document_of_an_empty_year_shows_nothing() -> None:
    assert a_document(0).shows_nothing
    assert not a_document(40).shows_nothing
