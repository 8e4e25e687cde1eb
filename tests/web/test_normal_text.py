"""Search and names: texts that people type in different ways, in any script, have one form."""

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from web.normal_text import is_invisible, is_visible_line, name_form, one_line, search_form, trim

_ALL = [
    char
    for char in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(char) not in {"Cn", "Co", "Cs"}
]


@pytest.mark.parametrize(
    ("written", "searched"),
    [
        ("Eén café", "een cafe"),
        ("Straße", "strasse"),
        ("fra\u200bude", "fraude"),
        ("fra\u00adude", "fraude"),
        ("\ufefffra\u2060ude\u200e", "fraude"),
        ("fra\x00ude", "fraude"),
        ("Søren", "soren"),
        ("Łódź", "lodz"),
        ("æble", "aeble"),
        ("cœur", "coeur"),
        ("Đỗ", "do"),
        ("I\u015eIK k\u0131z", "isik kiz"),
        ("\u0131\u015f\u0131k", "ISIK"),
        ("\u0130HALE", "ihale"),
        ("\uff26\uff32\uff21\uff35\uff24\uff25\uff11\uff12", "fraude12"),
        ("١٢٣ ۱۲۳ १२३ ²", "123 123 123 2"),
        ("\ufb01nanci\u00eble", "financiele"),
        ("کتاب", "كتاب"),
        ("می‌روم", "ميروم"),
        ("أحمد", "احمد"),
        ("مدرسة", "مدرسه"),
        ("الـــمال", "المال"),
        ("على", "علي"),
        ("نَصٌّ", "نص"),
        ("שָׁלוֹם", "שלום"),
        ("ΣΊΣΥΦΟΣ", "σισυφος"),
        ("👩\u200d👩\u200d👧", "👩👩👧"),
    ],
)
def test_a_word_is_found_however_a_person_types_it(written: str, searched: str) -> None:
    assert search_form(searched) in search_form(written)
    assert search_form(unicodedata.normalize("NFD", written)) == search_form(written)


@pytest.mark.parametrize(("one", "other"), [("कि", "क"), ("が", "か"), ("กำ", "กา"), ("ط", "ظ"), ("й", "ь")])
def test_a_mark_that_makes_another_letter_is_kept(one: str, other: str) -> None:
    assert search_form(one) != search_form(other)


def test_the_form_of_every_character_is_final() -> None:
    forms = (search_form, name_form)

    assert [] == [char for char in _ALL for form in forms if form(form(char)) != form(char)]


def test_capitals_of_every_character_make_no_difference_to_search() -> None:
    assert [] == [char for char in _ALL if search_form(char.lower()) != search_form(char)]


@given(st.text(), st.text())
def test_the_search_form_of_two_joined_texts_is_the_two_forms_joined(one: str, other: str) -> None:
    assert search_form(one) + search_form(other) == search_form(one + other)


@given(st.text())
@example("a\u00a0\u200b b")
def test_a_normal_form_is_not_changed_again(text: str) -> None:
    assert search_form(search_form(text)) == search_form(text)
    assert name_form(name_form(text)) == name_form(text)


@given(
    st.text(),
    st.sampled_from(["\u200b", "\u00ad", "\u3164", "\u2800", "\ufe0f", "\u202e", "\x07"]),
    st.data(),
)
def test_an_invisible_character_makes_no_difference(text: str, hidden: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    longer = text[:at] + hidden + text[at:]

    assert search_form(longer) == search_form(text)
    assert name_form(longer) == name_form(text)
    assert bool(trim(longer)) == bool(trim(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [("Urgent", "urgent\u200b"), ("a  b", " a\u00a0b "), ("\uff21\uff22", "ab"), ("e\u0301", "É")],
)
def test_names_that_look_the_same_are_one_name(one: str, other: str) -> None:
    assert name_form(one) == name_form(other)


@pytest.mark.parametrize(
    ("one", "other"), [("café", "cafe"), ("كتاب", "کتاب"), ("a b", "ab"), ("1", "\u0661")]
)
def test_names_that_look_different_are_two_names(one: str, other: str) -> None:
    assert name_form(one) != name_form(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "\u200b",
        "\ufeff",
        "\u2800",
        "\u3164",
        "\u00ad",
        "\u200e",
        "\u034f\ufe0f",
        "\uffa0 \u115f\u17b4",
    ],
)
def test_a_text_of_invisible_characters_is_empty(text: str) -> None:
    assert trim(text) == ""


@pytest.mark.parametrize("text", [".", "👍", "\u0301", "\u06dd", "می‌روم", "-\u200b"])
def test_a_text_that_shows_something_is_kept_as_it_is(text: str) -> None:
    assert trim(f"\n {text} ") == text


def test_every_format_character_is_invisible_or_a_sign() -> None:
    shown = [char for char in _ALL if unicodedata.category(char) == "Cf" and not is_invisible(char)]

    assert all(
        "SIGN" in name or "MARK" in name or name.endswith(("AYAH", "ABOVE", "BELOW"))
        for name in map(unicodedata.name, shown)
    )


def test_only_accents_do_not_take_long_and_leave_nothing() -> None:
    marks = "\N{COMBINING ACUTE ACCENT}\N{COMBINING GRAVE ACCENT BELOW}" * 50_000  # NFKD takes seconds

    assert search_form(marks) == ""


_FILLERS = "\u3164\uffa0\u115f\u2800\u034f\ufe0f\u17b4\u200b\u202e\u00ad\ufeff\U000e0041"


@pytest.mark.parametrize("filler", _FILLERS)
def test_a_name_with_an_invisible_character_is_no_visible_line(filler: str) -> None:
    assert not is_visible_line(filler)
    assert not is_visible_line(f"SG{filler}")
    assert one_line(f"S{filler}G") == "SG"


@pytest.mark.parametrize(
    ("name", "is_visible"),
    [("Secretaris-generaal", True), ("الأمين العام", True), ("", False), (" ", False), ("a\nb", False)],
)
def test_a_name_of_recipients_and_workstations_is_one_line_that_can_be_seen(
    name: str, *, is_visible: bool
) -> None:
    assert is_visible_line(name) is is_visible


@given(st.text())
def test_one_line_of_one_line_is_itself(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)
